#!/bin/sh
# Makes {{name}}.wasm. Arguments are passed on to `go build`.
set -eu
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -trimpath -buildmode=c-shared -o {{name}}.wasm "$@" .
