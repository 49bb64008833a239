"""A1: commits beside reads of balances, and the same while the disk stalls.

A read of a root closed the open frame without asking whether another frame may be in flight, until
an assertion ended the engine.
"""

import random
import signal
import threading
import time

from system import Fault, in_threads, run, send
from wallet import Owner, lock_ids
from wire import Disconnected, error_of, pause_of, request

MIXED, MIXED_S, EACH = 64, 3, 95
PAIRS, STALLS, STALL_S = 40, 3, 0.8


class Mix:
    """Disconnected-loop clients, half of them commit and half read a balance."""

    def __init__(self, system, clients, each, over):
        self.system, self.over = system, over
        self.owners = [Owner(system) for _ in range(clients)]
        self.commits = [[o.commit() for _ in range(each)] for o in self.owners]
        self.done = threading.Event()
        self.answers, self.reads, self.wrong, self.later = [], 0, [], 0

    def run(self, seconds):
        works = [lambda each=each: self.work(each, self.commit) for each in self.commits]
        works += [lambda owner=owner: self.work([owner], self.read) for owner in self.owners]
        threads = in_threads(works)
        self.system.wait(seconds)
        self.done.set()
        for thread in threads:
            thread.join(130)

    def stalled(self, stalls):
        """In each stall of the disk, the clients begin one after another, a pair at a time."""
        for n in range(stalls):
            send(self.system.pids["host"], signal.SIGSTOP)
            threads = []
            for owner, commits in zip(self.owners, self.commits):
                works = [(commits[n : n + 1], self.commit), ([owner], self.read_once)]
                for inputs, step in works:
                    threads += in_threads([lambda i=inputs, s=step: self.work(i, s)])
                    time.sleep(STALL_S / PAIRS / 2)
            send(self.system.pids["host"], signal.SIGCONT)
            for thread in threads:
                thread.join(130)
            self.system.check(f"stall {n + 1} of the disk beside {PAIRS} commits and reads")

    def work(self, inputs, step):
        try:
            with self.system.connect(self.over) as connection:
                for each in inputs:
                    step(connection, each)
        except (Disconnected, KeyError, TypeError) as error:
            self.wrong.append(f"{type(error).__name__} {error}")

    def ask(self, connection, body):
        """The answer, or None when the run is over first. OVERLOADED is asked again."""
        while not self.done.is_set():
            answer = connection.post(body)
            if "result" in answer:
                return answer
            if error_of(answer) != "OVERLOADED":
                self.wrong.append(str(answer["error"]))
                return None
            self.later += 1
            time.sleep(pause_of(answer))
        return None

    def commit(self, connection, params):
        answer = self.ask(connection, request("commitLock", params))
        if answer:
            if answer["result"]["status"] != "ACTIVE":
                self.wrong.append(str(answer))
            self.answers.append((params, answer))

    def read(self, connection, owner):
        while self.read_once(connection, owner):
            pass

    def read_once(self, connection, owner):
        params = {"owner": owner.address, "asset": {"chainId": 1, "assetType": "native"}}
        answer = self.ask(connection, request("getBalance", params))
        if answer:
            held = int(answer["result"]["held"])
            if not 0 <= held <= EACH * 1000:
                self.wrong.append(f"held {held}")
            self.reads += 1
        return answer

    def judge(self, when):
        self.system.check(when)
        if self.wrong:
            raise Fault(f"{when}: {len(self.wrong)} wrong answers, the first: {self.wrong[0]}")
        if len(self.answers) < 100 or self.reads < 100:
            raise Fault(f"{when}: only {len(self.answers)} commits and {self.reads} reads")
        for params, first in random.sample(self.answers, 20):
            if self.system.call("commitLock", **params) != first:
                raise Fault(f"{when}: a repeated commit got another answer than {lock_ids(first)}")


def a1(system):
    system.start()
    stalled = Mix(system, PAIRS, STALLS, "socket")
    stalled.stalled(STALLS)
    stalled.judge(f"{STALLS} stalls")
    mixed = Mix(system, MIXED, EACH, "gateway")
    mixed.run(MIXED_S)
    mixed.judge(f"{MIXED} clients that commit and {MIXED} that read")
    return (
        f"{len(stalled.answers)} commits and {stalled.reads} reads in {STALLS} stalls"
        f" of {STALL_S} s; {len(mixed.answers)} and {mixed.reads} of {MIXED} clients each"
        f" in {MIXED_S} s; {mixed.later + stalled.later} times OVERLOADED"
    )


if __name__ == "__main__":
    run("A1", a1)
