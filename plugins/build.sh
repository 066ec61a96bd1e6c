#!/usr/bin/env bash
# Builds the plugins that are written in Rust and puts NAME.wasm beside each
# one's source.
set -euo pipefail

plugins_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
target=wasm32-unknown-unknown
debian=/usr/bin
# One for all plugins: what they have in common is compiled once.
build_dir=$plugins_dir/.build/target

usage() {
    cat <<'TEXT'
usage: plugins/build.sh [--out DIR] [NAME ...]

Builds the named plugins, or all that are written in Rust, and writes
plugins/NAME/NAME.wasm, or DIR/NAME.wasm with --out.
TEXT
}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-1}"
}

# --- what to build, and where to ---------------------------------------------

out=
names=()
while [ $# -gt 0 ]; do
    case $1 in
        --out)
            [ $# -ge 2 ] || fail "--out needs a directory" 2
            out=$2
            shift
            ;;
        --out=*) out=${1#--out=} ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*)
            usage >&2
            fail "there is no option $1" 2
            ;;
        *) names+=("${1%/}") ;;
    esac
    shift
done
if [ -n "$out" ]; then
    mkdir -p -- "$out"
    out=$(cd -- "$out" && pwd -P)
fi
if [ ${#names[@]} -eq 0 ]; then
    for manifest in "$plugins_dir"/*/Cargo.toml; do
        names+=("$(basename "$(dirname "$manifest")")")
    done
fi
for name in "${names[@]}"; do
    [ -f "$plugins_dir/$name/Cargo.toml" ] || fail "there is no plugin $name in Rust here" 2
done

# --- which compiler ----------------------------------------------------------

# A toolchain that has the target's standard library needs nothing else. One
# that comes with the library's source instead, as Debian's does, compiles it
# with the plugin; Cargo calls that unstable, hence RUSTC_BOOTSTRAP.
has_target() {
    local libdir
    libdir=$("$1" --print target-libdir --target $target 2>/dev/null) && [ -d "$libdir" ]
}

has_source() {
    [ -f "$("$1" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]
}

# The linker comes with rustup's toolchains, whichever is the default; Debian
# has it in a package of its own. It must not be older than the compiler.
find_linker() {
    local llvm host candidate
    llvm=$("$debian/rustc" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    host=$("$debian/rustc" -vV | sed -n 's/^host: //p')
    local candidates=("$debian/rust-lld" "$debian/wasm-ld-$llvm")
    if command -v rustc >/dev/null; then
        candidates+=("$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld")
    fi
    for candidate in "${candidates[@]}"; do
        if [ -x "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    fail "no linker for $target was found
  to get one: apt-get install lld-$llvm"
}

if command -v cargo >/dev/null && command -v rustc >/dev/null && has_target rustc; then
    cargo=cargo
    rustc=rustc
    extra=()
elif [ -x $debian/cargo ] && [ -x $debian/rustc ] && has_source $debian/rustc; then
    cargo=$debian/cargo
    rustc=$debian/rustc
    extra=(-Zbuild-std=std,panic_abort)
    export RUSTC=$rustc RUSTC_BOOTSTRAP=1
    if [ -z "${CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER:-}" ]; then
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(find_linker)
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
    fi
else
    fail "no Rust compiler here can build for $target
  with rustup:  rustup target add $target
  on Debian:    apt-get install cargo-web rustc-web rust-web-src lld-22"
fi

# --- build -------------------------------------------------------------------

# Parsing JSON is many calls of small functions. With twice the usual threshold for
# putting a function into its callers the plugins execute an eighth fewer instructions
# for a record.
inlining=(-C llvm-args=--inline-threshold=500)

# A panic's message names a source file. Without this the name would begin with
# a directory of the machine that built the plugin, which is nobody's business
# and would make two machines' builds differ.
flags_without_paths() {
    local sysroot cargo_home directory
    sysroot=$($rustc --print sysroot)
    cargo_home=$(cd "${CARGO_HOME:-$HOME/.cargo}" && pwd -P)
    local flags=(
        "${inlining[@]}"
        "--remap-path-prefix=$plugins_dir=plugins"
        "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=rust"
    )
    # Where the source is a link to elsewhere, both names can turn up.
    if directory=$(cd "$sysroot/lib/rustlib/src/rust" 2>/dev/null && pwd -P); then
        flags+=("--remap-path-prefix=$directory=rust")
    fi
    for directory in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/ "$cargo_home"/registry/src/*/; do
        flags+=("--remap-path-prefix=${directory%/}=crates")
    done
    local IFS=$'\x1f'
    echo "${flags[*]}"
}

for name in "${names[@]}"; do
    crate=$plugins_dir/$name
    # Fetched first: the flags name the directory that this creates.
    (cd "$crate" && $cargo fetch --quiet --locked)
    CARGO_ENCODED_RUSTFLAGS=$(flags_without_paths)
    export CARGO_ENCODED_RUSTFLAGS
    (cd "$crate" && $cargo build --quiet --locked --release --target $target --target-dir "$build_dir" "${extra[@]}")

    built=$build_dir/$target/release/${name//-/_}.wasm
    for path in "$plugins_dir" "$HOME/" /registry/src/; do
        if grep -qaF -- "$path" "$built"; then
            fail "$built contains the path $path of this machine"
        fi
    done
    destination=${out:-$crate}/$name.wasm
    install -m 644 -- "$built" "$destination"
    printf '%8d bytes  %s\n' "$(wc -c <"$destination")" "$destination"
done
