"""F6: no flags at all.

"The commitment was checked: these terms, signed by the engine", whichever engine answered; the
development system called itself attested.
"""

from cli import key_file, mortise
from system import Fault, run
from wallet import Owner


def f06(system):
    system.start()
    owner = Owner(system)
    key = key_file(system, "owner.key", owner.account.key)
    ask = ["lock", "commit", "--url", system.url, "--key", key, "--asset", "native:1"]
    ask += ["--amount", "1000", "--target-asset", "native:10", "--target-amount", "999"]
    ran = mortise(*ask).passed("a commit")
    if "No engine was pinned" not in ran.err or system.engine_id not in ran.err:
        told = ran.err.strip().splitlines()
        raise Fault(f"a commit without a pin: {told[-1] if told else 'it says nothing'}")
    shown = mortise("--json", *ask).passed("a commit as JSON").json()
    if shown.get("engineKnown") != "notAtAll":
        raise Fault(f"a commit without a pin: engineKnown is {shown.get('engineKnown')}")
    ran = mortise(*ask, "--engine-id", system.engine_id).passed("a commit with a pin")
    if "No engine was pinned" in ran.err:
        raise Fault("a commit with a pin says that there is none")
    if system.known["mode"] != "development":
        raise Fault(f"the development system calls itself {system.known['mode']}")
    return "without a pin the commit names the engine and how to pin it; the mode is development"


if __name__ == "__main__":
    run("F6", f06)
