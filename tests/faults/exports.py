"""Exported logs as bytes, as specs/audit.md has them: parts, frames, end."""

import struct

from blake3 import blake3

HEAD, END = 12, 8 + 32 + 32
CONTEXT = "mortise 2026 log export v1"


def read(content):
    """Parts by name, the bytes of the frames, the number of frames, the digest of the last one."""
    parts, at = {}, HEAD
    for _ in range(struct.unpack_from("<H", content, HEAD - 2)[0]):
        name_end = at + 1 + content[at]
        begin = name_end + 4
        end = begin + struct.unpack_from("<I", content, name_end)[0]
        parts[content[at + 1 : name_end].decode()] = content[begin:end]
        at = end
    count = struct.unpack_from("<Q", content, len(content) - END)[0]
    last = content[len(content) - END + 8 :][:32]
    return parts, content[at : len(content) - END - 4], count, last


def write(parts, frames, count, last):
    """An export with a digest of its own."""
    head = b"MRTEXPRT" + struct.pack("<HH", 1, len(parts))
    for name, part in sorted(parts.items()):
        head += bytes([len(name)]) + name.encode() + struct.pack("<I", len(part)) + part
    end = struct.pack("<Q", count) + last
    digest = blake3(head + end, derive_key_context=CONTEXT).digest()
    return head + frames + bytes(4) + end + digest
