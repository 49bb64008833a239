"""A5: a commit is repeated whose frame is whole, and a frame soon after it is broken.

The engine searched the next 512 KB for the statement about the frame; a broken frame among them
ended it, at every repetition.
"""

import segments
from system import Fault, run
from wallet import Owner
from wire import error_of

COMMITS, DAMAGED = 60, 40


def a5(system):
    system.start()
    owner = Owner(system)
    asked = [owner.commit() for _ in range(COMMITS)]
    first = [system.call("commitLock", **params) for params in asked]
    seq = first[DAMAGED]["result"]["commitment"]["seq"]
    system.stop()
    segments.zero(system.folder, seq)
    system.start()
    for n in (DAMAGED - 1, DAMAGED - 2, 0):
        answer = system.call("commitLock", **asked[n])
        system.check(f"commit {n} is repeated, the frame of commit {DAMAGED} is broken")
        if answer != first[n]:
            raise Fault(f"commit {n} got another answer than before: {error_of(answer)}")
    system.result("commitLock", **owner.commit())
    return f"3 commits whose frames are before the zeroed frame {seq} got their first answers again"


if __name__ == "__main__":
    run("A5", a5)
