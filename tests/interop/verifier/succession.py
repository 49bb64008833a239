"""Successions (specs/durability-and-recovery.md, the ceremony; specs/genesis-and-loss.md, the id)."""

import re

from . import Refused, codec, need, notes
from .crypto import engine_digest, keccak, recover, sha256, struct

CHARTER_BYTES_MAX = 65_536
NOTE_BYTES_MAX = 16_384
MEMBERS_MAX, CHAINS_MAX, WITNESSES_MAX, WITNESS_NAME_MAX, DOMAIN_MAX = 32, 256, 32, 128, 253
LEASE_S_MIN = 15
LABEL = re.compile(r"[a-z0-9-]+", re.ASCII)


def span(kind):
    """Wraps a type: reads a value and returns it with its bytes."""

    def read(reader):
        start = reader.at
        value = kind(reader)
        return value, reader.data[start : reader.at]

    return read


limits = codec.fields(single=codec.u256, account=codec.u256, asset=codec.u256)
chain = codec.fields(
    chain=codec.u64,
    custody=codec.choice(
        ("open", codec.fields()), ("escrow", codec.fields(contract=codec.address, notice=codec.u64))
    ),
    window=codec.u64,
)
EDITION_TWO = 1 << 63 | 2
state_class = codec.fields(principals_max=codec.u32, accounts_max=codec.u32, locks_max=codec.u32)
before_drafts = codec.fields(
    lock_s_max=codec.u64,
    settlement_buffer_s=codec.u64,
    concurrent_max=codec.u32,
    commands_per_minute_max=codec.u32,
    requests_max=codec.u32,
    retention_s=codec.u64,
    draft_ttl_s=codec.u64,
)
after_drafts = codec.fields(
    fact_age_s_max=codec.u64,
    notice_margin_s=codec.u64,
    default_limits=limits,
    assets=codec.many(codec.fields(asset=codec.asset, limits=limits)),
    chains=codec.many(chain),
    observers=codec.many(codec.address),
    observers_min=codec.u32,
    operators=codec.many(codec.address),
    operators_min=codec.u32,
    witnesses=codec.many(codec.fields(key=codec.word, name=codec.text)),
    witnesses_min=codec.u32,
    witnesses_faulty_max=codec.u32,
)
service = codec.fields(
    lease_s=codec.u32,
    skew_s=codec.u32,
    lease_wait=codec.flag,
    reads=codec.names("public", "parties"),
    clear_reads=codec.flag,
    open=state_class,
    escrow=state_class,
    new_principals_per_minute_max=codec.u32,
)


def policy(reader):
    """A policy: the first edition has no number and begins with its shortest lock."""
    first = codec.u64(reader)
    numbered = first >= 1 << 63
    need(not numbered or first == EDITION_TWO, "Encoding")
    found = {"lock_s_min": codec.u64(reader) if numbered else first, **before_drafts(reader)}
    if not numbered:
        found["drafts_per_owner_max"] = codec.u32(reader)
    found |= after_drafts(reader)
    return found | ({"service": service(reader)} if numbered else {})


origin = codec.choice(("c2sp", codec.text), ("sigsum", codec.fields()))
charter = span(codec.fields(name=codec.text, salt=codec.word, policy=policy, origin=origin))
predecessor = codec.fields(
    engine_id=codec.word,
    signing=codec.raw(33),
    checkpoint_key=codec.word,
    secret=codec.word,
    charter=charter,
    before=codec.word,
    checkpoint=codec.text,
)
genesis = codec.fields(
    charter=charter,
    predecessor=codec.maybe(
        codec.fields(unsigned=span(predecessor), signatures=codec.many(codec.signature))
    ),
)


# Rules for the policy of a genesis (specs/genesis-and-loss.md).


def ascending(values):
    return all(a < b for a, b in zip(values, values[1:]))


def is_quorum_of(members, least):
    return len(members) <= MEMBERS_MAX and least <= len(members) and (not members or least > 0)


def is_asset(asset):
    kind, none = asset["type"][0], bytes(32)
    if kind == "native":
        return asset["id"] == none and not any(asset["token"])
    return any(asset["token"]) and (kind != "erc20" or asset["id"] == none)


def is_witness(witness):
    name = witness["name"]
    size = len(name.encode())
    return 0 < size <= WITNESS_NAME_MAX and all("!" <= c <= "~" and c != "+" for c in name)


def are_witnesses(p):
    keys, names_ = ([w[part] for w in p["witnesses"]] for part in ("key", "name"))
    n, k, f = len(keys), p["witnesses_min"], p["witnesses_faulty_max"]
    named = ascending(keys) and len(set(names_)) == n and all(map(is_witness, p["witnesses"]))
    return n <= WITNESSES_MAX and named and ((k == f == 0) if n == 0 else k <= n and 2 * k > n + f)


def asset_order(entry):
    a = entry["asset"]
    return (a["chain"], ("native", "erc20", "erc721", "erc1155").index(a["type"][0]), a["token"], a["id"])


def is_edition(p):
    if "service" not in p:
        return p["drafts_per_owner_max"] > 0
    service = p["service"]
    limits = [service[name].values() for name in ("open", "escrow")]
    above_zero = [*limits[0], *limits[1], service["new_principals_per_minute_max"]]
    return service["lease_s"] >= LEASE_S_MIN and all(value > 0 for value in above_zero)


