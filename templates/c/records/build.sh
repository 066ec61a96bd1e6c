#!/bin/sh
# Makes {{name}}.wasm. CC is a clang that can build for WASI: by default that of Zig
# (https://ziglang.org; with `pip install ziglang` it is CC="python3 -m ziglang cc"), or that
# of the WASI SDK (CC=/opt/wasi-sdk/bin/clang). Arguments are passed on to it: `./build.sh -s`
# makes a small file, and messages have no functions and lines then.
set -eu
cd "$(dirname "$0")"
${CC:-zig cc} --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -Wall -Wextra -O2 -UNDEBUG -g \
    -o {{name}}.wasm plugin.c "$@"
