#!/usr/bin/env bash
# Runs the second verifier (tests/interop/verifier, Python, independent of our code) on every vector
# and on the answers of a running engine about 1,000 locks.
#
#   tests/interop/run.sh [LOCKS]
#
# Makes a virtual environment under target/interop, installs the pins of requirements.txt, runs
# `cargo run -p mortise-testkit --example live` and then verify.py. Exits with 1 if the verifiers
# differ. Needs Python 3.11 with venv; as root, the script installs both with apt. Without them it
# reports that it checked nothing, which is a failure with CI=true.
set -euo pipefail
cd "$(dirname "$0")/../.."

locks="${1:-1000}"
folder="target/interop"
export PYTHONDONTWRITEBYTECODE=1

missing() {
    if [ "${CI:-}" = true ]; then
        echo "the second verifier cannot run: $1" >&2
        exit 1
    fi
    echo "SKIPPED, the second verifier checked nothing: $1"
    exit 0
}

# Makes the environment. Debian has ensurepip in a separate package.
environment() {
    command -v python3 >/dev/null &&
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' &&
        python3 -m venv "$folder/venv"
}

mkdir -p "$folder"
if ! environment >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv; } \
            >/dev/null || true
    fi
    rm -rf "$folder/venv"
    environment >/dev/null 2>&1 || missing "Python 3.11 or later with venv is missing"
fi
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --requirement tests/interop/requirements.txt || missing "its packages could not be installed"

cargo run --quiet --package mortise-testkit --example live -- "$folder/live.jsonl" "$locks"
"$folder/venv/bin/python" tests/interop/verify.py --live "$folder/live.jsonl"