def is_policy(p):
    chains = [c["chain"] for c in p["chains"]]
    assets = p["assets"]
    above_zero = (
        "lock_s_min", "settlement_buffer_s", "retention_s", "draft_ttl_s", "fact_age_s_max",
        "concurrent_max", "commands_per_minute_max", "requests_max",
    )
    every = [p["default_limits"]] + [entry["limits"] for entry in assets]
    escrow = any(c["custody"][0] == "escrow" for c in p["chains"])
    return (
        0 < len(chains) <= CHAINS_MAX
        and ascending(chains)
        and ascending([asset_order(entry) for entry in assets])
        and all(is_asset(entry["asset"]) for entry in assets)
        and is_quorum_of(p["observers"], p["observers_min"])
        and ascending(p["observers"])
        and is_quorum_of(p["operators"], p["operators_min"])
        and ascending(p["operators"])
        and are_witnesses(p)
        and all(p[name] > 0 for name in above_zero)
        and p["lock_s_min"] <= p["lock_s_max"]
        and p["lock_s_min"] < 1 << 63
        and is_edition(p)
        and not (escrow and p["observers_min"] == 0)
        and all(limit["single"] <= limit["account"] <= limit["asset"] for limit in every)
    )


def is_charter(found):
    value, data = found
    form, domain = value["origin"]
    named = form == "sigsum" or (
        len(domain.encode()) <= DOMAIN_MAX and all(map(LABEL.fullmatch, domain.split(".")))
    )
    return is_policy(value["policy"]) and named and len(data) <= CHARTER_BYTES_MAX


# Ids and hashes.


def genesis_hash(charter_bytes, before):
    return struct("MortiseGenesis(bytes charter,bytes32 predecessor)", keccak(charter_bytes), before)


def predecessor_hash(unsigned, signatures):
    encoded = unsigned + len(signatures).to_bytes(8, "little") + b"".join(signatures)
    return struct("MortisePredecessor(bytes predecessor)", keccak(encoded))


def engine_id(old):
    keys = keccak(b"secp256k1" + old["signing"] + b"ed25519" + old["checkpoint_key"])
    created = genesis_hash(old["charter"][1], old["before"])
    kind = "MortiseEngineId(bytes32 keys,bytes32 logSecretCommitment,bytes32 genesis)"
    return struct(kind, keys, old["secret"], created)


def origin_of(old):
    form, domain = old["charter"][0]["origin"]
    if form == "sigsum":
        return f"sigsum.org/v1/tree/{sha256(old['checkpoint_key']).hex()}"
    return f"{domain}/{old['engine_id'].hex()}"


def cosigned(old, note):
    """Returns the head of a checkpoint of the old engine that its own witnesses cosigned."""
    rules = old["charter"][0]["policy"]
    need(rules["witnesses"], "NoWitnesses")
    keyed = [
        {"name": w["name"], "id": notes.key_id(w["name"], notes.WITNESS, w["key"]), "key": w["key"]}
        for w in rules["witnesses"]
    ]
    name, key = origin_of(old), old["checkpoint_key"]
    log = {"name": name, "id": notes.key_id(name, notes.LOG, key), "key": key}
    return notes.verify_note(note, name, log, keyed, rules["witnesses_min"])


def signer_of(digest, signature):
    need(signature[64] in (27, 28), "Signature")
    try:
        return recover(digest, signature)
    except Refused:
        raise Refused("Signature") from None


def verify(data):
    """Verifies a succession; returns (predecessor, head, operators)."""
    new = codec.decode(genesis, data)
    need(new["predecessor"] is not None, "NoPredecessor")
    (old, unsigned), signatures = (new["predecessor"][part] for part in ("unsigned", "signatures"))
    fits = len(old["checkpoint"].encode()) <= NOTE_BYTES_MAX and len(signatures) <= MEMBERS_MAX
    need(is_charter(new["charter"]) and fits and ascending(signatures), "Genesis")
    need(is_charter(old["charter"]), "OldGenesis")
    need(engine_id(old) == old["engine_id"], "PredecessorId")
    rules = old["charter"][0]["policy"]
    need(rules["operators_min"] > 0, "NoOperators")
    head = cosigned(old, old["checkpoint"].encode())
    need(head["size"] > 0, "EmptyLog")
    agreed = genesis_hash(new["charter"][1], predecessor_hash(unsigned, []))
    kind = "EngineSuccession(bytes32 predecessor,bytes32 genesis)"
    digest = engine_digest(old["engine_id"], struct(kind, old["engine_id"], agreed))
    operators = []
    for signature in signatures:
        operator = signer_of(digest, signature)
        need(operator in rules["operators"], "NotAnOperator")
        need(operator not in operators, "OperatorTwice")
        operators.append(operator)
    need(len(operators) >= rules["operators_min"], "TooFewOperators")
    return old, head, operators


def check_newest(found, note):
    old, named, _ = found
    shown = cosigned(old, note)
    need(shown["size"] <= named["size"], "LaterCheckpoint")
    need(shown["size"] != named["size"] or shown["root"] == named["root"], "OtherRoot")
    return shown
