"""F21: audit keys of another engine, of no epoch, of one epoch of two.

The audit could decide nothing again, or one half, and ended with exit 0.
"""

import json

from eth_account import Account

from cli import export, genesis, key_file, mortise, save
from system import Fault, System, run
from wallet import Owner


def granted(system, name, operator, last):
    """Audit keys of the epochs 1 to `last`, as the engine releases them."""
    reader, out = system.root / f"{name}.key", system.root / f"{name}.json"
    public = mortise("--json", "reader", "new", "--out", reader).passed("a reader").json()["reader"]
    ask = "reader", "grant", "--url", system.url, "--reader", public, "--from-epoch", "1"
    mortise(*ask, "--to-epoch", last, "--operator", operator).passed("a reading right")
    keys = "reader", "keys", "--url", system.url, "--key", reader, "--out", out
    mortise(*keys).passed("audit keys")
    return out


def boot(system):
    """An engine with an operator, and the file with its key."""
    operator = Account.create()
    given = genesis(system, "genesis.json", operators=[operator.address], operatorsMin=1)
    system.start("--genesis", given)
    system.result("commitLock", **Owner(system).commit())
    return key_file(system, "operator.key", operator.key)


def f21(system):
    operator = boot(system)
    first = granted(system, "first", operator, 1)
    system.stop()
    system.start()
    system.result("commitLock", **Owner(system).commit())
    whole = granted(system, "whole", operator, 0)
    log = export(system.folder, system.root / "engine.log")
    system.stop()
    none = json.loads(whole.read_text())
    none = save(system, "none.json", {**none, "epochs": []})
    with System(system.binary) as other:
        theirs = granted(other, "theirs", boot(other), 0)
        ran = mortise("audit", log, "--keys", theirs)
    ran.refused("audit keys of another engine")
    mortise("audit", log, "--keys", none).refused("audit keys of no epoch")
    mortise("audit", log, "--keys", first).refused("audit keys of one epoch of two")
    part = mortise("audit", log, "--keys", first, "--allow-partial")
    part.passed("the same, a part is enough", "PARTLY PROVEN", "decisions")
    shown = mortise("--json", "audit", log, "--keys", whole).passed("all audit keys").json()
    if shown["replayedTo"] != shown["frames"]:
        raise Fault(f"all audit keys: {shown['replayedTo']} of {shown['frames']} frames replayed")
    return "3 sets of keys that open less than the log make PARTLY PROVEN; all keys, PROVEN"


if __name__ == "__main__":
    run("F21", f21)
