#!/bin/sh
# Makes {{name}}.wasm.
set -eu
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -trimpath -o {{name}}.wasm .
