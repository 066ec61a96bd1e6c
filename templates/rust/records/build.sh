#!/bin/sh
# Makes {{name}}.wasm. Arguments are passed on to `cargo build`.
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-unknown-unknown "$@"
cp "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/plugin.wasm" {{name}}.wasm
