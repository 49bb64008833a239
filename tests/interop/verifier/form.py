"""Parses JSON into values (specs/encoding.md, JSON); refuses any other form as Form."""

import re

from . import need

HEX = re.compile(r"0x([0-9a-fA-F]{2})*", re.ASCII)
DECIMAL = re.compile(r"[0-9]+", re.ASCII)
AMOUNT = re.compile(r"0x[0-9a-fA-F]+|[0-9]+", re.ASCII)
TYPES = {"native": 0, "erc20": 1, "erc721": 2, "erc1155": 3}


def member(value, name):
    need(isinstance(value, dict) and name in value, "Form")
    return value[name]


def optional(value, name, read):
    need(isinstance(value, dict), "Form")
    found = value.get(name)
    return None if found is None else read(found)


def text(value):
    need(isinstance(value, str), "Form")
    return value


def data(value):
    need(isinstance(value, str) and HEX.fullmatch(value), "Form")
    return bytes.fromhex(value[2:])


def fixed(size):
    def read(value):
        found = data(value)
        need(len(found) == size, "Form")
        return found

    return read


word = fixed(32)
address = fixed(20)
signature = fixed(65)


def integer(bits):
    def read(value):
        whole = isinstance(value, int) and not isinstance(value, bool)
        need(whole and 0 <= value < 1 << bits, "Form")
        return value

    return read


u32 = integer(32)
u64 = integer(64)


def flag(value):
    need(isinstance(value, bool), "Form")
    return value


def words(value):
    need(isinstance(value, list), "Form")
    return [word(item) for item in value]


def amount(value):
    if isinstance(value, int):
        return u64(value)
    need(isinstance(value, str) and AMOUNT.fullmatch(value), "Form")
    found = int(value, 16 if value.startswith("0x") else 10)
    need(found < 1 << 256, "Form")
    return found


def decimal(value):
    need(isinstance(value, str) and DECIMAL.fullmatch(value), "Form")
    return u64(int(value))


def name_of(*names):
    def read(value):
        need(value in names, "Form")
        return value

    return read


custody = name_of("open", "escrow")
durability = name_of("stored", "witnessed")
mode = name_of("debug", "emulated")


def asset(value):
    kind = member(value, "assetType")
    need(kind in TYPES, "Form")
    token = optional(value, "contractAddress", address) or bytes(20)
    token_id = optional(value, "tokenId", amount) or 0
    found = {"chain": u64(member(value, "chainId")), "type": TYPES[kind]}
    need((kind == "native") == (token == bytes(20)), "Form")
    need(token_id == 0 or kind in ("erc721", "erc1155"), "Form")
    return found | {"token": token, "id": token_id}


def leg(value):
    return {"asset": asset(value), "amount": amount(member(value, "amount"))}


def legs(value):
    need(isinstance(value, list), "Form")
    return [leg(item) for item in value]


def condition(value):
    return {
        "chain": u64(member(value, "targetChainId")),
        "asset": asset(member(value, "targetAsset")),
        "amount": amount(member(value, "targetAmount")),
        "recipient": address(member(value, "recipient")),
        "data": optional(value, "executionData", data),
    }


def engine(value):
    found = member(value, "engine")
    return {"id": word(member(found, "engineId")), "address": address(member(found, "address"))}


STATEMENT = {
    "engineId": word,
    "epoch": u64,
    "seq": u64,
    "time": u64,
    "frameDigest": word,
    "eventRoot": word,
    "eventCount": u32,
    "stateRoot": word,
    "historyRoot": word,
    "historySize": u64,
    "policyHash": word,
}


def statement(value):
    return {name: read(member(value, name)) for name, read in STATEMENT.items()}


def head(value):
    return {"size": u64(member(value, "size")), "root": word(member(value, "root"))}
