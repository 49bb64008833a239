"""F5: the store was moved away, and the engine started.

A new engine under the same image answered, and the command took it without a word.
"""

from cli import mortise
from system import Fault, run


def f05(system):
    system.start()
    url, old = system.url, system.engine_id
    file = system.root / "anchors.toml"
    mortise("root", "--url", url, "--anchors", file).passed("first use of an anchors file")
    system.stop()
    (system.folder / "store").rename(system.root / "store")
    system.start()
    url, new = system.url, system.engine_id
    if new == old:
        raise Fault("the engine of an empty store has the ID of the old one")
    ran = mortise("root", "--url", url).passed("a new engine, no anchors")
    said = [line for line in ran.err.splitlines() if new in line]
    if not said:
        raise Fault(f"a new engine answered, and the command is silent about it: {ran.first}")
    fresh = system.root / "new.toml"
    mortise("root", "--url", url, "--anchors", fresh).passed("first use", "NOT proven", new)
    mortise("root", "--url", url, "--anchors", file).refused("the anchors of the old engine")
    mortise("root", "--url", url, "--engine-id", old).refused("--engine-id of the old engine")
    mortise("root", "--url", url, "--engine-id", new).passed("--engine-id of the new engine")
    again = ("root", "--url", url, "--anchors", fresh, "--expect-new")
    mortise(*again).refused("--expect-new on a pinned engine", "NotNew")
    return "a new engine is named at each use without a pin, and refused under the old one's"


if __name__ == "__main__":
    run("F5", f05)
