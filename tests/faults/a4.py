"""A4: a frame of the log is zeroed behind a snapshot, and someone asks for a frame near it.

The leaf of the damaged frame is in the same tile of the history; a tile that could not be read
ended the engine, at every such call.
"""

import time

import segments
from system import Fault, run
from wallet import Owner, lock_ids
from wire import error_of

OWNERS, EACH, DAMAGED, NAMED_S = 4, 75, 100, 60


def commit_all(system):
    """One commit a frame, more than a tile of 256. Returns (lock id, seq of its frame)."""
    made = []
    for owner in [Owner(system) for _ in range(OWNERS)]:
        with system.connect() as connection:
            for _ in range(EACH):
                answer = connection.call("commitLock", **owner.commit())
                made += [(lock_ids(answer)[0], answer["result"]["commitment"]["seq"])]
    return made


def named(system, seq):
    """Waits until the host's page names the frame. Returns the seconds."""
    begun = time.monotonic()
    while time.monotonic() - begun < NAMED_S:
        status, text = system.healthz()
        if "FRAME_BROKEN" in text and str(seq) in text:
            return time.monotonic() - begun
        time.sleep(0.2)
    raise Fault(f"/healthz does not name frame {seq} after {NAMED_S} s: {status} {text!r}")


def a4(system):
    system.start()
    made = commit_all(system)
    damaged, seq = made[DAMAGED]
    near, far = made[DAMAGED + 1][0], made[-1][0]
    receipts = {lock: system.result("getReceipt", lockId=lock)["receipt"] for lock in (near, far)}
    system.stop()
    segments.zero(system.folder, seq)
    system.start()
    asked = [system.call("getReceipt", lockId=near) for _ in range(3)]
    system.check("a receipt of a neighbour of a damaged frame")
    for answer in asked + [system.call("getReceipt", lockId=damaged)]:
        if error_of(answer) != "READ_FAILED":
            raise Fault(f"a receipt whose tile cannot be read: {error_of(answer) or 'an answer'}")
    if system.result("getReceipt", lockId=far)["receipt"] != receipts[far]:
        raise Fault("the receipt of a frame in another tile is another one than before")
    system.result("commitLock", **Owner(system).commit())
    health = system.check("receipts beside a damaged frame")
    if health.get("degraded") != {"name": "LOG_DAMAGED", "seq": seq}:
        raise Fault(f"health does not name frame {seq}: {health.get('degraded')}")
    seconds = named(system, seq)
    return (
        f"frame {seq} of {len(made)} is zeroed: receipts of its tile are READ_FAILED, that of"
        f" another tile is the same as before; health and, after {seconds:.1f} s, /healthz name"
        " the frame; commits are granted"
    )


if __name__ == "__main__":
    run("A4", a4)
