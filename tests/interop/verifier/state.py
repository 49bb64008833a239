"""State proofs (specs/state-tree.md)."""

from . import codec, form, need
from .crypto import context_key, keyed, plain_blake3
from .statements import need_time, verify_statement

LEAF = context_key("mortise 2026 state tree leaf v1")
NODE = context_key("mortise 2026 state tree node v1")
VALUE = context_key("mortise 2026 state tree value v1")
SIBLINGS_MAX = 256
VALUE_BYTES_MAX = 3 * 1024 * 1024
ZERO = bytes(32)
# The kind of key of a value whose name is another.
KEY_OF = {"principalByHour": "principal"}


def read_key(value):
    """Returns (kind, name of the value, key digest)."""
    if value.get("policy") is True:
        return 4, "policy", ZERO
    if value.get("images") is True:
        return 5, "images", ZERO
    if "lockId" in value:
        return 1, "lock", form.word(value["lockId"])
    owner = form.address(form.member(value, "owner"))
    asset = form.optional(value, "asset", form.asset)
    if asset is None:
        return 3, "principal", owner + bytes(12)
    data = owner + asset["chain"].to_bytes(8, "little") + bytes([asset["type"]]) + asset["token"]
    return 2, "account", plain_blake3(data + asset["id"].to_bytes(32, "big"))


def position_of(engine_id, key):
    kind, _, digest = key
    position_key = context_key("mortise 2026 state tree position v1", engine_id)
    return keyed(position_key, digest + bytes([kind]) + bytes(31))


def bit(position, depth):
    return position[depth // 8] >> (7 - depth % 8) & 1


def shared(a, b):
    """Counts the leading bits that two positions share."""
    return next((depth for depth in range(256) if bit(a, depth) != bit(b, depth)), 256)


def verify_proof(root, position, siblings, end, other, value_hash):
    """Verifies a value hash, or absence if it is None; `end` is 0 present, 1 empty, 2 other."""
    if value_hash is not None:
        need(end == 0, "ShowsAbsence")
        found = keyed(LEAF, position + value_hash)
    elif end == 1:
        found = ZERO
    else:
        need(end == 2, "ShowsPresence")
        need(other[0] != position, "OtherIsSame")
        need(shared(other[0], position) >= len(siblings), "OtherOffTheWay")
        found = keyed(LEAF, other[0] + other[1])
    need(not siblings or siblings[-1] != ZERO, "LastSiblingEmpty")
    for depth in reversed(range(len(siblings))):
        pair = (siblings[depth], found) if bit(position, depth) else (found, siblings[depth])
        found = keyed(NODE, pair[0] + pair[1])
    need(found == root, "RootMismatch")


def read_answer(value):
    def other(found):
        names = ("position", "valueHash")
        return tuple(form.word(form.member(found, name)) for name in names)

    return {
        "present": form.flag(form.member(value, "present")),
        "position": form.word(form.member(value, "position")),
        "value": form.optional(value, "value", form.data),
        "salt": form.optional(value, "salt", form.word),
        "other": form.optional(value, "other", other),
        "siblings": form.words(form.member(value, "siblings")),
        "seq": form.u64(form.member(value, "seq")),
        "stateRoot": form.word(form.member(value, "stateRoot")),
        "statement": form.statement(form.member(value, "statement")),
        "signature": form.signature(form.member(value, "statementSignature")),
    }


def end_of(answer):
    """Returns the end of the proof, by the fields that are present: Mixed."""
    there = tuple(answer[name] is not None for name in ("value", "salt", "other"))
    shapes = {
        (True, (True, True, False)): 0,
        (False, (False, False, False)): 1,
        (False, (False, False, True)): 2,
    }
    end = shapes.get((answer["present"], there))
    need(end is not None, "Mixed")
    return end


def verify_answer(engine, key, answer):
    """Returns the decoded value, or None for absence."""
    statement = answer["statement"]
    need(answer["seq"] == statement["seq"], "Seq")
    need(answer["stateRoot"] == statement["stateRoot"], "StateRoot")
    position = position_of(statement["engineId"], key)
    need(answer["position"] == position, "Position")
    end = end_of(answer)
    siblings = answer["siblings"]
    need(len(siblings) <= SIBLINGS_MAX, "TooManySiblings")
    need_time(statement)
    verify_statement(engine, statement, answer["signature"])
    root, value, value_hash = statement["stateRoot"], answer["value"], None
    if end == 0:
        need(len(value) <= VALUE_BYTES_MAX, "ValueTooLarge")
        value_hash = keyed(VALUE, answer["salt"] + value)
    verify_proof(root, position, siblings, end, answer["other"], value_hash)
    if end != 0:
        return None
    kind, opened = codec.decode(codec.value, value)
    need(KEY_OF.get(kind, kind) == key[1], "Kind")
    return opened
