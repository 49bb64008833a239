#!/usr/bin/env bash
# The steps of a release. .github/workflows/release.yml runs the same ones.
#
#   enclave-image/release.sh STEP...        runs steps: check, test, programs, image, sbom, sums
#   enclave-image/release.sh all            runs all steps in this order
#   enclave-image/release.sh --list         prints the names of the steps
#
# Writes to the folder RELEASE_OUT (target/release-files). No step needs a secret: the workflow
# publishes in its own job, not with this script. If RELEASE_TAG is set, it must be v and the version
# of the workspace.
set -euo pipefail
cd "$(dirname "$0")/.."

out="${RELEASE_OUT:-target/release-files}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
# Version of the tool that makes a bill of materials from Cargo.lock.
CYCLONEDX_VERSION=0.5.9

say() {
    printf '\n== %s (%ss)\n' "$1" "$SECONDS"
}

fail() {
    printf 'release.sh: %s\n' "$1" >&2
    exit 1
}

version() {
    sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml
}

# The tag equals the version, the log can compare the version, and no file differs from the commit.
step_check() {
    local version
    version="$(version)"
    [[ "$version" =~ ^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$ ]] ||
        fail "version $version is not three numbers: see specs/upgrades.md"
    if [ -n "${RELEASE_TAG:-}" ] && [ "$RELEASE_TAG" != "v$version" ]; then
        fail "tag $RELEASE_TAG is not v$version"
    fi
    if [ "${CI:-}" = true ] && [ -n "$(git status --porcelain)" ]; then
        fail "files differ from the commit"
    fi
    cargo metadata --locked --format-version 1 --no-deps >/dev/null
    echo "version $version, commit $(git rev-parse HEAD)"
}

# All checks that every change must pass before it is merged.
step_test() {
    .ci/run
}

# The parent's programs.
step_programs() {
    cargo build --profile dist --locked -p mortise-cli -p mortise-host -p mortise-dev
    install -D -m 0755 -t "$out" target/dist/mortise target/dist/mortise-host
    "$out/mortise" --version
    "$out/mortise-host" --version
}

# An entry names an earlier commit than the one that adds it; between the two only texts may change.
check_entry() {
    local commit changed
    commit="$(jq -r .source.commit "$1/measurements.json")"
    git cat-file -e "$commit^{commit}" || fail "$1 names commit $commit, which is not here"
    changed="$(git diff --name-only "$commit" HEAD -- . ':!enclave-image/releases' ':!*.md')"
    [ -z "$changed" ] || fail "$1 names commit $commit; these files changed since then: $changed"
}

# Builds the published image of this version again and compares it. If there is none, builds one with
# a development configuration; its binary and PCR1 equal those of every image of this commit.
step_image() {
    local entry folder program dev
    program="${MORTISE:-$out/mortise}"
    dev="${MORTISE_DEV:-target/dist/mortise-dev}"
    [ -x "$program" ] || fail "no $program: run the step programs first, or set MORTISE"
    entry="enclave-image/releases/$(version)"
    if [ -f "$entry/measurements.json" ]; then
        check_entry "$entry"
        "$program" image verify-release "$entry/measurements.json"
        install -D -m 0644 -t "$out" "$entry/measurements.json" "$entry/enclave.toml" "$entry/genesis.json"
        return
    fi
    folder="$out/development-image"
    if [ -e "$folder" ]; then
        fail "$folder exists: remove it"
    fi
    [ -x "$dev" ] || fail "no $dev: run the step programs first, or set MORTISE_DEV"
    "$dev" image local-config --out "$folder"
    "$program" image build --debian-kernel --out "$folder" \
        --config "$folder/enclave.toml" --genesis "$folder/genesis.json"
    mv "$folder/mortise.eif" "$out/development.eif"
    mv "$folder/measurements.json" "$out/development.measurements.json"
    rm -r "$folder"
    jq -e '.isDevelopment and .Measurements.PCR0 and .inputs.binary.digest' \
        "$out/development.measurements.json" >/dev/null
    jq '.Measurements, .inputs.binary' "$out/development.measurements.json"
}

# Writes a CycloneDX bill of materials for each program, from Cargo.lock. cargo-cyclonedx is the
# CycloneDX project's own tool. The step removes the folder, serial number and time of this run, so
# that each commit has exactly one bill.
step_sbom() {
    local package file time
    time="$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)"
    command -v cargo-cyclonedx >/dev/null ||
        fail "no cargo-cyclonedx: cargo install --locked cargo-cyclonedx@$CYCLONEDX_VERSION"
    mkdir -p "$out"
    cargo cyclonedx --format json --spec-version 1.5 --target x86_64-unknown-linux-gnu \
        --override-filename release-bom
    for package in mortise-enclave mortise-cli mortise-host; do
        file="$(cargo metadata --format-version 1 --no-deps |
            jq -r --arg name "$package" '.packages[] | select(.name == $name) | .manifest_path')"
        jq --arg from "path+file://$PWD" --arg time "$time" \
            'walk(if type == "string" and startswith($from)
                then "path+file:///mortise" + .[($from | length):] else . end)
            | del(.serialNumber) | .metadata.timestamp = $time' \
            "$(dirname "$file")/release-bom.json" >"$out/$package.cdx.json"
        jq -e '.bomFormat == "CycloneDX" and (.components | length > 20)' \
            "$out/$package.cdx.json" >/dev/null
    done
    # cargo-cyclonedx writes one beside every package of the workspace.
    find . -path ./target -prune -o -name release-bom.json -type f -print0 | xargs -0 -r rm
}

# Writes the SHA-256 of every file.
step_sums() {
    (
        cd "$out"
        rm -f SHA256SUMS
        sums="$(find . -maxdepth 1 -type f -printf '%f\n' | LC_ALL=C sort | xargs -d '\n' sha256sum)"
        printf '%s\n' "$sums" >SHA256SUMS
        sha256sum --check --quiet SHA256SUMS
        cat SHA256SUMS
    )
}

steps=(check test programs image sbom sums)

[ $# -gt 0 ] || fail "pass a step: ${steps[*]}, or all"
[ "$1" = --list ] && {
    printf '%s\n' "${steps[@]}"
    exit 0
}
[ "$1" = all ] && set -- "${steps[@]}"
for step in "$@"; do
    [ "$(type -t "step_$step")" = function ] || fail "unknown step $step; the steps are ${steps[*]}"
    say "$step"
    "step_$step"
done
