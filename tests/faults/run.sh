#!/usr/bin/env bash
# Runs the faults of README.md against real processes of `mortise-dev dev`.
#
#   tests/faults/run.sh [--bin PATH] [a1 f15 ...]
#
# PATH is a `mortise-dev`, with `mortise` and `mortise-host` beside it; without it, cargo builds
# the three. Makes a virtual environment under target/faults and installs the pins of
# requirements.txt from PyPI. Prints one line for each fault; exits with 1 if one is back. Needs
# Python 3.11 with venv, and Linux.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PYTHONDONTWRITEBYTECODE=1
folder="target/faults"
bin=""
if [ "${1:-}" = --bin ]; then
    bin="$2"
    shift 2
fi
[ "$#" -gt 0 ] || set -- a1 a2 a3 a4 a5 a6 a7 \
    f04 f05 f06 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or later is needed" >&2
    exit 1
}
mkdir -p "$folder"
[ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --requirement tests/faults/requirements.txt

if [ -z "$bin" ]; then
    cargo build --quiet --package mortise-dev --package mortise-cli --package mortise-host
    bin="${CARGO_TARGET_DIR:-target}/debug/mortise-dev"
fi
status=0
for name in "$@"; do
    "$folder/venv/bin/python" "tests/faults/$name.py" "$(realpath "$bin")" || status=1
done
exit "$status"
