#!/usr/bin/env bash
# Builds the examples in other languages than Rust. Each is a project as `host new` writes it, in
# which the function is that of the example: what lies between it and `host` is in templates/.
set -euo pipefail

languages_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# Those that are built small are in the repository.
languages=(c zig assemblyscript go javascript python)
examples=(filter map count-by)

usage() {
    cat <<'TEXT'
usage: plugins/languages/build.sh [--out DIR] [LANGUAGE | LANGUAGE/NAME ...]

Builds the named examples, or all, and writes plugins/languages/LANGUAGE/NAME/NAME.wasm,
or DIR/LANGUAGE-NAME.wasm with --out. Needs `host` (or HOST), and what the language needs:
docs/first-plugin/ says what. CC, ZIG and COMPONENTIZE_PY name tools as in a project's own
build.sh; NODE_MODULES names a directory of that name, if npm has made one already.
TEXT
}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

out=
wanted=()
while [ $# -gt 0 ]; do
    case $1 in
        --out)
            [ $# -ge 2 ] || fail "--out needs a directory"
            mkdir -p -- "$2"
            out=$(cd -- "$2" && pwd -P)
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) fail "there is no option $1" ;;
        *) wanted+=("${1%/}") ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${languages[@]}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where a project of this language has its sources, and what makes the plugin small: without it
# messages have functions and lines.
sources() { [ "$1" = assemblyscript ] && echo assembly || echo .; }
small() {
    case $1 in
        c) echo -s ;;
        zig) echo -fstrip ;;
        go) echo -ldflags=-s ;;
    esac
}

build() { # a language, an example
    local language=$1 name=$2 operation=$2 source=$languages_dir/$1/$2
    [ -d "$source" ] || fail "there is no example $2 in $1 here (\`$languages_dir/build.sh --help\`)"
    [ "$name" != count-by ] || operation=reduce
    local project=$work/$language/$name
    mkdir -p "$work/$language"
    (cd "$work/$language" && "${HOST:-host}" new "$name" --lang "$language" --op "$operation" >/dev/null)
    find "$languages_dir/$language" "$source" -maxdepth 1 -type f ! -name '*.wasm' \
        -exec cp {} "$project/$(sources "$language")/" \;
    # What npm installs is installed once for all.
    local modules=${NODE_MODULES:-$work/$language/node_modules}
    [ ! -d "$modules" ] || ln -s "$modules" "$project/node_modules"
    # shellcheck disable=SC2046 # none or one
    (cd "$project" && ./build.sh $(small "$language"))
    [ ! -d "$project/node_modules" ] || [ -L "$project/node_modules" ] || mv "$project/node_modules" "$modules"
    local destination=$source/$name.wasm
    [ -z "$out" ] || destination=$out/$language-$name.wasm
    install -m 644 "$project/$name.wasm" "$destination"
    printf '%9d bytes  %s\n' "$(wc -c <"$destination")" "$destination"
}

for one in "${wanted[@]}"; do
    case $one in
        */*) build "${one%%/*}" "${one#*/}" ;;
        *) for name in "${examples[@]}"; do build "$one" "$name"; done ;;
    esac
done
