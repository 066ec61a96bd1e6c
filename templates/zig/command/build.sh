#!/bin/sh
# Makes {{name}}.wasm. ZIG is Zig 0.17: by default `zig` (https://ziglang.org; with
# `pip install ziglang` it is ZIG="python3 -m ziglang"). With -fstrip the file is
# small, and messages have no functions and lines.
set -eu
cd "$(dirname "$0")"
${ZIG:-zig} build-exe plugin.zig -target wasm32-wasi -O ReleaseSafe -femit-bin={{name}}.wasm
