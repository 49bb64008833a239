#!/usr/bin/env python3
"""Verifies attestation documents with independent libraries: cbor2 and cryptography.

    venv=$(mktemp -d) && python3 -m venv "$venv" && "$venv/bin/pip" install cbor2 cryptography
    "$venv/bin/python" tests/interop/attestation.py [FOLDER [ROOT]]

FOLDER holds INDEX.json, the documents that it names and aws_nitro_root_g1.pem. The default is the
folder attestation in MORTISE_VECTORS, or in shared/vectors beside the repository. ROOT is the
certificate of another root, of a software module, to trust instead of the AWS root. The script
checks each document against the rules of specs/attestation.md at the document's own time, compares
its contents with the index, and then checks that changed documents are refused. Prints one line per
document; exits with 1 at the first difference.
"""

import datetime
import hashlib
import io
import json
import os
import pathlib
import sys

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

BESIDE = pathlib.Path(__file__).parents[3] / "shared" / "vectors"
ROOT_G1 = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
MANDATORY = {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}
OPTIONAL = {"public_key", "user_data", "nonce"}


class Refused(Exception):
    """A document was refused."""


# The errors of the libraries for malformed bytes.
REFUSALS = (
    Refused,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    OverflowError,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    cbor2.CBORDecodeError,
)


def need(fact, what):
    if not fact:
        raise Refused(what)


def load(data):
    """Decodes one CBOR value; no bytes may follow."""
    stream = io.BytesIO(data)
    value = cbor2.CBORDecoder(stream).decode()
    need(stream.tell() == len(data), "bytes follow")
    return value


def envelope(document):
    value = load(document)
    if isinstance(value, cbor2.CBORTag):
        need(value.tag == 18, "tag")
        value = value.value
    need(isinstance(value, (list, tuple)) and len(value) == 4, "four elements")
    protected, unprotected, payload, signature = value
    need(load(protected) == {1: -35}, "algorithm")
    need(unprotected == {}, "unprotected header")
    need(len(signature) == 96, "signature length")
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    return signed, payload, signature


def fields(payload):
    found = load(payload)
    need(MANDATORY <= found.keys() <= MANDATORY | OPTIONAL, "fields")
    need(found["digest"] == "SHA384" and found["timestamp"] > 0 and found["module_id"], "values")
    pcrs = found["pcrs"]
    need(1 <= len(pcrs) <= 32 and all(i in range(32) for i in pcrs), "registers")
    need(all(len(value) == 48 for value in pcrs.values()), "registers")
    need(len(found["cabundle"]) == 4, "bundle")
    return found


def authority(cert, below):
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    length = constraints.path_length
    need(constraints.ca and (length is None or length >= below), "authority")
    need(usage.key_cert_sign, "key usage")


def chain(found, root):
    bundle = found["cabundle"] + [found["certificate"]]
    need(hashlib.sha256(bundle[0]).hexdigest() == root, "root")
    certs = [x509.load_der_x509_certificate(der) for der in bundle]
    time = datetime.datetime.fromtimestamp(found["timestamp"] // 1000, datetime.timezone.utc)
    for cert in certs:
        need(cert.version == x509.Version.v3, "version")
        need(cert.signature_hash_algorithm.name == "sha384", "certificate algorithm")
        need(isinstance(cert.public_key(), ec.EllipticCurvePublicKey), "key")
        need(cert.public_key().curve.name == "secp384r1", "curve")
        need(cert.not_valid_before_utc <= time <= cert.not_valid_after_utc, "validity")
    for i, cert in enumerate(certs[:-1]):
        authority(cert, 3 - i)
    leaf = certs[-1]
    need(not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, "leaf")
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    need(usage.digital_signature and not usage.key_cert_sign, "leaf usage")
    for above, below in zip(certs, certs[1:]):
        below.verify_directly_issued_by(above)
    return leaf


def verify(document, root):
    """Returns the contents of the document, in debug mode or not."""
    signed, payload, signature = envelope(document)
    found = fields(payload)
    leaf = chain(found, root)
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    leaf.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA384()))
    return found


def compare(found, entry):
    shown = {str(i): pcr.hex() for i, pcr in found["pcrs"].items() if any(pcr)}
    debug = all(not any(found["pcrs"].get(i, b"")) for i in range(3))
    length = lambda field: None if found.get(field) is None else f"{len(found[field])} bytes"
    pairs = [
        (shown, entry["pcrs_nonzero"]),
        (debug, entry["debug_zero_pcr012"]),
        (found["timestamp"], entry["timestamp_ms"]),
        (found["module_id"], entry["module_id"]),
        (len(found["pcrs"]), entry["n_pcrs"]),
    ]
    pairs += [(length(field), entry[field]) for field in OPTIONAL]
    for ours, theirs in pairs:
        if ours != theirs:
            sys.exit(f"{entry['file']}: the document has {ours}, the index {theirs}")
    return debug


def refused(document, root):
    try:
        verify(document, root)
    except REFUSALS:
        return True
    return False


def main():
    default = pathlib.Path(os.environ.get("MORTISE_VECTORS", BESIDE)) / "attestation"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    named = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "aws_nitro_root_g1.pem"
    root = x509.load_pem_x509_certificate(named.read_bytes()).fingerprint(SHA256()).hex()
    if len(sys.argv) <= 2 and root != ROOT_G1:
        sys.exit("the root has another digest")
    for entry in json.loads((folder / "INDEX.json").read_text()):
        document = (folder / entry["file"]).read_bytes()
        debug = compare(verify(document, root), entry)
        changes = range(7, len(document), 97)
        for at in changes:
            changed = bytearray(document)
            changed[at] ^= 1
            if not refused(bytes(changed), root):
                sys.exit(f"{entry['file']}: a change of byte {at} is accepted")
        note = "debug mode, to be refused" if debug else "accepted"
        print(f"ok  {entry['file']}: {note}; {len(changes)} changes refused")


if __name__ == "__main__":
    main()
