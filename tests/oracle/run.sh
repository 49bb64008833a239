#!/usr/bin/env bash
# Compares our images with those of the official crate, aws-nitro-enclaves-image-format 0.8.1.
#
#   tests/oracle/run.sh                  images of artificial parts
#   tests/oracle/run.sh mortise.eif      also one of our images
#
# Not part of every CI run: it builds about 200 crates (minutes) and needs OpenSSL's headers
# (libssl-dev, pkg-config). None of these crates is in the lock file of the workspace.
set -euo pipefail
image="${1:+$(realpath "$1")}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v pkg-config >/dev/null || ! pkg-config --exists openssl; then
    echo "OpenSSL's headers are missing: apt-get install libssl-dev pkg-config" >&2
    exit 1
fi
oracle=(cargo run --locked --quiet --manifest-path tests/oracle/Cargo.toml
    --target-dir target/oracle --)
"${oracle[@]}"
if [ -n "$image" ]; then
    "${oracle[@]}" "$image"
fi
