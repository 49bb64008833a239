#!/usr/bin/env bash
# Tests the measured image end to end in QEMU's nitro-enclave machine.
#
#   tests/boot/run.sh            installs its tools (QEMU from source, a kernel; as root also the
#                                build dependencies, with apt), builds the release image with
#                                `mortise-dev image boot`, commits a lock and runs all cases: 15
#                                minutes plus the build
#   tests/boot/run.sh --quick    runs a dev-profile binary, few locks, no bad machines; for CI
#   tests/boot/run.sh --only WORD   runs only the cases with this word in their names
#
# Versions and digests of the tools: enclave-image/local/pins.env. The tools go into one cache
# folder ($MORTISE_CACHE, ~/.cache/mortise). The folder of a failed run is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache="${MORTISE_CACHE:-$HOME/.cache/mortise}"
target="${CARGO_TARGET_DIR:-target}"
quick=
only=
case "${1:-}" in
    "") ;;
    --quick) quick=1 ;;
    --only) only="${2:?a word}" ;;
    *)
        sed -n '2,12p' "$0" >&2
        exit 2
        ;;
esac

enclave-image/local/qemu.sh
kernel="$(enclave-image/local/kernel.sh)"

# A socket path has at most 108 bytes, so the folder has a short name.
work="$(mktemp -d "${TMPDIR:-/tmp}/boot.XXXXXX")"
failed() {
    code=$?
    echo "the run failed; its folder: $work" >&2
    exit "$code"
}

# Sets the static flags only for the last crate, so that Cargo does not rebuild the other crates.
static() {
    cargo rustc --quiet --package "$1" --bin "$2" --target-dir "$target" -- \
        -C target-feature=+crt-static -C strip=symbols
}

cargo build --quiet -p mortise-cli -p mortise-dev -p mortise-boot
if [ -n "$quick" ]; then
    static mortise-enclave mortise-enclave
    cases=(--binary "$target/debug/mortise-enclave" --short --locks 50)
else
    static mortise-boot mortise-boot-init
    # One command goes from a checkout without an image to a committed lock.
    "$target/debug/mortise-dev" image boot --demo-lock --cache "$cache" --dir "$work/one" --http 0 || failed
    binary="target/image/x86_64-unknown-linux-gnu/dist/mortise-enclave"
    cases=(--binary "$binary" --init "$target/debug/mortise-boot-init" ${only:+--only "$only"})
fi

"$target/debug/mortise-boot" --mortise "$target/debug/mortise" \
    --mortise-dev "$target/debug/mortise-dev" --kernel "$kernel" \
    --cache "$cache" --work "$work" "${cases[@]}" || failed
rm -rf "$work"
