#!/usr/bin/env python3
"""Checks specs/vectors/eip712.json with eth-account, an independent EIP-712 library.

    python3 -m venv target/interop-venv && target/interop-venv/bin/pip install eth-account
    target/interop-venv/bin/python tests/interop/eip712.py

Prints one line per vector; exits with 1 at the first difference.
"""

import json
import pathlib
import sys

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_keys import keys
from eth_utils import keccak, to_checksum_address

FILE = pathlib.Path(__file__).parents[2] / "specs" / "vectors" / "eip712.json"
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ZERO = bytes(32)
checked = 0


def same(what, found, expected):
    global checked
    found = "0x" + found.hex() if isinstance(found, bytes) else found
    if found.lower() != expected.lower():
        sys.exit(f"{what}: found {found}, the file has {expected}")
    checked += 1


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def type_string(types, primary):
    used = {f["type"].split("[")[0] for f in types[primary]} & types.keys()
    parts = [primary] + sorted(used - {primary})
    fields = lambda name: ",".join(f"{f['type']} {f['name']}" for f in types[name])
    return "".join(f"{name}({fields(name)})" for name in parts)


def numbers(types, primary, message):
    """Converts the numbers of a message: JSON has large ones as text."""
    out = {}
    for field in types[primary]:
        value, kind = message[field["name"]], field["type"]
        base = kind.split("[")[0]
        one = lambda v: (
            numbers(types, base, v) if base in types else int(v) if "int" in base else v
        )
        out[field["name"]] = [one(v) for v in value] if kind.endswith("[]") else one(value)
    if set(out) != set(message):
        sys.exit(f"{primary}: the fields of the message differ from its type")
    return out


def digest_of(signable):
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def recovered(digest, signature):
    r, s, v = (int.from_bytes(x, "big") for x in (signature[:32], signature[32:64], signature[64:]))
    sig = keys.Signature(vrs=(v - 27 if v >= 27 else v, r, s))
    return sig.recover_public_key_from_msg_hash(digest).to_checksum_address()


def check_struct(entry, signer):
    data = entry["typedData"]
    types, primary = data["types"], data["primaryType"]
    string = type_string(types, primary)
    same("typeString", string, entry["typeString"])
    same("typeHash", keccak(string.encode()), entry["typeHash"])
    message = numbers(types, primary, data["message"])
    encoded = encode_typed_data(full_message={**data, "message": message})
    same("domainSeparator", encoded.header, entry["domainSeparator"])
    same("structHash", encoded.body, entry["structHash"])
    same("digest", digest_of(encoded), entry["digest"])
    signed = Account.sign_message(encoded, signer["secret"])
    same("signature", bytes(signed.signature), entry["signature"])
    same("signer", recovered(raw(entry["digest"]), raw(entry["signature"])), signer["address"])
    print(f"ok  {primary} in {data['domain']['name']}")


def check_hashes(hashes):
    a = hashes["asset"]
    kinds = ["uint256", "uint8", "address", "uint256"]
    values = [a["chainId"], a["assetType"], a["token"], int(a["tokenId"])]
    same("asset", keccak(encode(kinds, values)), a["hash"])

    c = hashes["condition"]
    kinds = ["uint256", "bytes32", "uint256", "address", "bytes32"]
    data = keccak(raw(c["executionData"]))
    values = [c["targetChainId"], raw(c["targetAssetHash"]), int(c["targetAmount"]), c["recipient"]]
    same("condition", keccak(encode(kinds, values + [data])), c["hash"])

    leg_type = keccak(
        b"LockedAsset(uint256 chainId,uint8 assetType,address token,uint256 tokenId,uint256 amount)"
    )
    kinds = ["bytes32", "uint256", "uint8", "address", "uint256", "uint256"]
    leg = lambda l: keccak(
        encode(
            kinds,
            [leg_type, l["chainId"], l["assetType"], l["token"], int(l["tokenId"]), int(l["amount"])],
        )
    )
    same("assets", keccak(b"".join(map(leg, hashes["assets"]["legs"]))), hashes["assets"]["hash"])

    l = hashes["lockId"]
    tag = keccak(
        b"MortiseLockId(bytes32 engineId,address owner,address beneficiary,address arbiter,"
        b"uint256 nonce,uint64 expires,bytes32 condition,bytes32 assets)"
    )
    kinds = ["bytes32", "bytes32", "address", "address", "address", "uint256", "uint64"]
    values = [tag, raw(l["engineId"]), l["owner"], l["beneficiary"], l["arbiter"], int(l["nonce"])]
    values += [l["expires"], raw(l["condition"]), raw(l["assets"])]
    same("lockId", keccak(encode(kinds + ["bytes32", "bytes32"], values)), l["hash"])

    b = hashes["batch"]
    same("batch", keccak(b"".join(map(raw, b["lockIds"]))), b["hash"])
    s = hashes["scope"]
    same("scope", keccak(s["text"].encode()), s["hash"])
    m = hashes["amounts"]
    same("amounts", keccak(encode(["uint256"] * 2, list(map(int, m["amounts"])))), m["hash"])
    print("ok  named hashes")


def check_cancels(cancels, signer):
    text = cancels["text"]
    same("text", f"Cancel lock: {text['lockId']}", text["text"])
    message = encode_defunct(text=text["text"])
    same("text digest", digest_of(message), text["digest"])
    signed = Account.sign_message(message, signer["secret"])
    same("text signature", bytes(signed.signature), text["signature"])
    server = cancels["serverHash"]
    digest = keccak(encode(["bytes32", "string"], [raw(server["lockId"]), "CANCEL"]))
    same("server hash", digest, server["digest"])
    same("signer", recovered(digest, raw(server["signature"])), signer["address"])
    print("ok  plain cancels")


def check_refused(entry, signer):
    """Finds the fault of a signature independently."""
    digest, signature = raw(entry["digest"]), raw(entry["signature"])
    s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (0, 1, 27, 28):
        found = "RecoveryId"
    elif signature[:32] == ZERO or signature[32:64] == b"\xff" * 32:
        found = "Scalar"
    elif s > HALF_ORDER:
        found = "HighS"
    else:
        address = recovered(digest, signature)
        found = "AnotherKey" if address != to_checksum_address(signer["address"]) else "none"
    same("refused", found, entry["error"])
    print(f"ok  refused: {found}")


def main():
    file = json.loads(FILE.read_text())
    signer = file["signer"]
    same("address", Account.from_key(signer["secret"]).address, signer["address"])
    for entry in file["structs"]:
        check_struct(entry, signer)
    check_hashes(file["hashes"])
    check_cancels(file["cancel"], signer)
    for entry in file["refused"]:
        check_refused(entry, signer)
    print(f"{checked} values agree")


if __name__ == "__main__":
    main()
