#!/usr/bin/env bash
# The measured image in QEMU's nitro-enclave machine, end to end.
#
#   tests/boot/run.sh            installs what it needs (QEMU from source, a kernel; apt for the
#                                build dependencies, as root), builds the release image with
#                                `mortise image boot`, commits a lock, all cases: 15 minutes and
#                                the build
#   tests/boot/run.sh --quick    a binary of the dev profile, few locks, no bad machines; for CI
#   tests/boot/run.sh --only WORD   of the cases, those with this in their names
#
# Versions and digests of what is installed: enclave-image/local/pins.env. It goes into one cache
# folder ($MORTISE_CACHE, ~/.cache/mortise). The folder of a run that failed is kept.
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

# Socket paths have 108 bytes: the folder has a short name.
work="$(mktemp -d "${TMPDIR:-/tmp}/boot.XXXXXX")"
failed() {
    code=$?
    echo "the folder of this run: $work" >&2
    exit "$code"
}

# Static by its last crate alone, so that the crates of the dev profile are not built again.
static() {
    cargo rustc --quiet --package "$1" --bin "$2" --target-dir "$target" -- \
        -C target-feature=+crt-static -C strip=symbols
}

cargo build --quiet -p mortise-cli -p mortise-boot
if [ -n "$quick" ]; then
    static mortise-enclave mortise-enclave
    cases=(--binary "$target/debug/mortise-enclave" --short --locks 50)
else
    static mortise-boot mortise-boot-init
    # One command, from a checkout without an image to a lock.
    "$target/debug/mortise" image boot --demo-lock --cache "$cache" --dir "$work/one" --http 0 || failed
    binary="target/image/x86_64-unknown-linux-gnu/dist/mortise-enclave"
    cases=(--binary "$binary" --init "$target/debug/mortise-boot-init" ${only:+--only "$only"})
fi

"$target/debug/mortise-boot" --mortise "$target/debug/mortise" --kernel "$kernel" \
    --cache "$cache" --work "$work" "${cases[@]}" || failed
rm -rf "$work"
