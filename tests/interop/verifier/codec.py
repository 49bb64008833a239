"""The codec (specs/encoding.md) and the types that use it (specs/event-log.md, state-tree.md).

A type is a function that reads a value from a reader. Each value has exactly one encoding, so bytes
that decode without a remainder are the encoding of the decoded value.
"""

from . import Refused, need


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        need(size <= len(self.data) - self.at, "Encoding")
        self.at += size
        return self.data[self.at - size : self.at]


def decode(kind, data):
    """Decodes exactly one value: Encoding."""
    reader = Reader(data)
    value = kind(reader)
    need(reader.at == len(data), "Encoding")
    return value


def raw(size):
    return lambda reader: reader.take(size)


def integer(size):
    return lambda reader: int.from_bytes(reader.take(size), "little")


u8, u16, u32, u64 = (integer(size) for size in (1, 2, 4, 8))
u256 = integer(32)
word, address, signature = raw(32), raw(20), raw(65)


def flag(reader):
    value = u8(reader)
    need(value in (0, 1), "Encoding")
    return value == 1


def many(kind):
    def read(reader):
        count = u64(reader)
        need(count <= len(reader.data) - reader.at, "Encoding")
        return [kind(reader) for _ in range(count)]

    return read


def maybe(kind):
    def read(reader):
        tag = u8(reader)
        need(tag in (0, 1), "Encoding")
        return kind(reader) if tag else None

    return read


def blob(reader):
    return bytes(reader.take(u64(reader)))


def text(reader):
    try:
        return blob(reader).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("Encoding") from None


def fields(**kinds):
    return lambda reader: {name: kind(reader) for name, kind in kinds.items()}


def choice(*variants):
    """Builds an enum from (name, fields), in the order of their numbers."""

    def read(reader):
        number = u32(reader)
        need(number < len(variants), "Encoding")
        name, kind = variants[number]
        return name, kind(reader)

    return read


def names(*values):
    return choice(*((value, fields()) for value in values))


# specs/event-log.md, "Encoded events".

status = names("active", "partial", "fulfilled", "settled", "released", "cancelled", "expired")
custody = names("open", "escrow")
asset = fields(
    chain=u64, type=names("native", "erc20", "erc721", "erc1155"), token=address, id=word
)
leg = fields(asset=asset, amount=u256)
condition = fields(chain=u64, asset=asset, amount=u256, recipient=address, data=maybe(blob))
terms = fields(
    owner=address,
    beneficiary=address,
    arbiter=address,
    nonce=u64,
    expires=u64,
    condition=condition,
    legs=many(leg),
)
request = fields(id=word, valid_until=u64)
claim = fields(
    lock_id=word,
    claim_index=u32,
    claimant=address,
    amounts=many(u256),
    evidence=word,
    request=request,
)
cancel_form = choice(
    ("consent", request), ("text", fields()), ("serverHash", fields()), ("either", fields())
)
cancel = fields(form=cancel_form, signature=signature)
mark = fields(
    principal=address,
    id=word,
    valid_until=u64,
    digest=word,
    tags=lambda reader: [u16(reader) for _ in range(8)],
)
authority = choice(("intent", request), ("approval", fields()))
granted = fields(
    lock_id=word,
    terms=terms,
    authority=authority,
    signature=signature,
    claim_by=u64,
    settle_by=u64,
    custody=custody,
)
fact = fields(
    asset=asset,
    account=address,
    head_number=u64,
    head_hash=word,
    head_time=u64,
    balance=u256,
    withdrawing=u256,
    withdrawal=names("none", "requested", "executable"),
)
intent = fields(terms=terms, request=request, signature=signature)
grant = fields(reader=word, from_epoch=u64, to_epoch=u64, request=request)
measurement = raw(48)
version = fields(major=u32, minor=u32, patch=u32)
approval = fields(
    serial=u64, images=many(measurement), minimum_version=version, rules=u16, valid_until=u64
)

