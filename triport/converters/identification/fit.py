"""How a checkpoint's tensors meet a model's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from triport.converters.statements import Holds, Judgement
from triport.reference_models.spec import Dialect, ModelSpec


class Fit(NamedTuple):
    """How a checkpoint's tensors meet a model's names in one dialect.

    `names` maps canonical names to the file's. `problems` is empty for an exact fit; those of
    `other_floats` are tensors whose name and shape fit, but whose values are of another float type.
    `missing` and `extra` are the names of those problems that are of a whole tensor. `prefix` is what was
    taken off the names, where only a part of the file fits; `headless` that the last layer is left out, and
    then `num_classes` is 0; `notes` says such things in words. `judgements` are what the file says of
    itself, held against the model; `assumed` is what nothing in the file says and was taken for granted.
    """

    spec: ModelSpec
    dialect: Dialect
    num_classes: int
    names: Mapping[str, str]
    dropped: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    other_floats: tuple[str, ...]
    matched: int
    total: int
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    prefix: str = ""
    headless: bool = False
    notes: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def contradictions(self) -> list[Judgement]:
        """What the file says of itself and is not so, if it is of this model."""
        return [one for one in self.judgements if one.holds is Holds.NO]

    @property
    def exact(self) -> bool:
        """Whether every name is there with the right shape and dtype, and nothing else."""
        return not self.problems and not self.other_floats
