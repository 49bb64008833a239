#!/bin/sh
# Tests Mortise with an independent witness: sigsum-witness of Debian.
#
#   tests/peers/sigsum-witness.sh [FOLDER OF mortise AND mortise-dev]
#
# Fetches the package sigsum-go from bookworm-backports with its own source list and caches, and
# unpacks it into a temporary folder (it installs nothing). Creates an engine whose genesis names that
# witness, lets it serve, then restores an old copy of its log, which must not start.
# Needs Debian's apt and archive keyring, python3, and cargo or the built commands. Uses only
# loopback, apart from the download. Not part of .ci/run.
#
# sigsum-witness needs GODEBUG=httpmuxgo121=0 and serves one log per process. Its name is
# sigsum.org/v1/witness/HASH OF ITS KEY; it accepts the origin
# sigsum.org/v1/tree/HASH OF THE LOG'S KEY.
set -eu
cd "$(dirname "$0")/../.."
programs=${1:-}
if [ -z "$programs" ]; then
    cargo build -q -p mortise-cli -p mortise-dev
    programs=$PWD/target/debug
fi
mortise=$programs/mortise
mortise_dev=$programs/mortise-dev
work=$(mktemp -d)
dev='' witness=''
cleanup() {
    for id in $dev $witness; do kill "$id" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT INT TERM

fetch() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "http://deb.debian.org/debian bookworm-backports main" >"$work/apt/sources.list"
    set -- -qq -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt"
    (cd "$work/apt" && apt-get "$@" update && apt-get "$@" download sigsum-go) 2>/dev/null
    dpkg-deb -x "$work"/apt/sigsum-go_*.deb "$work/peer"
}

# Evaluates an expression on the first JSON value of stdin; an error of the command may follow it.
json() {
    python3 -c 'import json,sys
v, _ = json.JSONDecoder().raw_decode(sys.stdin.read().strip())
print(eval(sys.argv[1], {"v": v}))' "$1"
}
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
health() { "$mortise" --json health --url "unix:$work/dev/engine.sock" --attempts 1 2>/dev/null || true; }

# Waits until a field of health is not empty, or has the given value.
await() {
    tries=0
    while [ $tries -lt 100 ]; do
        found=$(health | json "v.get('$1', '') or ''" 2>/dev/null || true)
        if [ -n "$found" ] && { [ -z "${2:-}" ] || [ "$found" = "$2" ]; }; then
            echo "$found"
            return 0
        fi
        tries=$((tries + 1))
        sleep 0.2
    done
    echo "health never reached $1 ${2:-}; it is: $(health)" >&2
    return 1
}

start() {
    "$mortise_dev" dev --data-dir "$work/dev" --http 0 --genesis "$work/genesis.json" \
        --witness "$vkey http://127.0.0.1:$port" >"$work/dev.out" 2>"$work/dev.err" &
    dev=$!
}

stop() { kill "$dev" && wait "$dev" || true; dev=''; }

lock() {
    "$mortise" lock commit --url "unix:$work/dev/engine.sock" --key "$work/owner.key" \
        --asset native:1 --amount 1000 --target-asset native:10 --target-amount 999 --expires-in 300 \
        2>/dev/null | awk '$1 == "durability" { print $2 }'
}

fetch
bin=$work/peer/usr/bin
"$bin/sigsum-key" generate -o "$work/witness"
name=sigsum.org/v1/witness/$("$bin/sigsum-key" to-hash -k "$work/witness.pub")
vkey=$("$bin/sigsum-key" to-vkey -k "$work/witness.pub" -n "$name" -t cosignature/v1)
port=$(free_port)
cat >"$work/edit.json" <<EDIT
{"origin": {"form": "sigsum", "domain": null}, "policy": {
  "chains": [{"chainId": 1, "custody": "open", "claimWindowSeconds": 300},
             {"chainId": 10, "custody": "open", "claimWindowSeconds": 300}],
  "witnesses": ["$vkey"], "witnessesMin": 1}}
EDIT
"$mortise" genesis --merge "$work/edit.json" --out "$work/genesis.json" >/dev/null
"$mortise" key new --out "$work/owner.key" >/dev/null

start
log_key=$(await logKey)
echo "created; the engine waits for a witness that knows $log_key"
python3 -c 'import base64,sys; print(base64.b64decode(sys.argv[1].split("+",2)[2])[1:].hex())' "$log_key" \
    | "$bin/sigsum-key" from-hex -o "$work/log.pub"
GODEBUG=httpmuxgo121=0 "$bin/sigsum-witness" -k "$work/witness" --log-key "$work/log.pub" \
    --state-file "$work/witness.state" "127.0.0.1:$port" 2>"$work/witness.err" &
witness=$!
await phase ready >/dev/null
echo "cosigned by sigsum-witness: ready; committed a lock, durability $(lock)"
stop
cp -r "$work/dev/store" "$work/old"
start
await phase ready >/dev/null
echo "started again; durability $(lock)"
stop
rm -rf "$work/dev/store" && mv "$work/old" "$work/dev/store"
start
echo "an old copy of the log: phase fault, $(await fault WITNESS_AHEAD)"
echo good
