#!/usr/bin/env bash
# Shows that the host syncs every frame before it acknowledges it.
#
#   cargo build --release -p mortise-dev
#   tests/crash/strace.sh [MORTISE_DEV]
#
# Runs `mortise-dev demo load` under strace, which follows it into the host process, and checks the
# order of the system calls with acks.py. Exits with 1 if an ack was sent before its sync. Needs
# strace, python3 and the right to trace.
set -euo pipefail
cd "$(dirname "$0")/../.."

mortise_dev="${1:-target/release/mortise-dev}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

strace --follow-forks --seccomp-bpf --absolute-timestamps=format:unix,precision:us \
    --syscall-times=us --decode-fds=all -x --string-limit=4096 \
    --trace=pwrite64,fdatasync,sendto --output="$folder/calls" \
    "$mortise_dev" demo load --locks 1000 --single 200 --connections 4 --pipeline 64

python3 tests/crash/acks.py "$folder/calls"
