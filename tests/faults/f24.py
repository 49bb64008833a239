"""F24: an import of another engine's parts, control characters, and words that do not help.

The folder was made; a terminal was rewritten; health did not say which fault; explain named a
command that a faulted engine refuses.
"""

import http.server
import json
import shutil
import threading

import exports
from cli import command, genesis, mortise, pins, save, verify
from system import Fault, System, run
from wallet import Owner

ESCAPE = "\x1b[2J\x07"


def check_import(system, log):
    """Frames of one engine with parts of another: no folder is made."""
    with System(system.binary) as other:
        other.start()
        theirs, *_ = exports.read(whole_export(other, system.root / "theirs.log").read_bytes())
    parts, *frames = exports.read(log.read_bytes())
    mixes = {"an honest export": parts}
    for name in ("genesis", "genesis-keys"):
        mixes[f"the {name} of another engine"] = {**parts, name: theirs[name]}
    for what, mixed in mixes.items():
        file, folder = system.root / "mixed.log", system.root / "imported"
        file.write_bytes(exports.write(mixed, *frames))
        ran = command("mortise-host", "import", file, "--data-dir", folder)
        if mixed is parts:
            ran.passed(f"an import of {what}")
            shutil.rmtree(folder)
            continue
        if folder.exists():
            raise Fault(f"an import with {what}: {ran.first}")
        ran.refused(f"an import with {what}", system.engine_id)


def whole_export(system, file):
    args = "export", "--data-dir", system.folder / "store", "--out", file, "--with-sealed-keys"
    command("mortise-host", *args).passed("an export with sealed keys")
    return file


def check_escapes(system, health):
    """No control character of a file or of an answer is printed."""
    answer = system.call("commitLock", **Owner(system).commit())
    good = answer["result"]["commitment"]
    pin, dev = pins(system), genesis(system, "genesis.json")
    named = json.loads(dev.read_text())
    named["name"] = f"mortise{ESCAPE}"
    values = {
        "a field of another type": {**good, "custody": ESCAPE},
        "a field of another name": {**good, "legs": [{**good["legs"][0], ESCAPE: 1}]},
        "a status": {**good, "lockId": ESCAPE},
    }
    runs = {what: verify("commitment", save(system, "x.json", value), *pin)
            for what, value in values.items()}
    runs["a genesis"] = mortise("genesis", "--check", save(system, "named.json", named))
    runs["a file that is no export"] = mortise("audit", save(system, f"x{ESCAPE}.log", "none"))
    url = serve({"health": {**health, "version": ESCAPE}})
    runs["an answer"] = mortise("health", "--url", url)
    for what, ran in runs.items():
        found = [c for c in ran.said if ord(c) < 32 and c not in "\n\t"]
        if found:
            raise Fault(f"{what}: {len(found)} control characters are printed")


def check_words(health):
    """Health names the fault and the key of the log; explain names a way that works."""
    fault = {**health, "status": "fault", "phase": "fault", "fault": "KEYS_LOST"}
    waits = {**health, "status": "witnessing", "phase": "witnessing", "logKey": "engine+1+AAAA"}
    for value, word in ((fault, "KEYS_LOST"), (waits, "engine+1+AAAA")):
        ran = mortise("health", "--url", serve({"health": value}))
        if ran.code != 4 or word not in ran.out:
            raise Fault(f"health in phase {value['phase']} does not say {word}: {ran.first}")
    told = " ".join(mortise("explain", "IMAGE_NOT_APPROVED").passed("explain").out.split())
    if "ran before" not in told:
        raise Fault(f"explain IMAGE_NOT_APPROVED: {told[-120:]}")


def serve(answers):
    """A gateway that gives these results. Returns its URL."""

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            value = {"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"])}
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def f24(system):
    system.start()
    system.result("commitLock", **Owner(system).commit())
    check_import(system, whole_export(system, system.root / "engine.log"))
    health = system.result("health")
    check_escapes(system, health)
    check_words(health)
    return (
        "parts of another engine are refused; nothing rewrites a terminal; health and explain say"
        " what helps"
    )


if __name__ == "__main__":
    run("F24", f24)
