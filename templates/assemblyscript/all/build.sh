#!/bin/sh
# Makes {{name}}.wasm. Arguments are passed on to `asc`.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm install --silent --no-audit --no-fund
npm run --silent build -- "$@"
