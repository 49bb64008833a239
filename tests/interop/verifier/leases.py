"""Leases: how old an answer about now is (specs/durability-and-recovery.md, The lease)."""

from . import Refused, form, need, notes, statements
from .trees import verify_consistency


def read_freshness(value):
    """Parses the member `freshness` beside an answer."""
    path = form.optional(value, "historyPath", form.words)
    return {
        "statement": form.statement(form.member(value, "statement")),
        "signature": form.signature(form.member(value, "statementSignature")),
        "checkpoint": form.text(form.member(value, "checkpoint")).encode(),
        "path": path if path is not None else [],
    }


def cosigned_at(note, witnesses, quorum, latest):
    """The quorum-th newest time of the witnesses, without those whose clock is ahead of `latest`.

    If too few are left, a time of one that is ahead, which is refused.
    """
    _, signatures = notes.read_note(note)
    found = (notes.line_of(signatures, witness) for witness in witnesses)
    times = sorted(int.from_bytes(data[:8], "big") for data in found if data is not None)
    usable = [time for time in times if time <= latest]
    if len(usable) >= quorum:
        return usable[-quorum]
    return times[quorum - 1]


def verify(engine, fresh, trust, now, max_age, skew):
    """Returns the time as of which the statement was the newest of its log, in seconds."""
    origin, log, witnesses, quorum = trust
    statement = fresh["statement"]
    statements.need_time(statement)
    statements.verify_statement(engine, statement, fresh["signature"])
    head = notes.verify_note(fresh["checkpoint"], origin, log, witnesses, quorum)
    stated = statements.head(statement)
    if head == stated:
        as_of = cosigned_at(fresh["checkpoint"], witnesses, quorum, now + skew)
    else:
        try:
            verify_consistency(stated, head, fresh["path"])
        except Refused:
            raise Refused("HeadMismatch") from None
        as_of = statement["time"]
    need(as_of - now <= skew, "LeaseFromTheFuture")
    need(now - as_of <= max_age, "LeaseOld")
    return as_of
