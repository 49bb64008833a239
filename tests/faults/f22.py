"""F22: a recovery is drafted from a log that is longer than its checkpoint.

"The old log ended at 2 frames", without a warning; signed, it was PROVEN, and the other frames
were lost.
"""

import json
import shutil

from eth_account import Account

from cli import export, key_file, mortise, save, verify
from system import Fault, run
from wallet import Owner


def boot(system, operator):
    """A witnessed engine with an operator."""
    system.start("--witnessed")
    system.stop()
    path = system.folder / "genesis.json"
    genesis = json.loads(path.read_text())
    genesis["policy"].update(operators=[operator.address], operatorsMin=1)
    path.write_text(json.dumps(genesis))
    shutil.rmtree(system.folder / "store")
    system.start()


def sign(system, draft, key):
    """The ceremony after a draft. Returns the new genesis."""
    out = draft.with_suffix(".signed.json")
    recover = "genesis", "recover"
    ran = mortise("--json", *recover, "sign", draft, "--key", key).passed("a signature")
    combine = *recover, "combine", draft, "--signature", ran.json()["signature"], "--out", out
    mortise(*combine).passed("the signed genesis")
    return out


def f22(system):
    operator = Account.create()
    boot(system, operator)
    key = key_file(system, "operator.key", operator.key)
    owner = Owner(system)
    system.result("commitLock", **owner.commit())
    early = save(system, "early.json", system.call("getCheckpoint"))
    left = export(system.folder, system.root / "left.log")
    for _ in range(3):
        system.result("commitLock", **owner.commit())
    late = save(system, "late.json", system.call("getCheckpoint"))
    log = export(system.folder, system.root / "engine.log")
    size = json.loads(early.read_text())["result"]["size"]
    draft = "genesis", "recover", "draft"

    out = system.root / "short.json"
    ran = mortise(*draft, "--log", log, "--checkpoint", early, "--out", out)
    if ran.code == 0:
        proven = verify("succession", sign(system, out, key), "--predecessor", system.engine_id)
        raise Fault(
            f"a draft from a longer log: exit 0, \"ended at {size} frames\"; signed, it is"
            f" {proven.out.split(':')[0].strip()}"
        )
    ran.refused("a draft from a longer log")
    if out.exists():
        raise Fault("a refused draft is written")
    for name, args in (("the newest", [late]), ("both", [early, "--checkpoint", late])):
        out = system.root / f"{name.split()[-1]}.json"
        mortise(*draft, "--log", log, "--checkpoint", *args, "--out", out).passed(name)
    lost = system.root / "lost.json"
    ran = mortise(*draft, "--log", left, "--checkpoint", late, "--out", lost)
    ran.passed("a draft from a log that lost frames")
    signed = sign(system, lost, key)
    named = "succession", signed, "--predecessor", system.engine_id
    verify(*named, "--checkpoint", early, "--checkpoint", late).passed("a succession", "PROVEN")
    return f"a draft that ends at frame {size} of a longer log is refused; one at its end is made"


if __name__ == "__main__":
    run("F22", f22)
