"""A second verifier, written only from the pages under specs/; it uses none of our code.

Each module covers a page or a part of one; `checks` has one function per file of specs/vectors. A
failed check raises Refused with its name in the specification.
"""


class Refused(Exception):
    """A check failed; the first argument is its name."""


def need(fact, name):
    """Raises Refused with this name unless the fact holds."""
    if not fact:
        raise Refused(name)
