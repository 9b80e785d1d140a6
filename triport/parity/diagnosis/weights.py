"""Which weights differ, and how they became so."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from triport.converters.comparison import Difference, SideBySide
from triport.converters.finite import count_not_finite
from triport.converters.formats import FLOATS, Tensor, same_payload
from triport.converters.names import head_weight
from triport.parity.localise.weights import sentence
from triport.reference_models.errors import TriportError, counted

from .patterns import NEVER_LOADED, Pattern, pattern_of
from .sides import Sides

_STATISTICS = ("running_mean", "running_var")
# a head is as wide as this many tensors' worth of lines in a table
_LISTED = 8
_PLURALS = (("was ", "were "), ("is ", "are "), ("has its ", "have their "), ("has ", "have "))


class SpoiledError(TriportError):
    """Both files hold the same NaN or Inf."""


class ChangedTensor(NamedTuple):
    """A tensor that differs, and the pattern in which it does, where one is recognised."""

    difference: Difference
    pattern: Pattern | None

    @property
    def aspect(self) -> str:
        """The thing that it belongs to."""
        return self.pattern.aspect if self.pattern else "weights"

    def __str__(self) -> str:
        name = self.difference.name
        return f"{name} {self.pattern.words}" if self.pattern else sentence(self.difference)


def changed_weights(sides: Sides, differences: tuple[Difference, ...]) -> list[ChangedTensor]:
    """Return each tensor that differs with how it does; one tensor is in memory at a time, twice."""
    mine, theirs = sides.tensors.mine, sides.tensors.theirs
    weight = head_weight(sides.fits[0].spec)
    head = (weight, f"{weight.removesuffix('weight')}bias")
    found = []
    for one in differences:
        pattern = None
        if one.kind in ("value", "dtype"):
            pattern = pattern_of(_values(mine[one.name]), _values(theirs[one.name]), head=one.name in head)
        found.append(ChangedTensor(one, pattern))
    return _with_other_tensors(found, sides)


def _with_other_tensors(changed: list[ChangedTensor], sides: Sides) -> list[ChangedTensor]:
    """Say of what was not recognised where it is another tensor of the first file, as gamma is beta."""
    unknown = [one.difference.name for one in changed if not one.pattern and one.difference.kind == "value"]
    mine, theirs = sides.tensors.mine, sides.tensors.theirs
    places = {_identity(mine[name]): name for name in unknown}
    found = {name: places.get(_identity(theirs[name])) for name in unknown}
    return [
        one._replace(pattern=Pattern("weights", f"has the values that {other} has in the first file"))
        if (other := found.get(one.difference.name))
        else one
        for one in changed
    ]


def _identity(tensor: Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(tensor.shape), hashlib.sha256(_values(tensor).tobytes()).digest()


def spoiled_sentence(tensors: SideBySide) -> str:
    """Say which values of the second file are NaN or Inf, and spoil what it computes; "" where none are.

    Raises:
        SpoiledError: the first file has the same values there, so that they are no difference.
    """
    spoiled = {
        name: count_not_finite(tensor)
        for name, tensor in tensors.theirs.items()
        if tensor.dtype in FLOATS and name in tensors.mine
    }
    names = [name for name, count in spoiled.items() if count]
    if not names:
        return ""
    own = [name for name in names if not same_payload(tensors.mine[name], tensors.theirs[name])]
    if not own:
        raise SpoiledError(
            f"{tensors.left.path} and {tensors.right.path}: both have the same NaN or Inf, first in "
            f"{names[0]}, so that what they compute cannot be compared. `inspect A B` says what differs"
        )
    first = own[0]
    return (
        f"NaN or Inf stand in {len(names)} of {len(spoiled)} tensors of the second file, first in {first}: "
        f"{spoiled[first]} of {counted(tensors.theirs[first].count, 'value')}, and "
        f"{count_not_finite(tensors.mine[first]) or 'none'} in the first file"
    )


def _values(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy())


def sentence_of(changed: list[ChangedTensor], compared: int, differing: int) -> str:
    """Say in one sentence how many tensors differ, and how: each pattern once, with the first name.

    Args:
        changed: the tensors of one aspect.
        compared: how many tensors both files have.
        differing: how many of them differ, those of other aspects counted too.
    """
    words = Counter(one.pattern.words for one in changed if one.pattern)
    if len(words) == 1 and words.total() == compared > 1:
        return f"all {compared} tensors {_agreeing(next(iter(words)), compared)}"
    parts = []
    for what, count in words.most_common(3):
        first = next(one.difference.name for one in changed if one.pattern and one.pattern.words == what)
        parts.append(f"{first}{f' and {count - 1} more' if count > 1 else ''} {_agreeing(what, count)}")
    rest = [one for one in changed if one.pattern is None]
    if rest and all(one.difference.name.endswith(_STATISTICS) for one in rest):
        alone = " and no other weight does" if len(rest) == differing else ""
        parts.append(f"BatchNorm's running statistics differ in {counted(len(rest), 'tensor')}{alone}")
    elif rest:
        largest = max(rest, key=lambda one: one.difference.max_abs or 0.0)
        parts.append(f"{'among them ' if len(rest) > 1 else ''}{sentence(largest.difference)}")
    if len(changed) < differing:
        return f"{len(changed)} of the {differing} tensors that differ: {'; '.join(parts)}"
    differ = "differs" if len(changed) == 1 else "differ"
    return f"{len(changed)} of {compared} tensors {differ}: {'; '.join(parts)}"


def _agreeing(words: str, count: int) -> str:
    """Return a pattern's words after one name or several."""
    if count == 1:
        return words
    for singular, plural in _PLURALS:
        if words.startswith(singular):
            words = plural + words.removeprefix(singular)
    return words.replace(NEVER_LOADED, "they may have their initial values, or were never loaded")


def lines(changed: list[ChangedTensor]) -> tuple[str, ...]:
    """Return a line for each tensor, up to a limit."""
    shown = [str(one) for one in changed[:_LISTED]]
    return (*shown, *([f"... and {len(changed) - _LISTED} more"] if len(changed) > _LISTED else []))
