"""Records of a stopped store, as specs/store-protocol.md section 6 has them."""

import struct

BLOCK, HEAD = 512, struct.Struct("<4sIQQ")


def records(folder):
    """Yields (segment file, position, bytes, seq) of each record."""
    for path in sorted((folder / "store" / "log").glob("*.seg")):
        content = path.read_bytes()
        at = BLOCK
        while at + HEAD.size <= len(content):
            magic, length, seq, _ = HEAD.unpack_from(content, at)
            if magic != b"MRTF":
                break
            yield path, at, HEAD.size + length, seq
            at += -(-(HEAD.size + length) // BLOCK) * BLOCK


def zero(folder, seq):
    """Overwrites the record of a frame with zeros."""
    for path, at, length, found in records(folder):
        if found == seq:
            with path.open("r+b") as file:
                file.seek(at)
                file.write(bytes(length))
            return
    raise ValueError(f"no record of frame {seq}")
