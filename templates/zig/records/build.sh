#!/bin/sh
# Makes {{name}}.wasm. ZIG is Zig 0.17: by default `zig` (https://ziglang.org; with
# `pip install ziglang` it is ZIG="python3 -m ziglang"). Arguments are passed on to it:
# `./build.sh -fstrip` makes a small file, and messages have no functions and lines then.
set -eu
cd "$(dirname "$0")"
${ZIG:-zig} build-exe plugin.zig -target wasm32-freestanding -fno-entry -rdynamic \
    -O ReleaseSafe -femit-bin={{name}}.wasm "$@"
