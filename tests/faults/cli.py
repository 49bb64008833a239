"""The commands `mortise` and `mortise-host`, which are beside the `mortise-dev` of a script."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from system import Fault

TIMEOUT_S = 120
FOLDER = pathlib.Path(sys.argv[1]).parent if len(sys.argv) > 1 else pathlib.Path()
MINE = ("MORTISE_ANCHORS", "MORTISE_KEY", "MORTISE_URL")


class CommandOutput:
    """How a command ended."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def first(self):
        """The first line that it printed: the verdict of those that give one."""
        lines = (self.out.strip() or self.err.strip() or "it says nothing").splitlines()
        return f"exit {self.code}: {lines[0][:160]}"

    @property
    def said(self):
        return self.out + self.err

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise Fault(f"no JSON: {self.first}") from error

    def refused(self, what, *words):
        """Its exit code is 1 or 2, it calls nothing proven, and it says why."""
        if self.code not in (1, 2) or self.out.startswith("PROVEN"):
            raise Fault(f"{what}: {self.first}")
        return self.says(what, *words)

    def passed(self, what, *words):
        """Its exit code is 0, and it says these words."""
        if self.code != 0:
            raise Fault(f"{what}: {self.first} {self.err.strip()[:300]}")
        return self.says(what, *words)

    def says(self, what, *words):
        for word in words:
            if word not in self.said:
                raise Fault(f"{what}: nothing says {word!r}: {self.first}")
        return self


def command(name, *args):
    """Runs a command without the caller's own settings."""
    env = {key: value for key, value in os.environ.items() if key not in MINE}
    done = subprocess.run(
        [FOLDER / name, *map(str, args)],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        text=True,
    )
    return CommandOutput(done)


def mortise(*args):
    return command("mortise", *args)


def verify(*args):
    return mortise("verify", *args)


def export(folder, file):
    """The log of a data folder, whose host runs or not."""
    ran = command("mortise-host", "export", "--data-dir", folder / "store", "--out", file)
    ran.passed(f"an export of {folder.name}")
    return file


def save(system, name, value):
    """Writes an answer, or a text, into the folder of the script."""
    path = system.root / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def key_file(system, name, secret):
    """A secret key as commands read it."""
    path = save(system, name, "0x" + bytes(secret).hex())
    path.chmod(0o600)
    return path


def pins(system):
    """Both names of the engine that runs."""
    return "--engine-id", system.engine_id, "--address", system.address


def anchors(system, name, engine, **more):
    """An anchors file with a pin, (engine ID, address), and other entries."""
    entries = {"engine_id": engine[0], "address": engine[1], **more}
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in entries.items())
    return save(system, name, "".join(lines))


def copy(folder, to):
    """A copy of the folder of a system that is stopped."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.sock"))
    return to


def genesis(system, name, **policy):
    """A genesis file of the development system with another policy."""
    path = system.root / name
    mortise("genesis", "--out", path).passed("a genesis file")
    value = json.loads(path.read_text())
    value["policy"].update(policy)
    path.write_text(json.dumps(value))
    return path
