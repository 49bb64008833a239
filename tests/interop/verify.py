#!/usr/bin/env python3
"""Runs the second verifier (tests/interop/verifier) on the vectors and on answers of an engine.

    tests/interop/run.sh                                  makes the environment and runs everything
    python tests/interop/verify.py                        the vectors of specs/vectors
    python tests/interop/verify.py --live FILE            lines of JSON: {"check": a file of the
                                                          vectors, "input": an input of it}

For vectors the verdict must have the name in the file. For answers of an engine it must be
"proven", and after one changed byte it must not be. Prints counts; exits with 1 at the first
difference.
"""

import argparse
import collections
import copy
import json
import pathlib
import sys
import time

from verifier import Refused, commitments, statements
from verifier.checks import BY_FILE

VECTORS = pathlib.Path(__file__).parents[2] / "specs" / "vectors"
PROVEN = "proven"
# The places that are changed in an engine's answer, by check, written as in the vectors.
CHANGED = {
    "receipts": [
        "/receipt/event", "/receipt/salt", "/receipt/statement/stateRoot", "/receipt/leaf",
        "/receipt/statementSignature", "/receipt/statement/time", "/receipt/index", "/head/root",
        "/engine/address", "/receipt/historyPath/0",
    ],
    "commitments": [
        "/commitment/lockId", "/commitment/claimBy", "/commitment/eventRoot",
        "/commitment/ccmAttestation/signature", "/engine/address", "/expected/terms/owner",
    ],
    "state-proofs": [
        "/proof/siblings/0", "/proof/statement/stateRoot", "/proof/statementSignature",
        "/proof/position", "/engine/engineId",
    ],
    "history": ["/path/0", "/later/root", "/earlier/root"],
    "checkpoints": ["/origin", "/note"],
    "tlog-proofs": ["/leaf", "/proof"],
}


def verdict(check, value):
    try:
        return PROVEN, BY_FILE[check](value)
    except Refused as refused:
        return refused.args[0], None


def steps(place):
    return [int(step) if step.isdigit() else step for step in place.split("/")[1:]]


def at(value, place):
    for step in steps(place):
        value = value[step]
    return value


def changed(base, places):
    value = copy.deepcopy(base)
    for place, new in places.items():
        *way, last = steps(place)
        target = value
        for step in way:
            target = target[step]
        target[last] = new
    return value


def vectors():
    for check in BY_FILE:
        file = json.loads((VECTORS / f"{check}.json").read_text())
        names = collections.Counter()
        for case in file["cases"]:
            value = changed(file["bases"][case["base"]], case["set"])
            found, what = verdict(check, value)
            if found != case["verdict"]:
                sys.exit(f"{check}: {case['name']}: found {found}, the file says {case['verdict']}")
            if check == "fork" and found == PROVEN and what[0] != case["base"]:
                sys.exit(f"fork: {case['name']}: found the rule {what[0]}")
            names[found] += 1
        good, refusals = names.pop(PROVEN), len(names)
        bad = sum(names.values())
        print(f"{check + '.json':18} {good:3} proven, {bad:3} refused by {refusals:2} names: as stated")


def another(value):
    """Returns the value with one change."""
    if isinstance(value, int):
        return value + 1
    last = len(value) - 2
    return value[:last] + ("0" if value[last] != "0" else "1") + value[last + 1 :]


def live(path):
    counts, changes, begun = collections.Counter(), 0, time.monotonic()
    with open(path) as lines:
        for number, line in enumerate(lines):
            entry = json.loads(line)
            check, value = entry["check"], entry["input"]
            found, what = verdict(check, value)
            if found != PROVEN:
                sys.exit(f"line {number + 1}: {check}: {found}")
            counts[check] += 1
            if "receipt" in entry:
                receipt = statements.read_receipt(entry["receipt"])
                if not commitments.is_in(what[1], receipt):
                    sys.exit(f"line {number + 1}: the receipt is of another event")
            places = CHANGED[check]
            place = places[number % len(places)]
            try:
                bad = changed(value, {place: another(at(value, place))})
            except (IndexError, KeyError):
                continue  # an empty path, or a proof of the other kind
            if verdict(check, bad)[0] == PROVEN:
                sys.exit(f"line {number + 1}: {check}: proven with a changed {place}")
            changes += 1
    for check, count in sorted(counts.items()):
        print(f"live {check:13} {count:5} proven")
    seconds = time.monotonic() - begun
    print(f"live {'changed':13} {changes:5} refused; {seconds:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--live", metavar="FILE", help="check answers of an engine too")
    args = parser.parse_args()
    vectors()
    if args.live:
        live(args.live)


if __name__ == "__main__":
    main()
