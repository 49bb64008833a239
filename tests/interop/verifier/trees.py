"""Event trees and the history (specs/history.md)."""

from . import need
from .crypto import context_key, keyed, sha256

EVENT_LEAF = context_key("mortise 2026 event tree leaf v1")
EVENT_NODE = context_key("mortise 2026 event tree node v1")


def verify_event(root, count, index, salt, event, path):
    need(index < count, "Index")
    sides, at, last = [], index, count - 1
    while last > 0:
        if at % 2 == 1 or at < last:
            sides.append(at % 2)
        at, last = at // 2, last // 2
    need(len(path) == len(sides), "PathLength")
    found = keyed(EVENT_LEAF, salt + event)
    for is_right, other in zip(sides, path):
        found = keyed(EVENT_NODE, other + found if is_right else found + other)
    need(found == root, "Root")


def node(left, right):
    return sha256(b"\x01" + left + right)


def split(index, size):
    """Returns (inner, border): numbers of path hashes below and on the right border of the tree."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, bin(index >> inner).count("1")


def verify_inclusion(head, index, leaf, path):
    size = head["size"]
    need(index < size, "IndexOutOfRange")
    inner, border = split(index, size)
    need(len(path) == inner + border, "PathLength")
    found = sha256(b"\x00" + leaf)
    for level, other in enumerate(path):
        is_right = level >= inner or index >> level & 1
        found = node(other, found) if is_right else node(found, other)
    need(found == head["root"], "RootMismatch")


def verify_consistency(earlier, later, path):
    need(later["size"] >= earlier["size"], "Shrunk")
    need(earlier["size"] > 0, "FromEmpty")
    size = earlier["size"]
    if size == later["size"]:
        need(not path, "PathLength")
        need(earlier["root"] == later["root"], "SameSizeOtherRoot")
        return
    height = (size & -size).bit_length() - 1
    inner, border = split(size - 1, later["size"])
    has_seed = size != 1 << height
    need(len(path) == inner - height + border + has_seed, "PathLength")
    seed = path[0] if has_seed else earlier["root"]
    path = path[1:] if has_seed else path
    bits, inner = (size - 1) >> height, inner - height
    before = after = seed
    for level, other in enumerate(path):
        if level >= inner or bits >> level & 1:
            before, after = node(other, before), node(other, after)
        else:
            after = node(after, other)
    need(before == earlier["root"], "EarlierRootMismatch")
    need(after == later["root"], "RootMismatch")
