"""F17: an audit of nothing, of a log that ends early, and a look at a folder without a log.

"Nothing is wrong", beside a statement and a checkpoint that it must have; and a store was created
in the folder.
"""

import exports
from cli import command, export, mortise, save
from system import Fault, run
from wallet import Owner

def inside(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def f17(system):
    system.start()
    owner = Owner(system)
    system.result("commitLock", **owner.commit())
    early = export(system.folder, system.root / "early.log")
    later = save(system, "later.json", system.call("commitLock", **owner.commit()))
    log = export(system.folder, system.root / "whole.log")
    root = save(system, "root.json", system.call("getStateRoot", signed=True))
    empty = system.root / "empty.log"
    empty.write_bytes(exports.write({}, b"", 0, bytes(32)))
    mortise("audit", log, "--statement", later, "--statement", root).passed("a whole log")
    mortise("audit", empty).refused("a log of no frames")
    mortise("audit", empty, "--statement", later).refused("the same beside a kept statement")
    mortise("audit", empty, "--engine-id", system.engine_id).refused("the same, engine named")
    mortise("audit", early, "--statement", later).refused("a log shorter than a statement")

    folder = system.root / "x"
    (folder / "log").mkdir(parents=True)
    out = system.root / "x.log"
    looks = [
        ("mortise", "audit", folder),
        ("mortise", "log", "show", folder),
        ("mortise-host", "verify", "--data-dir", folder),
        ("mortise-host", "export", "--data-dir", folder, "--out", out),
    ]
    for name, *args in looks:
        ran = command(name, *args)
        if (found := inside(folder)) != ["log"]:
            raise Fault(f"{name} {args[0]} of a folder without frames makes {', '.join(found)}")
        if ran.code == 0 and args[0] != "verify":
            raise Fault(f"{name} {args[0]} of a folder without frames: {ran.first}")
    return "4 logs that lack what was asked for are findings; 4 looks at a folder leave it as it is"


if __name__ == "__main__":
    run("F17", f17)
