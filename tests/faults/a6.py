"""A6: the newest snapshot, or every one, is empty, cut by a byte, gone, or a folder.

The engine restarted about once a second for ever; the durability page promises a replay.
"""

import shutil
import time

from system import Fault, run
from wallet import Owner, lock_ids

COMMITS = 20


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def gone(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def prepare(system):
    """A folder with two snapshots. Returns commits with their answers."""
    made = []
    for _ in range(2):
        system.start()
        owner = Owner(system)
        asked = [owner.commit() for _ in range(COMMITS)]
        made += [(params, system.call("commitLock", **params)) for params in asked]
        system.stop()
    return made


def start_damaged(system, original, damage, which, made):
    """Starts on a damaged copy. Returns the seconds until it is ready."""
    shutil.rmtree(system.folder)
    shutil.copytree(original, system.folder, ignore=shutil.ignore_patterns("*.sock"))
    snapshots = sorted((system.folder / "store" / "snapshots").glob("*.snap"))
    for path in snapshots if which == "every snapshot" else snapshots[-1:]:
        damage(path)
    begun = time.monotonic()
    try:
        system.start()
    except Fault as fault:
        raise Fault(f"{which} {damage.__name__}: {fault}") from fault
    seconds = time.monotonic() - begun
    for params, first in made:
        if system.result("getLock", lockId=lock_ids(first)[0])["status"] != "ACTIVE":
            raise Fault(f"{which} {damage.__name__}: a lock is lost")
        if system.call("commitLock", **params) != first:
            raise Fault(f"{which} {damage.__name__}: a repeated commit got another answer")
    system.check(f"{which} {damage.__name__}")
    system.stop()
    return seconds


def a6(system):
    made = prepare(system)
    original = system.root / "original"
    system.folder.rename(original)
    system.folder.mkdir()
    took = [
        start_damaged(system, original, damage, which, made)
        for damage in (empty, cut, gone, folder)
        for which in ("the newest snapshot", "every snapshot")
    ]
    return (
        f"{len(took)} damaged folders are ready after {min(took):.1f} to {max(took):.1f} s,"
        f" with all {len(made)} locks and the first answers"
    )


if __name__ == "__main__":
    run("A6", a6)
