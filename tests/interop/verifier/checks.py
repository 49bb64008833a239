"""One check per file of specs/vectors: takes an input; returns its contents or raises Refused."""

from . import commitments, form, leases, notes, state, statements, succession, trees


def receipts(value):
    engine = form.engine(value)
    receipt = statements.read_receipt(form.member(value, "receipt"))
    under = form.head(form.member(value, "head"))
    name, event = statements.verify_receipt(engine, receipt)
    statements.verify_frame(receipt["statement"], receipt["leaf"], receipt["history"], under)
    return name, event


def state_proofs(value):
    engine, key = form.engine(value), state.read_key(form.member(value, "key"))
    answer = state.read_answer(form.member(value, "proof"))
    return key[1], state.verify_answer(engine, key, answer)


def history(value):
    path = form.words(form.member(value, "path"))
    if value["check"] == "consistency":
        earlier, later = (form.head(form.member(value, name)) for name in ("earlier", "later"))
        return "consistency", trees.verify_consistency(earlier, later, path)
    index, leaf = form.u64(form.member(value, "index")), form.data(form.member(value, "leaf"))
    head = form.head(form.member(value, "head"))
    return "inclusion", trees.verify_inclusion(head, index, leaf, path)


def of_text(value):
    """Decodes bytes as text, or as hex if they are not text."""
    return form.data(value) if value.startswith("0x") else value.encode()


def log_of(value):
    log = notes.read_key(notes.LOG, form.member(value, "logKey"))
    origin, keys = form.text(form.member(value, "origin")), value.get("witnesses")
    if keys is None:
        return origin, log, None, 0
    witnesses = [notes.read_key(notes.WITNESS, key) for key in keys]
    return origin, log, witnesses, form.u64(form.member(value, "quorum"))


def checkpoints(value):
    note = of_text(form.text(form.member(value, "note")))
    return "checkpoint", notes.verify_note(note, *log_of(value))


def tlog_proofs(value):
    proof = of_text(form.text(form.member(value, "proof")))
    leaf = form.data(form.member(value, "leaf"))
    return "tlog-proof", notes.verify_proof(proof, leaf, *log_of(value))


def lease(value):
    engine, fresh = form.engine(value), leases.read_freshness(form.member(value, "freshness"))
    now, age, skew = (form.u64(form.member(value, name)) for name in ("now", "maxAge", "skew"))
    return "lease", leases.verify(engine, fresh, log_of(value), now, age, skew)


def commitment(value):
    engine = form.engine(value)
    answer = commitments.read_answer(form.member(value, "commitment"))
    commitments.verify_answer(engine, answer, form.member(value, "expected"))
    return "commitment", answer


def fork(value):
    rule = statements.verify_fork(form.engine(value), form.member(value, "evidence"))
    return rule, None


def successions(value):
    shown = value.get("checkpoint")
    found = succession.verify(form.data(form.member(value, "genesis")))
    if shown is not None:
        succession.check_newest(found, form.text(shown).encode())
    return "succession", found


BY_FILE = {
    "receipts": receipts,
    "state-proofs": state_proofs,
    "history": history,
    "checkpoints": checkpoints,
    "tlog-proofs": tlog_proofs,
    "leases": lease,
    "commitments": commitment,
    "fork": fork,
    "succession": successions,
}
