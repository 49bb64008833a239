"""Signed notes, checkpoints, cosignatures, tlog-proofs (specs/history.md)."""

import base64
import binascii
import re

from . import form, need
from .crypto import is_ed25519, sha256
from .trees import verify_inclusion

NOTE_BYTES_MAX = 65_536
SIGNATURES_MAX = 64
PROOF_BYTES_MAX = 98_304
PATH_HASHES_MAX = 64
NUMBER = re.compile(r"0|[1-9][0-9]*", re.ASCII)
DASH = "\u2014 "
LOG, WITNESS = 1, 4


def base64_of(text):
    """Decodes canonical base64; None for any other text."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return found if base64.b64encode(found).decode() == text else None


def hash_of(text):
    found = base64_of(text)
    return found if found is not None and len(found) == 32 else None


def number_of(text):
    return int(text) if NUMBER.fullmatch(text) and int(text) < 1 << 64 else None


def is_name(name):
    bad = any(c.isspace() or c == "+" or ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in name)
    return name != "" and not bad


def key_id(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def read_key(kind, value):
    """Parses `name+hex id+base64(type | key)`."""
    text = form.text(value)
    need(len(text.encode()) <= NOTE_BYTES_MAX, "TooLarge")
    parts = text.split("+", 2)
    need(len(parts) == 3, "KeyText")
    name, hex_id, encoded = parts
    data = base64_of(encoded)
    need(data is not None and len(data) == 33, "KeyText")
    need(is_name(name), "KeyName")
    need(data[0] == kind, "KeyType")
    found = key_id(name, kind, data[1:])
    need(found.hex() == hex_id, "KeyId")
    return {"name": name, "id": found, "key": data[1:]}


def read_note(data):
    """Splits a note into (text, [(name, id, signature)])."""
    need(len(data) <= NOTE_BYTES_MAX, "TooLarge")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        need(False, "Utf8")
    need(not any(byte < 0x20 and byte != 0x0A for byte in data), "ControlCharacter")
    need(note.endswith("\n"), "NoFinalNewline")
    at = note.rfind("\n\n")
    need(at >= 0, "NoEmptyLine")
    text, lines = note[: at + 1], note[at + 2 :].split("\n")[:-1]
    need(text != "\n", "EmptyText")
    need(lines, "NoSignature")
    need(len(lines) <= SIGNATURES_MAX, "TooManySignatures")
    return text, [read_line(line) for line in lines]


def read_line(line):
    need(line.startswith(DASH), "SignatureLine")
    name, space, encoded = line[len(DASH) :].partition(" ")
    data = base64_of(encoded)
    need(space and data is not None and len(data) > 4 and is_name(name), "SignatureLine")
    return name, data[:4], data[4:]


def read_checkpoint(text):
    lines = text.split("\n")[:-1]
    need(len(lines) >= 3 and all(lines), "Lines")
    size, root = number_of(lines[1]), hash_of(lines[2])
    need(size is not None, "Size")
    need(root is not None, "Root")
    return lines[0], {"size": size, "root": root}


def line_of(signatures, key):
    """Returns the single signature of a key, by name and id."""
    found = [bytes_ for name, id_, bytes_ in signatures if (name, id_) == (key["name"], key["id"])]
    need(len(found) <= 1, "SignatureTwice")
    return found[0] if found else None


def is_cosigned(key, text, data):
    if len(data) != 72:
        return False
    time = int.from_bytes(data[:8], "big")
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    return time < 1 << 63 and is_ed25519(key["key"], message, data[8:])


def verify_note(data, origin, log, witnesses, quorum):
    """Verifies a note and returns its head. `witnesses` None checks only the log's signature."""
    text, signatures = read_note(data)
    named, head = read_checkpoint(text)
    need(named == origin, "Origin")
    signature = line_of(signatures, log)
    need(signature is not None, "LogSignatureMissing")
    need(is_ed25519(log["key"], text.encode(), signature), "LogSignature")
    if witnesses is None:
        return head
    good = 0
    for witness in witnesses:
        found = line_of(signatures, witness)
        if found is not None:
            need(is_cosigned(witness, text, found), "Cosignature")
            good += 1
    need(good >= quorum, "Quorum")
    return head


def read_proof(data):
    """Parses a tlog-proof into (index, path, note)."""
    need(len(data) <= PROOF_BYTES_MAX, "TooLarge")
    try:
        rest = data.decode("utf-8")
    except UnicodeDecodeError:
        need(False, "Utf8")
    line, newline, rest = rest.partition("\n")
    need(newline and line == "c2sp.org/tlog-proof@v1", "Header")
    line, newline, after = rest.partition("\n")
    if newline and line.startswith("extra "):
        need(base64_of(line[len("extra ") :]) is not None, "Extra")
        rest = after
    line, newline, rest = rest.partition("\n")
    need(newline and line.startswith("index "), "Index")
    index = number_of(line[len("index ") :])
    need(index is not None, "Index")
    path = []
    while True:
        line, newline, rest = rest.partition("\n")
        need(newline, "NoCheckpoint")
        if line == "":
            return index, path, rest.encode()
        need(len(path) < PATH_HASHES_MAX, "PathTooLong")
        found = hash_of(line)
        need(found is not None, "Hash")
        path.append(found)


def verify_proof(data, leaf, origin, log, witnesses, quorum):
    index, path, note = read_proof(data)
    head = verify_note(note, origin, log, witnesses, quorum)
    verify_inclusion(head, index, leaf, path)
