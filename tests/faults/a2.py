"""A2: many connections, each with batches of 256 getReceipt of one event with 64 locks.

A read that took longer than 60 s counted as an append of unknown outcome, and ended the engine.
"""

import threading
import time

from system import Fault, in_threads, run
from wallet import Owner
from wire import Disconnected, batch, error_of, pause_of

LOCKS, CALLS, SECONDS = 64, 256, 75
CONNECTIONS = {"gateway": 24, "socket": 24}
# What may happen to a read alone: its caller can ask again. NOT_READY comes from the gateway, which
# waits 30 s for an answer.
RETRYABLE = {"OVERLOADED", "READ_FAILED", "NOT_READY"}


class Readers:
    def __init__(self, system, ids):
        self.system = system
        self.ids = ids
        self.body = batch("getReceipt", [{"lockId": ids[n % LOCKS]} for n in range(CALLS)])
        self.done = threading.Event()
        self.receipts, self.later, self.wrong = 0, 0, []

    def work(self, over):
        try:
            with self.system.connect(over) as connection:
                while not self.done.is_set():
                    self.judge(connection.post(self.body))
        except (Disconnected, KeyError, TypeError) as error:
            self.wrong.append(f"{type(error).__name__} {error}")

    def judge(self, answers):
        answers = answers if isinstance(answers, list) else [answers]
        failed = [answer for answer in answers if "result" not in answer]
        self.receipts += len(answers) - len(failed)
        self.later += len(failed)
        self.wrong += [str(a["error"]) for a in failed if error_of(a) not in RETRYABLE]
        if failed:
            time.sleep(max(map(pause_of, failed)))


def a2(system):
    system.start()
    owner = Owner(system)
    params, ids = owner.commit_batch(LOCKS)
    system.result("commitBatch", **params)
    readers = Readers(system, ids)
    works = [over for over, count in CONNECTIONS.items() for _ in range(count)]
    in_threads([lambda over=over: readers.work(over) for over in works])
    begun, slowest = time.monotonic(), 0
    while time.monotonic() - begun < SECONDS and not system.ended():
        asked = time.monotonic()
        system.result("commitLock", over="socket", **owner.commit())
        slowest = max(slowest, time.monotonic() - asked)
        system.wait(3)
    readers.done.set()
    seconds = time.monotonic() - begun
    system.check(f"{len(works)} connections, after {seconds:.0f} s")
    if readers.wrong:
        raise Fault(f"{len(readers.wrong)} wrong answers, the first: {readers.wrong[0]}")
    if readers.receipts < CALLS:
        raise Fault(f"only {readers.receipts} receipts in {seconds:.0f} s")
    return (
        f"{readers.receipts} receipts and {readers.later} calls to ask again on {len(works)}"
        f" connections in {seconds:.0f} s; slowest commit beside them {slowest:.2f} s;"
        f" the engine's memory at most {system.memory('VmHWM')} MiB"
    )


if __name__ == "__main__":
    run("A2", a2)
