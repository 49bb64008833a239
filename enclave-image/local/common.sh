# shellcheck shell=bash
# Functions of the scripts in this folder. Source this file; do not run it.
#
# All files go into one cache folder: $MORTISE_CACHE, or ~/.cache/mortise. The scripts install
# nothing on the machine and do not touch its package sources: apt uses its own lists in the cache.

set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=pins.env
. "$here/pins.env"
cache="${MORTISE_CACHE:-$HOME/.cache/mortise}"

say() {
    printf '[%4ss] %s\n' "$SECONDS" "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need COMMAND HINT: exits if a command is missing.
need() {
    command -v "$1" >/dev/null || die "$1 is missing: $2"
}

# bounded SECONDS WHAT COMMAND...: runs a command with a timeout.
bounded() {
    local seconds="$1" what="$2" code=0
    shift 2
    timeout --kill-after=10 "$seconds" "$@" || code=$?
    case "$code" in
        0) ;;
        124 | 137) die "$what did not finish within $seconds seconds" ;;
        *) die "$what failed (exit $code)" ;;
    esac
}

# lock_cache: takes the lock of the cache, so that one script at a time changes it.
lock_cache() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    if ! flock --nonblock 9; then
        say "another run uses $cache: waiting for it"
        flock --wait 3600 9 || die "another run has held $cache/lock for an hour"
    fi
}

# apt with its own package lists, for the Debian release of the pinned versions.
apt_root="$cache/apt"
apt_options=(-o "Dir::Etc::sourcelist=$apt_root/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$apt_root/lists" -o "Dir::Cache=$apt_root/cache"
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o quiet=1)

# apt_lists: fetches these lists, at most once a day.
apt_lists() {
    local root="$apt_root" keys=/usr/share/keyrings/debian-archive-keyring.gpg
    local mirror="${MORTISE_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
    need apt-get "the packages are Debian's; use Debian or a derivative"
    [ -r "$keys" ] || die "$keys is missing: apt-get install debian-archive-keyring"
    [ -z "$(find "$root/fetched" -mmin -1440 2>/dev/null)" ] || return 0
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
    printf '%s [signed-by=%s] %s bookworm-backports main\n' deb "$keys" "$mirror" \
        deb-src "$keys" "$mirror" >"$root/sources.list"
    say "fetching the package lists of bookworm-backports into $root"
    bounded 300 "apt-get update" apt-get "${apt_options[@]}" update >&2
    touch "$root/fetched"
}

# checked FILE SHA256: true if the file has this digest.
checked() {
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

# fetch_deb PACKAGE VERSION SHA256: puts the package into the cache and prints its path.
fetch_deb() {
    local package="$1" version="$2" digest="$3" file
    mkdir -p "$cache/debs"
    file="$cache/debs/$package-$digest.deb"
    if ! checked "$file" "$digest"; then
        apt_lists
        say "fetching $package $version"
        rm -rf "$cache/debs/part"
        mkdir "$cache/debs/part"
        (cd "$cache/debs/part" && bounded 600 "fetching $package" \
            apt-get "${apt_options[@]}" download "$package=$version") >&2
        mv "$cache/debs/part"/*.deb "$cache/debs/part.deb"
        checked "$cache/debs/part.deb" "$digest" ||
            die "$package $version: digest differs from pins.env"
        mv "$cache/debs/part.deb" "$file"
    fi
    printf '%s\n' "$file"
}
