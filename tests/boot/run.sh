#!/usr/bin/env bash
# The measured image in QEMU's nitro-enclave machine, end to end.
#
#   tests/boot/run.sh            installs what it needs (QEMU from source, a kernel; apt for the
#                                build dependencies, as root), builds the release image, all cases
#   tests/boot/run.sh --quick    a binary of the dev profile, few locks, no bad machines; for CI
#
# Versions and digests of what is installed: enclave-image/local/pins.env. It goes into one cache
# folder ($MORTISE_CACHE, ~/.cache/mortise). The folder of a run that failed is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache="${MORTISE_CACHE:-$HOME/.cache/mortise}"
target="${CARGO_TARGET_DIR:-target}"
triple=x86_64-unknown-linux-gnu
quick=
case "${1:-}" in
    "") ;;
    --quick) quick=1 ;;
    *)
        sed -n '2,9p' "$0" >&2
        exit 2
        ;;
esac

enclave-image/local/qemu.sh
kernel="$(enclave-image/local/kernel.sh)"

if [ -n "$quick" ]; then
    # Static by its last crate alone, so that the crates of the dev profile are not built again.
    cargo build --quiet -p mortise-cli -p mortise-boot
    cargo rustc --quiet -p mortise-enclave --bin mortise-enclave --target-dir "$target" -- \
        -C target-feature=+crt-static -C strip=symbols
    binary="$target/debug/mortise-enclave"
else
    cargo build -p mortise-cli -p mortise-boot
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$triple" \
        --target-dir "$target/image" -p mortise-enclave
    binary="$target/image/$triple/release/mortise-enclave"
fi

# Socket paths have 108 bytes: the folder has a short name.
work="$(mktemp -d "${TMPDIR:-/tmp}/boot.XXXXXX")"
"$target/debug/mortise-boot" --mortise "$target/debug/mortise" --binary "$binary" --kernel "$kernel" \
    --cache "$cache" --work "$work" ${quick:+--short --locks 50} || {
    code=$?
    echo "the folder of this run: $work" >&2
    exit "$code"
}
rm -rf "$work"
