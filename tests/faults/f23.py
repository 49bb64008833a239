"""F23: a quorum without witnesses; proofs of what is not held, and of a refusal.

The quorum was ignored, and the verdict did not say what it was about.
"""

from cli import anchors, key_file, mortise, pins, save, verify
from system import Fault, run
from wallet import Owner, lock_ids


def first_line(what, word, *args):
    """The verdict is PROVEN, and its first line says `word`."""
    ran = verify(*args).passed(what)
    line = ran.out.splitlines()[0]
    if word not in line:
        raise Fault(f"{what}: the first line does not say {word}: {ran.first}")


def f23(system):
    system.start()
    owner, other = Owner(system), Owner(system)
    terms = {**owner.terms(), "beneficiary": other.address}  # who may release it
    first = owner.commit(terms)
    answer = {"result": system.result("commitLock", **first)}
    commit, lock = save(system, "commit.json", answer), lock_ids(answer)[0]
    engine = system.engine_id, system.address
    held = save(system, "held.json", system.call("getProof", lockId=lock))
    for quorum in (2, 0):
        file = anchors(system, "quorum.toml", engine, quorum=quorum)
        for args in (["receipt", commit], ["commitment", commit], ["root", commit],
                     ["proof", held, "--lock-id", lock]):
            verify(*args, "--anchors", file).refused(f"a {args[0]}, quorum {quorum}, no witnesses")

    again = owner.commit(terms)
    system.call("commitLock", **again)
    asked = {"principal": owner.address, "requestId": again["requestId"]}
    refusal = save(system, "refusal.json", system.call("getReceipt", **asked))
    key = key_file(system, "other.key", other.account.key)
    mortise("lock", "release", lock, "--url", system.url, "--key", key).passed("a release")
    released = save(system, "released.json", system.call("getProof", lockId=lock))
    unknown = "0x" + "09" * 32
    absent = save(system, "absent.json", system.call("getProof", lockId=unknown))
    pin = pins(system)
    of_lock, of_unknown = ("--lock-id", lock, *pin), ("--lock-id", unknown, *pin)
    first_line("a proof of a held lock", "ACTIVE", "proof", held, *of_lock)
    first_line("a proof of a released lock", "RELEASED", "proof", released, *of_lock)
    first_line("a proof of an absent lock", "ABSENT", "proof", absent, *of_unknown)
    first_line("a receipt of a refusal", "REFUSAL", "receipt", refusal, *pin)
    verify("proof", held, *of_lock, "--status", "ACTIVE").passed("ACTIVE is expected", "PROVEN")
    for status in ("ACTIVE", "FULFILLED"):
        ran = verify("proof", released, *of_lock, "--status", status)
        ran.refused(f"a released lock, {status} is expected", "NOT PROVEN")
    verify("proof", absent, *of_unknown, "--present").refused("an absent lock", "NOT PROVEN")
    verify("receipt", refusal, *pin, "--kind", "LocksGranted").refused("a refusal", "NOT PROVEN")
    return "8 files with a quorum of no one are refused; 4 verdicts say what they are about"


if __name__ == "__main__":
    run("F23", f23)
