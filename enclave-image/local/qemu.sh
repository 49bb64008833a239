#!/usr/bin/env bash
# Installs the tools that boot an enclave image without AWS into the cache ($MORTISE_CACHE,
# ~/.cache/mortise):
#
#   bin/qemu-system-x86_64    QEMU with the nitro-enclave machine, which Debian's packages lack;
#                             built from Debian's source package, 6 to 10 minutes on one core
#   bin/vhost-device-vsock    the machine's vsock device, a separate program (cargo install)
#   firmware/                 BIOS and option ROMs, from Debian's packages
#
# A finished step leaves a stamp and is skipped in later runs, so an interrupted run resumes.
# Versions and digests: pins.env. Usage: qemu.sh [--check] [--jobs N]
#
#   --check   builds nothing; exits with 0 if everything is in the cache, else with 1
#   --jobs    number of parallel compilers (default: all cores)
#
# Only the build dependencies need root. If they are missing, the script installs them with apt as
# root, or prints the command to run.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

dependencies=(gcc libc6-dev make pkg-config ninja-build flex bison python3 python3-venv xz-utils
    dpkg-dev libcbor-dev libgnutls28-dev libglib2.0-dev libpixman-1-dev libfdt-dev zlib1g-dev)
work="$cache/build/qemu-$QEMU_VERSION"
stamps="$work/stamps"
jobs="$(nproc)"

ready() {
    [ -x "$cache/bin/qemu-system-x86_64" ] && [ -x "$cache/bin/vhost-device-vsock" ] &&
        [ -f "$cache/firmware/bios-microvm.bin" ] &&
        [ -e "$stamps/installed" ] && [ "$(cat "$cache/bin/versions" 2>/dev/null)" = "$(versions)" ]
}

versions() {
    printf 'qemu %s\nvhost-device-vsock %s\nfirmware %s %s\n' "$QEMU_VERSION" \
        "$VHOST_DEVICE_VSOCK_VERSION" "$FIRMWARE_QEMU_VERSION" "$FIRMWARE_SEABIOS_VERSION"
}

# once NAME TEXT FUNCTION: runs a step unless its stamp exists.
once() {
    if [ -e "$stamps/$1" ]; then
        say "$2: done already"
        return
    fi
    say "$2"
    "$3"
    touch "$stamps/$1"
}

install_dependencies() {
    local missing=() package
    for package in "${dependencies[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
    say "installing ${missing[*]}"
    bounded 300 "apt-get update (see $work/apt.log)" apt-get update >"$work/apt.log" 2>&1
    DEBIAN_FRONTEND=noninteractive bounded 900 "apt-get install (see $work/apt.log)" \
        apt-get install --yes --no-install-recommends "${missing[@]}" >>"$work/apt.log" 2>&1
}

fetch_source() {
    local version tarball="qemu_$QEMU_VERSION+ds.orig.tar.xz"
    apt_lists
    version="$(apt-cache "${apt_options[@]}" showsrc qemu |
        sed -n "s/^Version: \(1:$QEMU_VERSION+ds-.*\)/\1/p" | head -n 1)"
    [ -n "$version" ] || die "bookworm-backports no longer has the source of QEMU $QEMU_VERSION"
    # Only the tarball: QEMU needs no Debian patch, and pins.env pins the tarball's digest.
    (cd "$work" && bounded 900 "fetching the source" \
        apt-get "${apt_options[@]}" source --tar-only --download-only "qemu=$version" >&2)
    checked "$work/$tarball" "$QEMU_SHA256" || die "$tarball: digest differs from pins.env"
}

unpack_source() {
    rm -rf "$work/source" "$work/build"
    mkdir "$work/source"
    bounded 300 "unpacking" tar -xJf "$work/qemu_$QEMU_VERSION+ds.orig.tar.xz" \
        -C "$work/source" --strip-components=1
    # Debian's tarball does not contain the firmware images.
    sed -i '2s/if unpack_edk2_blobs/if false/' "$work/source/pc-bios/meson.build"
    printf 'CONFIG_%s=y\n' NITRO_ENCLAVE VHOST_USER_VSOCK VHOST_VSOCK VIRTIO_RNG \
        >"$work/source/configs/devices/x86_64-softmmu/nitro.mak"
}

make_python() {
    rm -rf "$work/python"
    bounded 120 "python3 -m venv" python3 -m venv "$work/python"
    bounded 300 "pip" "$work/python/bin/pip" install --quiet --require-hashes --no-deps \
        --only-binary :all: --requirement "$here/requirements.txt" >&2
}

