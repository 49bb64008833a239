#!/usr/bin/env bash
# The second verifier (tests/interop/verifier, Python, no code of ours) on every vector and on the
# answers of a running engine about 1,000 locks.
#
#   tests/interop/run.sh [LOCKS]
#
# Makes a virtual environment under target/interop, installs what requirements.txt pins, runs
# `cargo run -p mortise-testkit --example live` and then verify.py. Exits 1 when the verifiers differ.
# Without Python 3.11 and its venv, which are fetched by apt as root, it says that nothing was
# checked; with CI=true that is a failure.
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
    echo "SKIPPED, nothing was checked by the second verifier: $1"
    exit 0
}

# Makes the environment; Debian keeps ensurepip in a package of its own.
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
    environment >/dev/null 2>&1 || missing "python3 from 3.11 with its venv is not there"
fi
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --requirement tests/interop/requirements.txt || missing "its packages were not installed"

cargo run --quiet --package mortise-testkit --example live -- "$folder/live.jsonl" "$locks"
"$folder/venv/bin/python" tests/interop/verify.py --live "$folder/live.jsonl"
