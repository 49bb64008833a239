"""F20: the anchors file of another engine, and anchors that a command did not read.

They were ignored: a proof about one engine passed under the name of another.
"""

import secrets

from cli import anchors, export, mortise, save, verify
from system import System, run
from wallet import Owner


def f20(system):
    system.start()
    commit = system.call("commitLock", **Owner(system).commit())
    mine = system.engine_id, system.address
    known = system.known["authority"]
    image = "--root", known["nitroRoot"], "--pcr0", known["pcr0"]
    nonce = "0x" + secrets.token_hex(32)
    answer = save(system, "attested.json", system.call("getAttestation", nonce=nonce))
    live = "attestation", answer, "--nonce", nonce, *image
    log = export(system.folder, system.root / "engine.log")
    with System(system.binary) as second:
        second.start()
        other = second.engine_id, second.address
    good = anchors(system, "good.toml", mine)
    verify(*live, "--anchors", good).passed("an attestation under its own engine")
    mortise("audit", log, "--anchors", good).passed("a log under its own engine")

    wrong = anchors(system, "other.toml", other)
    verify(*live, "--anchors", wrong).refused("an attestation under the anchors of another engine")
    mixed = anchors(system, "mixed.toml", (mine[0], other[1]))
    verify(*live, "--anchors", mixed).refused("an attestation under another address")
    mortise("audit", log, "--anchors", mixed).refused("a log under another address")
    mortise("audit", log, "--anchors", wrong).refused("a log under another engine")
    policy = anchors(system, "policy.toml", mine, policy_hash="0x" + "11" * 32)
    mortise("audit", log, "--anchors", policy).refused("a log under another policy")
    verify(*live, "--anchors", policy).refused("an attestation under another policy")
    kept = anchors(system, "kept.toml", mine, durability="witnessed")
    mortise("audit", log, "--anchors", kept).refused("a log of less durability")
    file = save(system, "commit.json", commit)
    for name, wanted in (("policy", policy), ("durability", kept)):
        verify("commitment", file, "--anchors", wanted).refused(f"a promise under another {name}")
    shown = verify("succession", save(system, "none.json", "{}"), "--anchors", wrong)
    shown.refused("a succession under any anchors")
    return "9 answers under an anchor of another engine, policy or durability are refused"


if __name__ == "__main__":
    run("F20", f20)