configure_qemu() {
    rm -rf "$work/build"
    mkdir "$work/build"
    (cd "$work/build" && bounded 300 "configure (see $work/configure.log)" "$work/source/configure" \
        --python="$work/python/bin/python3" --target-list=x86_64-softmmu \
        --without-default-features --without-default-devices --with-devices-x86_64=nitro \
        --enable-system --enable-tcg --enable-vhost-user --enable-vhost-kernel --enable-libcbor \
        --enable-gnutls --enable-fdt=system --disable-install-blobs --disable-docs \
        --disable-werror) >"$work/configure.log" 2>&1
}

# Prints the progress every 15 seconds. Stops the compiler when this script ends.
build_qemu() {
    local code=0 pid
    (cd "$work/build" && exec timeout --kill-after=10 5400 ninja -j"$jobs" qemu-system-x86_64) \
        >"$work/ninja.log" 2>&1 9>&- &
    pid=$!
    trap 'kill "$pid" 2>/dev/null || true' EXIT
    while kill -0 "$pid" 2>/dev/null; do
        for _ in $(seq 15); do
            kill -0 "$pid" 2>/dev/null && sleep 1
        done
        say "  compiling $(grep -o '^\[[0-9]*/[0-9]*\]' "$work/ninja.log" | tail -n 1 || true)"
    done
    wait "$pid" || code=$?
    trap - EXIT
    [ "$code" = 0 ] || die "the build failed (exit $code). Last lines:
$(tail -n 20 "$work/ninja.log")"
}

install_qemu() {
    mkdir -p "$cache/bin"
    cp "$work/build/qemu-system-x86_64" "$cache/bin/qemu-system-x86_64.part"
    strip "$cache/bin/qemu-system-x86_64.part"
    mv "$cache/bin/qemu-system-x86_64.part" "$cache/bin/qemu-system-x86_64"
    bounded 20 "qemu" "$cache/bin/qemu-system-x86_64" -M help | grep -q '^nitro-enclave' ||
        die "the built QEMU has no nitro-enclave machine"
}

install_firmware() {
    local data seabios part="$cache/firmware.part"
    data="$(fetch_deb "$FIRMWARE_QEMU_PACKAGE" "$FIRMWARE_QEMU_VERSION" "$FIRMWARE_QEMU_SHA256")"
    seabios="$(fetch_deb "$FIRMWARE_SEABIOS_PACKAGE" "$FIRMWARE_SEABIOS_VERSION" \
        "$FIRMWARE_SEABIOS_SHA256")"
    rm -rf "$part" "$cache/firmware"
    mkdir -p "$part/unpacked" "$part/files"
    dpkg-deb -x "$data" "$part/unpacked"
    dpkg-deb -x "$seabios" "$part/unpacked"
    find "$part/unpacked/usr/share/qemu" "$part/unpacked/usr/share/seabios" \
        \( -name '*.bin' -o -name '*.rom' \) -exec cp -L {} "$part/files/" \;
    mv "$part/files" "$cache/firmware"
    rm -rf "$part"
}

install_vsock_device() {
    need cargo "install rustup (https://rustup.rs)"
    bounded 1800 "cargo install (see $work/vsock.log)" cargo install vhost-device-vsock \
        --version "=$VHOST_DEVICE_VSOCK_VERSION" --locked --root "$cache" --no-track --force \
        --jobs "$jobs" --target-dir "$work/vsock" >"$work/vsock.log" 2>&1
    rm -rf "$work/vsock"
}

while [ "$#" -gt 0 ]; do
    case "$1" in
        --check)
            if ready; then
                say "$cache is complete"
                exit 0
            fi
            say "$cache is incomplete: run $here/qemu.sh"
            exit 1
            ;;
        --jobs)
            [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number"
            jobs="$2"
            shift
            ;;
        --help | -h)
            sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) die "unknown argument: $1 (see --help)" ;;
    esac
    shift
done

if ready; then
    say "QEMU $QEMU_VERSION is already in $cache"
    exit 0
fi
lock_cache
mkdir -p "$stamps"
install_dependencies
if [ ! -e "$stamps/installed" ]; then
    once source "1/8 fetching the source of QEMU $QEMU_VERSION" fetch_source
    once unpacked "2/8 unpacking it" unpack_source
    once python "3/8 installing the Python build tools" make_python
    once configured "4/8 configuring" configure_qemu
    once built "5/8 compiling (6 to 10 minutes on one core)" build_qemu
    once installed "6/8 installing into $cache/bin" install_qemu
fi
once firmware-"${FIRMWARE_SEABIOS_SHA256::8}${FIRMWARE_QEMU_SHA256::8}" \
    "7/8 installing the firmware" install_firmware
once vsock-"$VHOST_DEVICE_VSOCK_VERSION" "8/8 installing vhost-device-vsock" install_vsock_device
versions >"$cache/bin/versions"
rm -rf "$work/build" "$work/source" "$work/python"
say "ready: $cache/bin/qemu-system-x86_64"
