"""Two networks of the user's own whose parameters have other names, or lie otherwise: by a NAMES.toml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats import Checkpoint
from triport.converters.formats.tensors import short
from triport.converters.naming.fitting import fit_names
from triport.converters.naming.pair_names import PairNames
from triport.converters.naming.reading import read_names
from triport.converters.naming.record import NamesFile
from triport.converters.naming.step import StepError
from triport.converters.networks.foreign import NetworkError, Parameters
from triport.reference_models.errors import counted, listed
from triport.reference_models.network import Arrays, Realisation


@dataclass(frozen=True, slots=True)
class PairFile:
    """A NAMES.toml that says how parameters of two networks belong together."""

    path: Path
    file: NamesFile

    def __str__(self) -> str:
        return f"by the names of {self.path}: {self.file.standing}"

    def moved(
        self, realisation: Realisation, a: Parameters, b: Parameters, words: tuple[str, str]
    ) -> Realisation:
        """Return the second network's realisation as one that takes the first's parameters.

        Args:
            realisation: of the second.
            a: the first network's parameters.
            b: the second's.
            words: what the two are called.

        Raises:
            NetworkError: the two are not the networks of the map.
        """
        names = self._between(a, b, words)
        _check_shapes(names, a, b, words)

        def values(parameters: Arrays) -> dict[str, np.ndarray]:
            there = names.forward({own: parameters[ours] for own, ours in a.names.items()})
            return {b.names[own]: array for own, array in there.items()}

        export = realisation.export

        def exported(parameters: Arrays, feed: Arrays) -> Any:
            assert export is not None
            return export(values(parameters), feed)

        return replace(realisation, values=values, export=None if export is None else exported)

    def _between(self, a: Parameters, b: Parameters, words: tuple[str, str]) -> PairNames:
        """Return the map from the first network to the second, whichever way the file has it."""
        rows = self.file.names.rows
        sides = {name for row in rows for name in row.a}, {name for row in rows for name in row.b}
        found = set(a.names), set(b.names)
        if not self.file.names.complete:
            raise NetworkError(f"{self.path}: {self.file.standing}")
        if found == (sides[0], sides[1]):
            return self.file.names
        if found == (sides[1], sides[0]):
            try:
                return self.file.names.inverse
            except StepError as error:
                raise NetworkError(
                    f"{self.path}: leads from {words[1]} to {words[0]} only: {error}. Name that one first"
                ) from None
        problems = [
            f"{short(name)}: only in {where}"
            for word, own, known in zip(words, found, _nearest(found, sides), strict=True)
            for where, names in ((word, own - known), ("the map", known - own))
            for name in sorted(names)
        ]
        raise NetworkError(
            f"{self.path}: is not the map of {words[0]} and {words[1]}\n{listed(problems)}\n"
            f"Make it of these two with `pair`"
        )

    def stored(self, checkpoint: Checkpoint, parameters: Parameters) -> dict[str, np.ndarray] | None:
        """Return the values of the first network's parameters, by the network's names, of either one's file.

        None: the file has the first network's own names.

        Raises:
            NamesFitError: the file is of neither network.
        """
        own = {name for name in checkpoint.tensors if name in parameters.names}
        if own == set(parameters.names):
            return None
        fit = fit_names(checkpoint, self.file)
        tensors = checkpoint.tensors
        there = fit.names.forward({name: tensors[name].numpy() for row in fit.names.rows for name in row.a})
        return {
            parameters.names[name]: array.astype(np.float32)
            for name, array in there.items()
            if name in parameters.names
        }


def pair_file(path: Path | None) -> PairFile | None:
    """Return what a NAMES.toml says; None for none.

    Raises:
        TriportError: it is no such file.
    """
    return None if path is None else PairFile(path, read_names(path))


def _nearest(found: tuple[set[str], set[str]], sides: Sequence[set[str]]) -> list[set[str]]:
    """Return the two sides of a map in the order in which they have most names of two networks."""
    return max(
        ([sides[0], sides[1]], [sides[1], sides[0]]),
        key=lambda order: sum(len(own & known) for own, known in zip(found, order, strict=True)),
    )


def _check_shapes(names: PairNames, a: Parameters, b: Parameters, words: tuple[str, str]) -> None:
    """Raise NetworkError unless the rows make the second network's shapes of the first's."""
    problems = []
    for row in names.rows:
        given = [a.shapes[a.names[name]] for name in row.a]
        wanted = [b.shapes[b.names[name]] for name in row.b]
        try:
            made = row.shapes(given)
        except StepError as error:
            problems.append(f"{short((*row.a, *row.b)[0])}: {error}")
            continue
        if list(map(tuple, made)) != list(map(tuple, wanted)):
            problems.append(f"{short((*row.a, *row.b)[0])}: becomes {made}, and {words[1]} has {wanted}")
    if problems:
        raise NetworkError(
            f"{words[0]} and {words[1]}: of the map {counted(len(problems), 'row does', 'rows do')} not fit "
            f"them\n{listed(problems)}"
        )
