"""Commitments (specs/receipts.md, specs/eip712.md)."""

from . import form, need
from .crypto import engine_digest, keccak, left, need_signed, number, struct

TYPE = (
    "LockCommitment(bytes32 lockId,address owner,address beneficiary,address arbiter,bytes32 assets,"
    "bytes32 condition,uint64 issuedAt,uint64 expires,uint64 claimBy,uint64 settleBy,uint8 custody,"
    "uint8 durability,uint64 epoch,uint64 frameSeq,uint32 eventIndex,bytes32 eventRoot,"
    "bytes32 stateRoot,bytes32 policyHash,bytes32 userSignatureHash)"
)
LOCKED_ASSET = (
    "LockedAsset(uint256 chainId,uint8 assetType,address token,uint256 tokenId,uint256 amount)"
)
LOCK_ID = (
    "MortiseLockId(bytes32 engineId,address owner,address beneficiary,address arbiter,"
    "uint256 nonce,uint64 expires,bytes32 condition,bytes32 assets)"
)
CUSTODY = {"open": 0, "escrow": 1}
DURABILITY = {"stored": 1, "witnessed": 2}
# By the insecure mode of a commitment: the name of its domain, and of its refusal.
DOMAIN = {None: "Mortise", "debug": "Mortise DEBUG", "emulated": "Mortise EMULATED"}
MARKED = {"debug": "DebugMode", "emulated": "Emulated"}
SKEW_S_MAX = 60


def asset_words(asset):
    kind, token = number(asset["type"]), left(asset["token"])
    return number(asset["chain"]), kind, token, number(asset["id"])


def assets_hash(legs):
    hashes = (
        struct(LOCKED_ASSET, *asset_words(leg["asset"]), number(leg["amount"])) for leg in legs
    )
    return keccak(b"".join(hashes))


def condition_hash(condition):
    asset = keccak(b"".join(asset_words(condition["asset"])))
    data = bytes(32) if condition["data"] is None else keccak(condition["data"])
    amount, recipient = number(condition["amount"]), left(condition["recipient"])
    return keccak(number(condition["chain"]) + asset + amount + recipient + data)


def lock_id(engine_id, terms):
    return struct(
        LOCK_ID,
        engine_id,
        left(terms["owner"]),
        left(terms["beneficiary"]),
        left(terms["arbiter"]),
        number(terms["nonce"]),
        number(terms["expires"]),
        condition_hash(terms["condition"]),
        assets_hash(terms["legs"]),
    )


FIELDS = {
    "lockId": form.word,
    "version": form.u32,
    "chainId": form.u64,
    "smartAccount": form.address,
    "lockedAsset": form.asset,
    "lockedAmount": form.amount,
    "createdAt": form.u64,
    "expiresAt": form.u64,
    "settlementDeadline": form.u64,
    "fulfillmentCondition": form.condition,
    "nonce": form.decimal,
    "stateRoot": form.word,
    "userSignatureHash": form.word,
    "beneficiary": form.address,
    "arbiter": form.address,
    "legs": form.legs,
    "claimBy": form.u64,
    "settleBy": form.u64,
    "custody": form.custody,
    "durability": form.durability,
    "policyHash": form.word,
    "epoch": form.u64,
    "seq": form.u64,
    "eventIndex": form.u32,
    "eventRoot": form.word,
}
ATTESTED = {
    "enclaveId": form.word,
    "timestamp": form.u64,
    "commitmentHash": form.word,
    "signature": form.signature,
}


def read_fields(fields, value):
    return {name: read(form.member(value, name)) for name, read in fields.items()}


def read_answer(value):
    found = read_fields(FIELDS, value)
    attested = form.member(value, "ccmAttestation")
    mode = form.optional(attested, "mode", form.mode)
    return found | {"attested": read_fields(ATTESTED, attested), "mode": mode}


def read_terms(value):
    return {
        "owner": form.address(form.member(value, "owner")),
        "beneficiary": form.address(form.member(value, "beneficiary")),
        "arbiter": form.address(form.member(value, "arbiter")),
        "nonce": form.u64(form.member(value, "nonce")),
        "expires": form.u64(form.member(value, "expires")),
        "condition": form.condition(form.member(value, "fulfillmentCondition")),
        "legs": form.legs(form.member(value, "legs")),
    }


