"""A second verifier, written from the pages under specs/ alone: no code of ours is used.

One module for each page or part of one; `checks` has one function for each file of specs/vectors.
A check that fails raises Refused with the name that the page gives it.
"""


class Refused(Exception):
    """A check failed; the first argument is its name."""


def need(fact, name):
    """Refuses by this name unless the fact holds."""
    if not fact:
        raise Refused(name)
