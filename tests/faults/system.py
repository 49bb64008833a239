"""A local system (`mortise-dev dev`) on a temporary folder, and what a script asks of it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from wire import Disconnected, Connection, error_of

READY_S, STOP_TRIES = 30, 6


class Fault(Exception):
    """What a script found."""


class System:
    """Key service, host and engine. Ends them in order; what does not end is killed by its pid."""

    def __init__(self, binary):
        self.binary = binary
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mortise-"))
        self.folder = self.root / "data"
        self.log = self.root / "stderr"
        self.config = self.root / "config.json"
        self.process = None
        self.pids = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    # Start and stop

    def start(self, *more):
        """Starts all processes, with more flags, and waits until the engine is healthy."""
        args = ["dev", "--data-dir", self.folder, "--http", "0", "--config-out", self.config, *more]
        self.config.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.binary, *args], stdout=subprocess.DEVNULL, stderr=log
            )
        return self.wait_ready()

    def wait_ready(self):
        """Waits for the file that the system writes when the engine is ready, and reads it."""
        until = time.monotonic() + READY_S
        while not (self.config.exists() and self.config.read_text().endswith("\n")):
            if time.monotonic() > until or self.process.poll() is not None:
                times = self.said().count("restarting")
                raise Fault(f"not ready in {READY_S} s, {times} restarts: {self.why()}")
            time.sleep(0.05)
        known = json.loads(self.config.read_text())
        self.known, self.address = known, known["engineAddress"]
        self.url, self.engine_id = known["url"], known["engineId"]
        self.gateway = ("127.0.0.1", int(self.url.rsplit(":", 1)[1]))
        self.socket = str(self.folder / "engine.sock")
        self.pids = children(self.process.pid)
        self.check("after its start")

    def stop(self):
        """Ends the system as Ctrl-C does: the engine first, which takes a snapshot."""
        if self.process is None:
            return
        alive = {**children(self.process.pid), "dev": self.process.pid}
        for pid in alive.values():
            send(pid, signal.SIGCONT)
        for _ in range(STOP_TRIES):
            self.process.terminate()  # again: between two rounds of its children it hears none
            try:
                self.process.wait(10)
                break
            except subprocess.TimeoutExpired:
                pass
        else:
            for pid in alive.values():
                send(pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def lose(self, name):
        """Kills a process while the supervisor is held, so that no other one is started."""
        send(self.process.pid, signal.SIGSTOP)
        send(self.pids.pop(name), signal.SIGKILL)

    def resume(self):
        """Lets the supervisor go on, which starts all processes again."""
        self.config.unlink()
        send(self.process.pid, signal.SIGCONT)
        self.wait_ready()

    # Asking

    def connect(self, over="gateway", timeout=120):
        return Connection(self.gateway if over == "gateway" else self.socket, timeout)

    def call(self, method, over="gateway", **params):
        """One call on a connection of its own. Returns the whole answer."""
        try:
            with self.connect(over) as connection:
                return connection.call(method, **params)
        except Disconnected as error:
            raise Fault(f"{method} got no answer ({error}){self.ended()}") from error

    def result(self, method, over="gateway", **params):
        answer = self.call(method, over, **params)
        if "result" not in answer:
            why = self.ended() or f": {self.why()}"
            raise Fault(f"{method} failed: {error_of(answer)}{why}")
        return answer["result"]

    def healthz(self):
        """Status and text of the host's page."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as page:
            return page.code, page.read().decode()

    # Judging

    def check(self, when):
        """The processes of the start run, and the engine is healthy."""
        if ended := self.ended():
            raise Fault(f"{when}{ended}")
        health = self.result("health")
        if health["status"] != "healthy" or "fault" in health:
            self.wait(2)  # a process that is about to end says why
            if ended := self.ended():
                raise Fault(f"{when}{ended}")
            status = f"{health['status']} {health.get('fault', '')}".strip()
            raise Fault(f"{when}: the engine's health is {status}: {self.why()}")
        return health

    def ended(self):
        """Says which process of the start has ended, or nothing."""
        for name, pid in self.pids.items():
            if not is_alive(pid):
                return f": process {name} ended: {self.why()}"
        return ""

    def why(self):
        """The line of the system's output that says most: a panic, a fault, or the last one."""
        lines = [plain(line) for line in self.said().splitlines() if line.strip()]
        for n, line in enumerate(lines):
            if "panicked at" in line:
                return " ".join(lines[n : n + 2])[:300]
        told = [line for line in lines if "ERROR" in line or "fault" in line]
        return (told or lines or ["it says nothing"])[0][:300]

    def said(self):
        """What the system printed on stderr since its start."""
        return self.log.read_text(errors="replace")

    def wait(self, seconds, done=None):
        """Waits, at most until `done` is set or a process of the start ends."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.ended():
            if done is not None and done.is_set():
                return
            time.sleep(0.02)

    def memory(self, field):
        """A field of the engine's /proc/PID/status, MiB: VmRSS, VmHWM."""
        for line in pathlib.Path(f"/proc/{self.pids['engine']}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) // 1024
        raise Fault(f"no {field}{self.ended()}")


def plain(line):
    """A line of output; of a line of the log its level, message and error."""
    try:
        record = json.loads(line)
        fields = record["fields"]
        parts = [record["level"], fields.get("message"), fields.get("error")]
        return ": ".join(str(part) for part in parts if part)
    except (ValueError, KeyError, TypeError):
        return line.strip()


def children(pid):
    """The processes of the system by their names: kms, host, engine."""
    found = {}
    try:
        ids = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, ids):
        words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if len(words) > 1 and words[1].startswith(b"dev-"):
            found[words[1][4:].decode()] = child
    return found


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def in_threads(works):
    """Starts a thread for each work, a function without arguments. Returns the threads."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    return threads


def run(name, work):
    """Runs a script on the binary of the command line and prints its line."""
    try:
        with System(sys.argv[1]) as system:
            print(f"{name} ok: {work(system)}", flush=True)
    except Fault as fault:
        print(f"{name} FAULT: {fault}", flush=True)
        sys.exit(1)
