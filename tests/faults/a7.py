"""A7: 600 posts of 14 KB, each a batch of 256 getBootAttestation.

Each is 3 MB of answer: the engine grew from 183 to 909 MiB and was killed for memory.
"""

import threading

from system import Fault, in_threads, run
from wallet import Owner
from wire import Disconnected, batch

POSTS, CALLS, GROWTH_MIB = 600, 256, 256


def posts(system, over):
    """Sends all posts at once. Returns the numbers of documents and of OVERLOADED."""
    body = batch("getBootAttestation", [{}] * CALLS)
    begin = threading.Barrier(POSTS)
    given, later, wrong = [], [], []

    def post():
        try:
            with system.connect(over, timeout=240) as connection:
                begin.wait()
                text = connection.exchange(body)
        except (Disconnected, threading.BrokenBarrierError) as error:
            wrong.append(f"{type(error).__name__} {error}")
            return
        counts = [text.count(word) for word in (b'"awsAttestationDocument"', b'"OVERLOADED"')]
        given.append(counts[0])
        later.append(counts[1])
        if sum(counts) != CALLS and counts != [0, 1]:
            wrong.append(f"{counts[0]} documents, {counts[1]} times OVERLOADED: {text[:200]}")

    for thread in in_threads([post] * POSTS):
        thread.join(300)
    peak = system.memory("VmHWM")
    if peak >= system.rest + GROWTH_MIB:
        raise Fault(
            f"{POSTS} posts, {over}: the engine's memory went from {system.rest} to {peak} MiB"
        )
    system.check(f"{POSTS} posts, {over}")
    if wrong:
        raise Fault(f"{over}: {len(wrong)} wrong answers, the first: {wrong[0]}")
    return sum(given), sum(later)


def a7(system):
    system.start()
    system.rest = system.memory("VmRSS")
    told = []
    for over in ("socket", "gateway"):
        given, later = posts(system, over)
        told.append(f"{given} documents and {later} times OVERLOADED by {over}")
    system.result("commitLock", **Owner(system).commit())
    peak = system.memory("VmHWM")
    return f"{', '.join(told)}; the engine's memory went from {system.rest} to {peak} MiB"


if __name__ == "__main__":
    run("A7", a7)
