#!/bin/sh
# Makes {{name}}.wasm. COMPONENTIZE_PY is where componentize-py is not on the path.
set -eu
cd "$(dirname "$0")"
${COMPONENTIZE_PY:-componentize-py} --wit-path wit --world command \
    componentize --output {{name}}.wasm export
