"""Statements, receipts, frames in a history, fork evidence (specs/receipts.md)."""

from . import Refused, codec, form, need
from .crypto import context_key, need_signed, number, struct
from .trees import verify_event, verify_inclusion

TYPE = (
    "RootStatement(bytes32 engineId,uint64 epoch,uint64 seq,uint64 time,bytes32 frameDigest,"
    "bytes32 eventRoot,uint32 eventCount,bytes32 stateRoot,bytes32 historyRoot,uint64 historySize,"
    "bytes32 policyHash)"
)
EVENT_BYTES_MAX = 2 * 1024 * 1024


def verify_statement(engine, statement, signature):
    need(statement["engineId"] == engine["id"], "EngineId")
    need(statement["historySize"] == statement["seq"] + 1, "HistorySize")
    words = (statement[name] for name in form.STATEMENT)
    words = (number(word) if isinstance(word, int) else word for word in words)
    need_signed(engine, struct(TYPE, *words), signature)


def need_time(statement):
    """The time in milliseconds fits 64 bits, as all times of an engine do."""
    need(statement["time"] * 1000 < 1 << 64, "Time")


def head(statement):
    return {"size": statement["historySize"], "root": statement["historyRoot"]}


def read_receipt(value):
    """Parses the fields of a receipt."""
    return {
        "epoch": form.u64(form.member(value, "epoch")),
        "seq": form.u64(form.member(value, "seq")),
        "index": form.u32(form.member(value, "index")),
        "event": form.data(form.member(value, "event")),
        "salt": form.word(form.member(value, "salt")),
        "path": form.words(form.member(value, "path")),
        "statement": form.statement(form.member(value, "statement")),
        "signature": form.signature(form.member(value, "statementSignature")),
        "leaf": form.data(form.member(value, "leaf")),
        "history": form.words(form.member(value, "historyPath")),
    }


def verify_receipt(engine, receipt):
    """Verifies a receipt and returns the decoded event."""
    statement = receipt["statement"]
    need(receipt["epoch"] == statement["epoch"], "Epoch")
    need(receipt["seq"] == statement["seq"], "Seq")
    need_time(statement)
    verify_statement(engine, statement, receipt["signature"])
    need_rules(statement, receipt["leaf"])
    event = receipt["event"]
    need(len(event) <= EVENT_BYTES_MAX, "EventTooLarge")
    root, count = statement["eventRoot"], statement["eventCount"]
    verify_event(root, count, receipt["index"], receipt["salt"], event, receipt["path"])
    return codec.decode(codec.event, event)


def read_leaf(leaf):
    """Decodes the 297 bytes of a leaf; returns it and its digest."""
    need(len(leaf) < 2 or int.from_bytes(leaf[:2], "little") == codec.FRAME_VERSION, "Version")
    need(len(leaf) == codec.LEAF_BYTES, "LeafSize")
    return codec.decode(codec.leaf, leaf), context_key("mortise 2026 frame digest v1", leaf)


def need_rules(statement, leaf):
    """Rules come before the event, which may mean something else under other rules."""
    if len(leaf) != codec.LEAF_BYTES:
        need(len(leaf) < 2 or int.from_bytes(leaf[:2], "little") == codec.FRAME_VERSION, "Version")
        return
    decoded, digest = read_leaf(leaf)
    need(digest != statement["frameDigest"] or decoded["rules"] in codec.RULES, "RulesUnknown")


def verify_frame(statement, leaf, path, under):
    decoded, digest = read_leaf(leaf)
    need(digest == statement["frameDigest"], "FrameDigest")
    need(decoded["rules"] in codec.RULES, "RulesUnknown")
    same = {
        "engineId": decoded["engine_id"],
        "epoch": decoded["epoch"],
        "seq": decoded["seq"],
        "time": decoded["time_ms"] // 1000,
        "eventRoot": decoded["event_root"],
        "eventCount": decoded["event_count"],
        "stateRoot": decoded["state_root"],
        "policyHash": decoded["policy_hash"],
    }
    need(all(statement[name] == value for name, value in same.items()), "Contradiction")
    verify_inclusion(under, statement["seq"], leaf, path)


def between(a, b):
    """Returns the rule that two statements break without further evidence."""
    if a["historySize"] == b["historySize"]:
        same = a["historyRoot"] == b["historyRoot"]
        return "SameFrameOtherContent" if same else "SameSizeOtherRoot"
    small, large = sorted((a, b), key=lambda statement: statement["historySize"])
    need(small["time"] > large["time"], "NoContradiction")
    return "LaterTimeSmallerSize"


def read_signed(value):
    statement = form.statement(form.member(value, "statement"))
    return statement, form.signature(form.member(value, "signature"))


def only(value, *names):
    need(isinstance(value, dict) and set(value) <= set(names), "Form")


def read_leaf_proof(value):
    only(value, "leaf", "path")
    return form.data(form.member(value, "leaf")), form.words(form.member(value, "path"))


def read_leaves(value):
    need(isinstance(value, dict) and len(value) == 1, "Form")
    if "atFirst" in value:
        return None, None, read_leaf_proof(value["atFirst"])
    both = form.member(value, "both")
    only(both, "index", "first", "second")
    first, second = (read_leaf_proof(form.member(both, name)) for name in ("first", "second"))
    return form.u64(form.member(both, "index")), first, second


def renamed(name, check, *args):
    try:
        return check(*args)
    except Refused:
        raise Refused(name) from None


def verify_leaf_proof(which, statement, index, proof):
    leaf, path = proof
    found = renamed(which + "Leaf", read_leaf, leaf)
    renamed(which + "Path", verify_inclusion, head(statement), index, leaf, path)
    return found


def verify_fork(engine, evidence):
    """Returns the broken rule."""
    only(evidence, "format", "first", "second", "leaves")
    need(form.member(evidence, "format") == "mortise-fork-evidence@v1", "Form")
    first, second = (read_signed(form.member(evidence, name)) for name in ("first", "second"))
    leaves = form.optional(evidence, "leaves", read_leaves)
    need_time(first[0])
    need_time(second[0])
    renamed("First", verify_statement, engine, *first)
    renamed("Second", verify_statement, engine, *second)
    first, second = first[0], second[0]
    need(first != second, "SameStatement")
    if leaves is None:
        return between(first, second)
    index, one, other = leaves
    if one is None:
        seq = first["seq"]
        _, digest = verify_leaf_proof("Second", second, seq, other)
        need(digest != first["frameDigest"], "SameLeaf")
        return "OtherFrame"
    verify_leaf_proof("First", first, index, one)
    verify_leaf_proof("Second", second, index, other)
    need(one[0] != other[0], "SameLeaf")
    return "OtherLeaf"
