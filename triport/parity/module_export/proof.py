"""The proof of one exported graph: with the Module's own values and with moved ones, on every feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.torch_export.exporters import Exported
from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.weights import moved_values
from triport.converters.torch_export.write import write
from triport.reference_models.errors import TriportError, counted

from .feeds import ModuleFeed, edges, ordinary
from .judge import EQUAL, NOT_EQUAL, UNSEEN, ModuleVerdict, judge_file, worst
from .reference import ModuleReference

SEED = 0


@dataclass(frozen=True, slots=True)
class GraphProof:
    """What the comparisons of one graph found.

    `optimised` is of ONNX Runtime with its graph optimisation, which is no fault of the graph; `moved` of the
    Module with moved values. None were not run.
    """

    own: tuple[ModuleVerdict, ...]
    edges: tuple[ModuleVerdict, ...] = ()
    moved: tuple[ModuleVerdict, ...] = ()
    optimised: tuple[ModuleVerdict, ...] = ()

    @property
    def verdict(self) -> ModuleVerdict:
        """The verdict that counts: what differs anywhere differs, and equal is what could be seen to be."""
        every = [*self.own, *self.moved, *self.edges]
        different = [one for one in every if one.verdict == NOT_EQUAL]
        if different:
            return different[0]
        seen = [one for part in (self.own, self.moved) if _is_seen(part) for one in part]
        return worst(seen) if seen else worst(self.own)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the graph."""
        return self.verdict.verdict != NOT_EQUAL

    @property
    def notes(self) -> list[str]:
        """What whoever reads the verdict must know."""
        notes = []
        for part, what in ((self.own, "its own values"), (self.moved, "moved values")):
            if part and not _is_seen(part):
                noise = max(one.noise for one in part)
                notes.append(
                    f"with {what} the network's own noise is {noise:.1e} of its largest output: a fault of "
                    f"that size could not be seen there"
                )
        if not self.moved:
            notes.append("it was compared with its own values alone: the Module does not run with moved ones")
        dark = [one.feed.what for one in self.edges if one.verdict == UNSEEN and one.feed]
        if dark:
            notes.append(f"the network is too noisy to see anything on: {', '.join(dark)}")
        unsure = sum(one.unsure for one in (*self.own, *self.edges, *self.moved))
        if unsure:
            notes.append(
                f"not judged: {counted(unsure, 'whole number')} whose value hangs on a rounding of the "
                "Module's own"
            )
        if any(one.verdict == NOT_EQUAL for one in self.optimised):
            bad = next(one for one in self.optimised if one.verdict == NOT_EQUAL)
            notes.append(
                f"ONNX Runtime's graph optimisation changes the results ({bad}): run the file with "
                f"GraphOptimizationLevel.ORT_DISABLE_ALL, or in another runtime"
            )
        return notes


class Prover:
    """Proves graphs of one Module; what is right is computed once for all of them."""

    def __init__(self, net: TorchNet) -> None:
        self.net = net
        self.own = ModuleReference(net)
        self.values = {name: tensor.detach().clone() for name, tensor in net.state.items()}
        moved = moved_values(net, SEED)
        self.moved_values = {**self.values, **moved}
        self.moved = ModuleReference(net, self.moved_values)
        self._feeds: dict[tuple[Any, ...], list[ModuleFeed]] = {}

    def prove(self, exported: Exported, sizes: Sequence[Mapping[str, int]], folder: Path) -> GraphProof:
        """Write the graph into a folder with both sets of values, and compare it with the Module.

        Args:
            exported: the graph.
            sizes: of the free axes, at which it is compared.
            folder: for files of this proof; what is there is replaced.

        Raises:
            TriportError: the Module itself fails.
        """
        feeds = self.ordinary(sizes)
        names = self.net.output_names
        path = self._written(exported, self.values, folder)
        proof = GraphProof(tuple(judge_file(path, self.own, feeds, names)))
        if not proof.passed:
            return proof
        proof = GraphProof(proof.own, tuple(judge_file(path, self.own, self.edges(sizes[0]), names)))
        if not proof.passed:
            return proof
        optimised = tuple(judge_file(path, self.own, feeds, names, "ALL"))
        path = self._written(exported, self.moved_values, folder)
        moved = tuple(judge_file(path, self.moved, feeds, names)) if self._runs_moved(feeds) else ()
        return GraphProof(proof.own, proof.edges, moved, optimised)

    def ordinary(self, sizes: Sequence[Mapping[str, int]]) -> list[ModuleFeed]:
        """Return ordinary inputs at these sizes, each time others; two where no size is free."""
        key = ("ordinary", *(tuple(one.items()) for one in sizes))
        if key not in self._feeds:
            wanted = [*sizes] if len(sizes) > 1 else [*sizes, *sizes]
            self._feeds[key] = [
                ordinary(self.net.inputs, one, SEED + place) for place, one in enumerate(wanted)
            ]
        return self._feeds[key]

    def edges(self, sizes: Mapping[str, int]) -> list[ModuleFeed]:
        """Return inputs at the edges on which the Module itself runs."""
        key = ("edges", tuple(sizes.items()))
        if key not in self._feeds:
            self._feeds[key] = [
                one
                for one in edges(self.net.inputs, sizes, SEED)
                if self._runs(self.own, one) and not self._overflows(one)
            ]
        return self._feeds[key]

    def _runs_moved(self, feeds: Sequence[ModuleFeed]) -> bool:
        """Return whether the Module runs with moved values, to numbers."""
        if not all(self._runs(self.moved, feed) for feed in feeds):
            return False
        outputs = (array for feed in feeds for array in self.moved.expected(feed).outputs)
        return any(np.isfinite(array).any() for array in outputs if array.size)

    def _overflows(self, feed: ModuleFeed) -> bool:
        """Return whether a narrow step within has too small a range, which a runtime may leave out."""
        if self.own.precision == self.net.precision:
            return False
        floats = (array for array in self.own.expected(feed).outputs if array.dtype.kind == "f")
        return not all(np.isfinite(array).all() for array in floats)

    @staticmethod
    def _runs(reference: ModuleReference, feed: ModuleFeed) -> bool:
        try:
            reference.expected(feed)
        except TriportError:
            return False
        return True

    @staticmethod
    def _written(exported: Exported, values: Mapping[str, Any], folder: Path) -> Path:
        path = folder / "graph.onnx"
        data = folder / "graph.onnx.data"
        for one in (path, data):
            one.unlink(missing_ok=True)
        write(exported, values, path, data)
        return path


def _is_seen(verdicts: Sequence[ModuleVerdict]) -> bool:
    return bool(verdicts) and all(one.verdict == EQUAL for one in verdicts)
