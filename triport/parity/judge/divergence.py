"""The first of many values at which a candidate parts from the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Divergence(Generic[Value]):
    """The first value that is out, and the last before it that is right; None where it is the first of all.

    `inside`: what the value was made of is right, so that the fault is in what makes it. Otherwise that is
    wrong while every value before is right: the fault is in what is computed between the two. None where
    it is not known what it was made of.
    """

    at: Value
    after: Value | None
    inside: bool | None = None


def first_divergence(
    values: Iterable[Value],
    is_right: Callable[[Value], bool],
    is_given_right: Callable[[Value], bool | None] = lambda value: None,
) -> Divergence[Value] | None:
    """Return the first value that is out, or that is made of something that is out; None where none is.

    Args:
        values: in the order in which they are computed.
        is_right: whether a value is within its tolerance.
        is_given_right: whether what it was made of is; None where that is not known.
    """
    before = None
    for value in values:
        given = is_given_right(value)
        if given is False:
            return Divergence(value, before, False)
        if not is_right(value):
            return Divergence(value, before, given)
        before = value
    return None
