#!/usr/bin/env python3
"""Verifies who drew the keys of an engine, with independent libraries (specs/attestation.md).

    python tests/interop/genesis.py FILE --root PEM --pcr0 HEX [--pcr0 HEX ...]

FILE is an exported log (mortise-host export), whose first frame has the genesis document, or an
answer of getBootAttestation or getAttestation as JSON, which names its engine in `binding`. The
script does not verify the rest of the answer or log. It checks the document at its own time under
the root, and prints one line:

    PROVEN{genesis}: ...        an enclave of an image of yours drew the keys; exit 0
    NOT PROVEN{genesis}: ...    with the name of the check that failed; exit 1

Needs blake3, cbor2 and cryptography.
"""

import argparse
import datetime
import json
import pathlib
import struct
import sys

from attestation import REFUSALS, Refused, need, verify
from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

GENESIS_DOCUMENT = "mortise 2026 genesis document v1"
CLEAR_BODY = "mortise 2026 frame clear body v1"
MAGIC = b"MRTEXPRT"
LEAF_BYTES, HEADER_BYTES = 297, 201
BOOT = 1
# The first rules whose first frame has room for the document.
RULES = 3


class Reader:
    """Reads from the front; Malformed when bytes are missing."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        part = self.data[self.at : self.at + count]
        need(len(part) == count, "Malformed")
        self.at += count
        return part

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def list(self):
        return self.take(self.number("Q"))

    def optional(self, count):
        present = self.number("B")
        need(present in (0, 1), "Malformed")
        return self.take(count) if present else None


def first_frame(data):
    """The first frame of an exported log."""
    reader = Reader(data)
    need(reader.take(8) == MAGIC and reader.number("H") == 1, "NotAnExport")
    for _ in range(reader.number("H")):
        reader.take(reader.number("B"))
        reader.take(reader.number("I"))
    length = reader.number("I")
    need(length > 0, "EmptyLog")
    return reader.take(length)


def of_frame(frame):
    """Engine id and genesis document of a first frame, whose clear body must have its digest."""
    need(len(frame) >= LEAF_BYTES, "Malformed")
    version, rules, kind = struct.unpack("<HHB", frame[:5])
    engine_id, (epoch, seq) = frame[5:37], struct.unpack("<QQ", frame[37:53])
    need((version, kind, epoch, seq) == (2, BOOT, 1, 0), "NotTheFirstFrame")
    (clear_bytes,) = struct.unpack("<I", frame[HEADER_BYTES - 8 : HEADER_BYTES - 4])
    clear = frame[LEAF_BYTES : LEAF_BYTES + clear_bytes]
    digest = blake3(clear, derive_key_context=CLEAR_BODY).digest()
    need(digest == frame[HEADER_BYTES : HEADER_BYTES + 32], "ClearDigest")
    reader = Reader(clear)
    need(reader.number("B") == 1, "BootRecord")
    reader.take(33), reader.optional(32), reader.optional(32)
    reader.list(), reader.take(32 + 32 + 32), reader.list()
    return engine_id, reader.list() if rules >= RULES else b""


def of_answer(answer):
    """Engine id and genesis document of an answer."""
    answer = answer.get("result", answer)
    binding, document = answer.get("binding"), answer.get("genesisDocument", "0x")
    need(isinstance(binding, dict), "Unattested")
    return bytes.fromhex(binding["engineId"][2:]), bytes.fromhex(document[2:])


def read(path):
    data = path.read_bytes()
    if data.startswith(MAGIC):
        return of_frame(first_frame(data))
    return of_answer(json.loads(data))


def check(document, engine_id, root, pcr0):
    """The contents of the genesis document of this engine; Refused with the name of a check."""
    need(document, "GenesisDocumentMissing")
    try:
        found = verify(document, root)
    except REFUSALS as error:
        raise Refused(f"GenesisDocument: {error}") from error
    pcrs = found["pcrs"]
    need(any(any(pcrs.get(index, b"")) for index in range(3)), "GenesisDocumentDebugMode")
    need(pcrs.get(0) in pcr0, "GenesisDocumentPcrNotApproved")
    need(found.get("nonce") is None, "GenesisDocumentNonce")
    need(found.get("public_key") is None, "GenesisDocumentPublicKey")
    need(not any(pcrs.get(16, b"")), "GenesisDocumentRegister")
    digest = blake3(engine_id, derive_key_context=GENESIS_DOCUMENT).digest()
    need(found.get("user_data") == digest, "GenesisDocumentKeys")
    return found


def main():
    parser = argparse.ArgumentParser(description="Verifies who drew the keys of an engine.")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--pcr0", action="append", required=True)
    args = parser.parse_args()
    root = x509.load_pem_x509_certificate(args.root.read_bytes()).fingerprint(SHA256()).hex()
    pcr0 = [bytes.fromhex(text.removeprefix("0x")) for text in args.pcr0]
    try:
        engine_id, document = read(args.file)
        found = check(document, engine_id, root, pcr0)
    except (Refused, ValueError, KeyError, TypeError, OSError) as error:
        print(f"NOT PROVEN{{genesis}}: {error}")
        sys.exit(1)
    time = datetime.datetime.fromtimestamp(found["timestamp"] / 1000, datetime.timezone.utc)
    image = found["pcrs"][0].hex()
    print(f"PROVEN{{genesis}}: engine 0x{engine_id.hex()}: drawn at {time}, inside image {image}")


if __name__ == "__main__":
    main()
