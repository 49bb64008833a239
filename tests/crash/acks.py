#!/usr/bin/env python3
"""Checks in the output of strace that the host sent each ack of a frame after it synced the frame.

A frame is written as a record of a segment file: `MRTF | u32 length | u64 seq | ...`. One write
may hold several records, up to the first record of the next write. An ack is a message of the store
protocol on the socket `store.sock`: `u32 length | u64 number | u32 kind | u64 seq | digest`.
The rule: between the end of the write of a frame and the start of the send of its ack, an
fdatasync of the same file began and returned 0.
"""

import re
import struct
import sys
from bisect import bisect_right

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
TIMED = re.compile(r"^(.*) = (-?\d+)[^<]*<(\d+\.\d+)>$")
CALL = re.compile(r"^(pwrite64|fdatasync|sendto)\(\d+<(.*?)>[,)]")
ACKED = 1
ACK_BYTES = 4 + 8 + 32


def calls(path):
    """Yields (name, fd, text, start, end) of each successful call; joins resumed calls."""
    open_calls = {}
    for line in open(path, errors="replace"):
        found = LINE.match(line.rstrip("\n"))
        if not found:
            continue
        pid, at, text = found[1], float(found[2]), found[3]
        if text.endswith("<unfinished ...>"):
            open_calls[pid] = (at, text[: -len("<unfinished ...>")].rstrip())
            continue
        if text.startswith("<... "):
            if pid not in open_calls:
                continue
            at, begun = open_calls.pop(pid)
            text = begun + text.split("resumed>", 1)[1]
        timed, call = TIMED.match(text), CALL.match(text)
        if timed and call and int(timed[2]) >= 0:
            yield call[1], call[2], text, at, at + float(timed[3])


def content(text):
    """Returns the bytes of the call's first string, as far as strace printed them."""
    string = re.search(r', "((?:[^"\\]|\\.)*)"', text)
    if not string:
        return b""
    if string[1].startswith("\\x"):
        return bytes.fromhex(string[1].replace("\\x", ""))
    return string[1].encode()


def acks(sent):
    """Yields the seqs of the acks in the bytes of one send."""
    at = 0
    while at + 16 <= len(sent):
        length, _, kind = struct.unpack_from("<IQI", sent, at)
        if kind == ACKED and length == ACK_BYTES and at + 24 <= len(sent):
            yield struct.unpack_from("<Q", sent, at + 16)[0]
        at += 12 + length


def main():
    writes, syncs, sent = [], [], []
    for name, fd, text, start, end in calls(sys.argv[1]):
        if name == "pwrite64" and ".seg" in fd:
            record = content(text)
            if record[:4] == b"MRTF":
                writes.append((struct.unpack_from("<Q", record, 8)[0], fd, end))
        elif name == "fdatasync" and ".seg" in fd:
            syncs.append((fd, start, end))
        elif name == "sendto" and "store.sock" in fd:
            sent += [(seq, start) for seq in acks(content(text))]
    writes.sort()
    firsts = [seq for seq, _, _ in writes]
    early = []
    for seq, ack_start in sent:
        at = bisect_right(firsts, seq) - 1
        _, written_to, written = writes[at] if at >= 0 else (0, "", float("inf"))
        is_synced = any(
            fd == written_to and written <= start and end <= ack_start for fd, start, end in syncs
        )
        if not is_synced:
            early.append(seq)
    first, last = min(sent, default=(0, 0))[0], max(sent, default=(0, 0))[0]
    print(f"writes of frames        {len(writes)}")
    print(f"fdatasync of segments   {len(syncs)}")
    print(f"acks sent               {len(sent)}, of frames {first} to {last}")
    print(f"acks after their sync   {len(sent) - len(early)}")
    print(f"acks before their sync  {len(early)}")
    if early or not sent:
        print("frames acknowledged too early:", early[:10], file=sys.stderr)
        sys.exit(1)


main()
