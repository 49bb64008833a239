"""F19: a data folder was copied, and each copy went on.

An offline check of one branch was PROVEN under an anchors file that knew the other.
"""

import shutil

from cli import copy, export, mortise, save, verify
from system import Fault, run
from wallet import Owner


def stated(answer):
    return answer["result"]["statement"]["historySize"]


def f19(system):
    system.start()
    owner = Owner(system)
    system.result("commitLock", **owner.commit())
    system.stop()
    old = copy(system.folder, system.root / "old")

    system.start()
    first = system.root / "first.toml"
    system.result("commitLock", **owner.commit())
    mortise("root", "--url", system.url, "--anchors", first).passed("the first branch")
    kept = system.call("getStateRoot", signed=True)
    kept_file = save(system, "kept.json", kept)
    verify("root", kept_file, "--anchors", first).passed("the branch that the file knows")
    system.stop()

    shutil.rmtree(system.folder)
    old.rename(system.folder)
    system.start()
    owner = Owner(system)
    while stated(second := system.call("getStateRoot", signed=True)) < stated(kept):
        commit = system.call("commitLock", **owner.commit())
    if stated(second) != stated(kept):
        raise Fault("the branches have no statement of one size")
    lock = commit["result"]["commitment"]["lockId"]
    files = {
        "root": [save(system, "second.json", second)],
        "receipt": [save(system, "receipt.json", system.call("getReceipt", lockId=lock))],
        "commitment": [save(system, "commit.json", commit)],
        "proof": [save(system, "proof.json", system.call("getProof", lockId=lock)), "--lock-id",
                  lock],
    }
    log = export(system.folder, system.root / "second.log")
    pair = "fork", kept_file, files["root"][0], "--engine-id", system.engine_id
    verify(*pair, "--address", system.address).passed("the fork of the two statements", "PROVEN")
    for kind, args in files.items():
        verify(kind, *args, "--anchors", first).refused(f"a {kind} of the other branch", "Fork")
    mortise("audit", log, "--anchors", first).refused("the log of the other branch", "Fork")
    return f"{len(files)} answers of another branch and its log are Fork under the kept statement"


if __name__ == "__main__":
    run("F19", f19)
