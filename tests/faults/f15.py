"""F15: a list of no commitments, one promise twice, and a changed commitment beside a list.

All were PROVEN: a loop over nothing.
"""

from cli import pins, save, verify
from system import Fault, run
from wallet import Owner


def f15(system):
    system.start()
    answer = system.call("commitLock", **Owner(system).commit())
    one, receipt = (answer["result"][name] for name in ("commitment", "receipt"))
    changed = {**one, "legs": [{**one["legs"][0], "amount": "999999"}]}
    terms = save(system, "terms.json", {**one, "fulfillmentCondition": {}})

    def check(name, value, *more):
        return verify("commitment", save(system, name, value), *pins(system), *more)

    check("good.json", answer).passed("an honest answer", "PROVEN")
    for more in ([], ["--custody", "escrow"], ["--terms", terms]):
        for value in ({"commitments": []}, {"commitments": [], "receipt": receipt}):
            ran = check("empty.json", value, *more)
            ran.refused(f"no commitments {' '.join(map(str, more[:1]))}".strip())
    check("beside.json", {"commitments": [], "commitment": changed}).refused("none and a changed")
    check("beside.json", {"commitments": [one], "commitment": changed}).refused("one and a changed")
    check("changed.json", {"commitment": changed}).refused("a changed commitment")
    ran = verify("--json", "commitment", save(system, "two.json", {"commitments": [one, one]}),
                 *pins(system))
    shown = ran.passed("one promise twice").json()
    count = sum(claim["claim"] == "promise" for claim in shown.get("established", []))
    if count != 1:
        raise Fault(f"one promise twice counts as {count}")
    return "6 lists of nothing and 3 changed commitments are refused; a copy counts once"


if __name__ == "__main__":
    run("F15", f15)
