"""Hashes and signatures (specs/domains.md, specs/eip712.md)."""

import hashlib

from blake3 import blake3
from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import need

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def sha256(data):
    return hashlib.sha256(data).digest()


def keccak(data):
    return _keccak.new(digest_bits=256, data=data).digest()


def plain_blake3(data):
    return blake3(data).digest()


def context_key(context, data=b"key"):
    """BLAKE3 in derive_key mode under a context of specs/domains.md."""
    return blake3(data, derive_key_context=context).digest()


def keyed(key, data):
    return blake3(data, key=key).digest()


def recover(digest, signature):
    """Returns the address that signed a digest; Malformed if no key did."""
    r, s, v = signature[:32], signature[32:64], signature[64]
    v = v - 27 if v >= 27 else v
    need(v in (0, 1), "Malformed")
    need(0 < int.from_bytes(r, "big") < ORDER, "Malformed")
    need(0 < int.from_bytes(s, "big") <= HALF_ORDER, "Malformed")
    try:
        key = PublicKey.from_signature_and_message(r + s + bytes([v]), digest, hasher=None)
    except Exception:
        need(False, "Malformed")
    return keccak(key.format(compressed=False)[1:])[12:]


def is_ed25519(key, message, signature):
    if len(signature) != 64:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


# EIP-712: words of 32 bytes, big-endian.


def number(value):
    return value.to_bytes(32, "big")


def left(value):
    """Encodes an address as a word."""
    return bytes(12) + value


def struct(type_string, *words):
    return keccak(keccak(type_string.encode()) + b"".join(words))


def engine_digest(engine_id, struct_hash, name="Mortise"):
    """Returns the digest that is signed in a domain of an engine."""
    domain = struct(
        "EIP712Domain(string name,string version,bytes32 salt)",
        keccak(name.encode()),
        keccak(b"1"),
        engine_id,
    )
    return keccak(b"\x19\x01" + domain + struct_hash)


def need_signed(engine, struct_hash, signature, name="Mortise"):
    """Checks that the pinned engine signed a struct: Malformed, Signer."""
    digest = engine_digest(engine["id"], struct_hash, name)
    need(recover(digest, signature) == engine["address"], "Signer")