def struct_hash(answer):
    return struct(
        TYPE,
        answer["lockId"],
        left(answer["smartAccount"]),
        left(answer["beneficiary"]),
        left(answer["arbiter"]),
        assets_hash(answer["legs"]),
        condition_hash(answer["fulfillmentCondition"]),
        *(number(answer[name]) for name in ("createdAt", "expiresAt", "claimBy", "settleBy")),
        number(CUSTODY[answer["custody"]]),
        number(DURABILITY[answer["durability"]]),
        *(number(answer[name]) for name in ("epoch", "seq", "eventIndex")),
        *(answer[name] for name in ("eventRoot", "stateRoot", "policyHash", "userSignatureHash")),
    )


def need_consistent(engine, answer):
    """Fields that appear twice in an answer must match: Commitment."""
    attested, legs = answer["attested"], answer["legs"]
    first = legs[0] if legs else None
    need(first is not None and first["asset"] == answer["lockedAsset"], "Commitment")
    need(first["amount"] == answer["lockedAmount"], "Commitment")
    need(first["asset"]["chain"] == answer["chainId"] and answer["version"] == 1, "Commitment")
    need(answer["settlementDeadline"] == answer["settleBy"], "Commitment")
    need(attested["timestamp"] == answer["createdAt"], "Commitment")
    need(attested["enclaveId"] == engine["id"], "Commitment")
    digest = engine_digest(engine["id"], struct_hash(answer), DOMAIN[answer["mode"]])
    need(attested["commitmentHash"] == digest, "Commitment")


def one_form(signature):
    """Anyone who carries a signature can rewrite v from 27 or 28 to 0 or 1."""
    return signature[:64] + bytes([signature[64] + 27 if signature[64] < 2 else signature[64]])


def verify_answer(engine, answer, expected):
    terms = read_terms(form.member(expected, "terms"))
    need_consistent(engine, answer)
    asked = {
        "lockId": form.optional(expected, "lockId", form.word),
        "userSignature": form.optional(expected, "userSignature", form.signature),
        "custody": form.optional(expected, "custody", form.custody),
        "durability": form.optional(expected, "durability", form.durability),
        "policyHash": form.optional(expected, "policyHash", form.word),
        "now": form.optional(expected, "now", form.u64),
        "mode": form.optional(expected, "mode", form.mode),
    }
    need(answer["mode"] in (None, asked["mode"]), MARKED.get(answer["mode"]))
    need_terms(answer, terms)
    wanted = asked["lockId"] or lock_id(engine["id"], terms)
    need(answer["lockId"] == wanted, "LockId")
    for taker in ("beneficiary", "arbiter"):
        need(terms[taker] != terms["owner"], "OwnerIsTaker")
    if asked["userSignature"] is not None:
        own = keccak(one_form(asked["userSignature"]))
        need(answer["userSignatureHash"] == own, "UserSignature")
    for name, refusal in (
        ("custody", "Custody"),
        ("durability", "Durability"),
        ("policyHash", "Policy"),
    ):
        need(asked[name] is None or answer[name] == asked[name], refusal)
    need_times(answer, asked["now"])
    signature = answer["attested"]["signature"]
    need_signed(engine, struct_hash(answer), signature, DOMAIN[answer["mode"]])


def need_terms(answer, terms):
    need(answer["smartAccount"] == terms["owner"], "Terms")
    need(answer["beneficiary"] == terms["beneficiary"], "Terms")
    need(answer["arbiter"] == terms["arbiter"], "Terms")
    need(assets_hash(answer["legs"]) == assets_hash(terms["legs"]), "Terms")
    wanted = condition_hash(terms["condition"])
    need(condition_hash(answer["fulfillmentCondition"]) == wanted, "Terms")
    need(answer["expiresAt"] == terms["expires"], "Terms")


def need_times(answer, now):
    issued, expires = answer["createdAt"], answer["expiresAt"]
    need(issued < expires <= answer["claimBy"] <= answer["settleBy"], "TimeOrder")
    if now is not None:
        need(issued <= now + SKEW_S_MAX, "FromTheFuture")
        need(now < expires, "Expired")


def is_in(answer, receipt):
    """True if the receipt is for the event that the commitment names."""
    statement = receipt["statement"]
    same = all(
        answer[name] == statement[name]
        for name in ("epoch", "seq", "eventRoot", "stateRoot", "policyHash")
    )
    return same and answer["eventIndex"] == receipt["index"]
