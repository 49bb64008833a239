"""F16: an audit that was told whose log it must be, and of which image.

The address of a policy was ignored, and a boot without a document was no finding: both "nothing is
wrong".
"""

from cli import anchors, command, export, mortise, save
from system import run
from wallet import Owner


def f16(system):
    system.start()
    mine = system.engine_id, system.address
    root, pcr0 = (system.known["authority"][name] for name in ("nitroRoot", "pcr0"))
    answer = system.call("commitLock", **Owner(system).commit())
    log = export(system.folder, system.root / "mine.log")
    system.stop()

    # An engine without a module: no boot of its log has a document.
    folder = system.root / "load"
    ran = command("mortise-dev", "demo", "load", "--data-dir", folder, "--locks", "1000",
                  "--single", "1")
    ran.passed("an unattested engine")
    other = export(folder, system.root / "other.log")
    shown = mortise("--json", "log", "show", other).passed("the log of that engine").json()
    images = "--root", root, "--pcr0", pcr0
    mortise("audit", other, *images).refused("an unattested log under named images")
    mortise("audit", other, "--allow-partial", *images).refused("the same, in part")
    mortise("audit", other, "--engine-id", mine[0]).refused("a log of another engine")

    # Under its own ID, the address of another engine.
    mixed = anchors(system, "mixed.toml", (shown["engineId"], mine[1]))
    mortise("audit", other, "--anchors", mixed).refused("the address of another engine")
    mixed = anchors(system, "mixed.toml", (mine[0], "0x" + "11" * 20))
    mortise("audit", log, "--anchors", mixed).refused("an address that signed nothing")

    good = anchors(system, "good.toml", mine)
    kept = save(system, "kept.json", answer)
    ran = mortise("audit", log, "--anchors", good, "--statement", kept, *images)
    ran.passed("an honest log", f"PROVEN: engine {mine[0]} (attested", "from frame 0")
    return "missing documents and foreign names are findings; the first line says whose log it is"


if __name__ == "__main__":
    run("F16", f16)