field = names(*(str(number) for number in range(43)))
limit = names("single", "account", "asset", "concurrent", "rate", "requests", "drafts", "readingGrants", "principals", "newPrincipals", "accounts", "locks")
party = names("owner", "beneficiary", "nobody")
reject = choice(
    ("LOCK_NOT_FOUND", fields()),
    ("INVALID_SIGNATURE", fields()),
    ("LOCK_EXPIRED", fields()),
    ("VALIDATION", field),
    ("UNAUTHORIZED", fields()),
    ("INSUFFICIENT_AVAILABLE", fields(total=u256, held=u256, available=u256, requested=u256)),
    ("NONCE_USED", fields()),
    ("EXPIRY_WINDOW", fields(min=u64, max=u64)),
    ("RESET_PERIOD_TOO_SHORT", u64),
    ("FORCED_WITHDRAWAL", fields()),
    ("UNSUPPORTED_CHAIN", u64),
    ("LIMIT", fields(which=limit, max=u256)),
    ("ALREADY_TERMINAL", status),
    ("CONSENT_REQUIRED", party),
    ("CLAIM_EXCEEDS", fields(leg=u32, remaining=u256)),
    ("REQUEST_ID_REUSED", field),
    ("STALE_FACTS", fields(age=u64, max=u64)),
    ("PROOF_INVALID", fields()),
    (
        "NONCE_NOT_FREE",
        fields(
            fault=names("used", "tooOld", "fromFuture"),
            next=u64,
            oldest_hour=u32,
            newest_hour=u32,
        ),
    ),
    ("EXPIRY_WINDOW", fields(min=u64, max=u64)),
    ("VALIDATION", fields(next=u32)),
)
COMMANDS = [
    ("Commit", many(intent)),
    ("Approve", fields(terms=terms, signature=signature)),
    ("Claim", fields(claim=claim, signature=signature)),
    ("Release", fields(lock_id=word, request=request, signature=signature)),
    ("Cancel", fields(lock_id=word, consents=many(cancel))),
    ("CancelDraft", fields(terms=terms, consent=cancel)),
    ("Extend", fields(lock_id=word, new_expires=u64, request=request, signature=signature)),
    ("RecordFact", fields(fact=fact, signatures=many(signature))),
    ("GrantReading", fields(grant=grant, signatures=many(signature))),
    ("ApproveImages", fields(approval=approval, signatures=many(signature))),
]
command = choice(*COMMANDS)
EVENTS = [
    ("EpochStarted", fields(epoch=u64, version=text, previous=word, rules=u16)),
    ("TimeAdvanced", fields(time_ms=u64)),
    ("LocksGranted", fields(locks=many(granted), batch=word, marks=many(mark))),
    ("LockClaimed", fields(claim=claim, signature=signature, mark=mark, status=status)),
    ("LockReleased", fields(lock_id=word, signature=signature, mark=mark, freed=many(u256))),
    (
        "LockCancelled",
        fields(
            lock_id=word,
            consents=many(cancel),
            principal=address,
            marks=many(mark),
            freed=many(u256),
        ),
    ),
    ("DraftCancelled", fields(lock_id=word, terms=terms, consent=cancel, mark=maybe(mark))),
    (
        "LockExtended",
        fields(
            lock_id=word,
            terms=terms,
            claim_by=u64,
            settle_by=u64,
            custody=custody,
            signature=signature,
            mark=mark,
            status=status,
        ),
    ),
    ("LocksExpired", fields(lock_ids=many(word))),
    ("LocksSettled", fields(lock_ids=many(word))),
    ("LocksPruned", fields(lock_ids=many(word))),
    ("FactRecorded", fields(fact=fact, signatures=many(signature))),
    ("CommandRefused", fields(mark=mark, reject=reject, command=command)),
    ("SnapshotTaken", fields(seq=u64, digest=word)),
    ("ReadingGranted", fields(grant=grant, signatures=many(signature))),
    ("ImagesApproved", fields(approval=approval, signatures=many(signature))),
    ("EpochEnded", fields(epoch=u64)),
]
event = choice(*EVENTS)

# specs/state-tree.md, "Encoded values".

value = choice(
    (
        "lock",
        fields(
            status=status,
            custody=custody,
            expires=u64,
            claim_by=u64,
            settle_by=u64,
            claims=u32,
            seq=u64,
            index=u32,
            legs=many(fields(remaining=u256, claimed=u256, settled=u256)),
        ),
    ),
    (
        "account",
        fields(
            held=u256,
            claimed=u256,
            fact=maybe(
                fields(
                    balance=u256,
                    withdrawing=u256,
                    withdrawal=names("none", "requested", "executable"),
                    head_number=u64,
                )
            ),
        ),
    ),
    (
        "principal",
        fields(
            floor=u64, bitmap=lambda reader: [u64(reader) for _ in range(4)], open_locks=u32
        ),
    ),
    ("policy", word),
    (
        "images",
        fields(
            serial=u64,
            images=many(measurement),
            minimum_version=version,
            rules=u16,
            seq=u64,
            index=u32,
        ),
    ),
    (
        "principalByHour",
        fields(
            windows=many(
                fields(hour=u32, floor=u32, bitmap=lambda reader: [u64(reader) for _ in range(4)])
            ),
            open_locks=u32,
        ),
    ),
)

# specs/event-log.md, "Bytes of a frame": the leaf.

leaf = fields(
    version=u16,
    rules=u16,
    kind=u8,
    engine_id=word,
    epoch=u64,
    seq=u64,
    time_ms=u64,
    previous=word,
    event_count=u32,
    event_root=word,
    state_root=word,
    policy_hash=word,
    clear_bytes=u32,
    cipher_bytes=u32,
    clear_digest=word,
    cipher_digest=word,
    mac=word,
)
LEAF_BYTES = 297
FRAME_VERSION = 2
RULES = range(1, 4)
