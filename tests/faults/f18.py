"""F18: the index of a store is lost; then audit and export.

The export made a new index, and the repair no longer said INDEX_LOST.
"""

import shutil

from cli import command, mortise
from system import Fault, run
from wallet import Owner


def loss(store):
    """What a repair, which without a backup changes nothing, says of the index."""
    return "INDEX_LOST" in command("mortise-host", "repair", "--data-dir", store).said


def gone(index):
    shutil.rmtree(index)


def blank(index):
    (index / "db").write_bytes(b"")


def f18(system):
    system.start()
    for owner in [Owner(system) for _ in range(3)]:
        system.result("commitLock", **owner.commit())
    system.stop()
    whole = system.root / "whole"
    system.folder.rename(whole)
    for damage in (gone, blank):
        shutil.copytree(whole, system.folder, ignore=shutil.ignore_patterns("*.sock"))
        store = system.folder / "store"
        damage(store / "index")
        if not loss(store):
            raise Fault(f"index {damage.__name__}: a repair does not say INDEX_LOST")
        out = system.root / f"{damage.__name__}.log"
        ran = command("mortise-host", "export", "--data-dir", store, "--out", out)
        mortise("audit", store)
        command("mortise-host", "verify", "--data-dir", store)
        if not loss(store):
            raise Fault(
                f"index {damage.__name__}, then an export ({ran.first}): a repair no longer says"
                " INDEX_LOST"
            )
        if ran.code == 0 or "INDEX_LOST" not in ran.said:
            raise Fault(f"index {damage.__name__}: the export does not say INDEX_LOST: {ran.first}")
        system.start()  # the host keeps the old one aside and makes it again
        system.stop()
        command("mortise-host", "export", "--data-dir", store, "--out", out).passed("an export")
        mortise("audit", out).passed("the log of the repaired store")
        shutil.rmtree(system.folder)
    return "export, verify and audit leave a lost index as it is, and the repair still says so"


if __name__ == "__main__":
    run("F18", f18)
