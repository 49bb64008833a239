#!/usr/bin/env bash
# Fetches the kernel of locally booted images (version and digest: pins.env) into the cache.
#
# Prints the folder of the kernel to standard output. It holds vmlinuz, and modules/NN-NAME.ko.xz in
# loading order. Installs nothing; does not check an existing folder again.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# vsock to the parent, and the security module; nsm is last because it needs virtio.
modules=(
    drivers/virtio/virtio_mmio
    net/vmw_vsock/vsock
    net/vmw_vsock/vmw_vsock_virtio_transport_common
    net/vmw_vsock/vmw_vsock_virtio_transport
    drivers/misc/nsm
)

unpack() {
    local folder="$1" file from index=0 module
    file="$(fetch_deb "$KERNEL_PACKAGE" "$KERNEL_VERSION" "$KERNEL_SHA256")"
    rm -rf "$folder.part"
    mkdir -p "$folder.part/modules"
    bounded 120 "unpacking the kernel" dpkg-deb -x "$file" "$folder.part/deb"
    from="$folder.part/deb"
    cp "$from/boot/vmlinuz-$KERNEL_RELEASE" "$folder.part/vmlinuz"
    for module in "${modules[@]}"; do
        cp "$(find "$from" -path "*/$KERNEL_RELEASE/kernel/$module.ko*" -print -quit)" \
            "$folder.part/modules/$(printf %02d $index)-$(basename "$module").ko.xz"
        index=$((index + 1))
    done
    rm -rf "$from"
    mv "$folder.part" "$folder"
}

folder="$cache/kernel/$KERNEL_RELEASE"
if [ ! -d "$folder" ]; then
    need dpkg-deb "it unpacks Debian packages; install dpkg"
    lock_cache
    [ -d "$folder" ] || unpack "$folder"
fi
printf '%s\n' "$folder"
