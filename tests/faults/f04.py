"""F4: a key policy that also admits another image.

"No one but the attested images", although its second PCR0 is none of the given measurements.
"""

import copy
import json

from cli import mortise, save
from system import Fault, run

OURS, OTHER = "ab" * 48, "cd" * 48
PCR0 = "kms:RecipientAttestation:ImageSha384"


def measurements(system):
    """A measurements.json of our image."""
    digest = "11" * 32
    file = {"name": "x", "digest": digest, "bytes": 1}
    kernel = {"version": "6", "isDebian": True, "digest": digest, "bytes": 1}
    inputs = {"binary": file, "config": file, "genesis": file, "kernel": kernel, "cmdline": "",
              "modules": []}
    registers = {"HashAlgorithm": "Sha384 { ... }", "PCR0": OURS, "PCR1": OURS, "PCR2": OURS}
    return save(system, "measurements.json", {
        "Measurements": registers, "name": "x", "version": "1", "digest": digest, "bytes": 1,
        "isDevelopment": False, "inputs": inputs,
    })


def policy_of(*pcr0):
    flags = [word for value in pcr0 for word in ("--pcr0", value)]
    ask = "key-policy", "aws", "--account", "111122223333", "--role", "engine", *flags
    return json.loads(mortise(*ask).passed("a key policy").out)


def second_allow():
    """A second Allow with another PCR0, and no Deny that takes it back."""
    policy = policy_of(OURS)
    allow = next(it for it in policy["Statement"] if PCR0 in json.dumps(it.get("Condition", {}))
                 and it["Effect"] == "Allow")
    another = json.loads(json.dumps(copy.deepcopy(allow)).replace(OURS, OTHER))
    another["Sid"] = "Another"
    policy["Statement"] = [it for it in policy["Statement"] if it["Sid"] != "NothingElseUnwraps"]
    policy["Statement"].append(another)
    return policy


def f04(system):
    ours = measurements(system)

    def lint(policy, *more):
        return mortise("key-policy", "lint", save(system, "policy.json", policy),
                       "--measurements", ours, *more)

    lint(policy_of(OURS)).passed("a policy of our image alone")
    lists = policy_of(OURS, OTHER)
    cases = {"a second PCR0 in both lists": lists, "a second Allow": second_allow()}
    for what, policy in cases.items():
        ran = lint(policy)
        ran.refused(f"{what}, another than the given measurements")
        if OTHER not in ran.said or "critical" not in ran.said:
            raise Fault(f"{what}: the other image is not named as critical: {ran.first}")
    return "a second PCR0 in the lists, and a second Allow, are critical, and the image is named"


if __name__ == "__main__":
    run("F4", f04)
