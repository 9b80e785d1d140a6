"""Is a converted graph equal? MindSpore against ONNX Runtime, at several batch sizes.

A free batch is tried at sizes that the graph was not traced with, one image alone among them, and with
other images in each place: what the file computes is then compared with what MindSpore computes of the
same Cell at that size. One size is compared on numbers at the operators' edges as well.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.tracing import batch_sizes

from .bfloat16 import is_bfloat16, run_reference, widened
from .feeds import SEED, Range, find_ranges, iterate_edges, make_inputs, narrower
from .judge import GraphJudge
from .runs import (
    ONNX_RUNTIME,
    REFERENCE_IMPLEMENTATION,
    NothingFiniteError,
    RefusedError,
    open_session,
    run_cell,
    run_cell_moved,
    run_onnx,
)
from .verdicts import EQUAL, ILL_CONDITIONED, NOT_COMPARED, NOT_EQUAL, UNOPTIMISED, OutputsVerdict

SEVERITY = (EQUAL, ILL_CONDITIONED, UNOPTIMISED, NOT_EQUAL)
ONE_DROPPED = "of a batch of 1, MindSpore's result has no batch axis, as of squeeze(); the file's keeps it"
Shapes = tuple[tuple[int, ...], ...]


def compare(
    path: Path, types: Sequence[TensorType], get_cell: Callable[[], Any], is_batch_free: bool
) -> OutputsVerdict:
    """Run a Cell and its ONNX file on the same seeded inputs, at several batch sizes where it is free."""
    for module in ("onnxruntime", "mindspore"):
        if importlib.util.find_spec(module) is None:
            return OutputsVerdict(f"{NOT_COMPARED}: {module} is not installed")
    model = onnx.load(path, load_external_data=False)
    with ExitStack() as stack:
        run_from = stack.enter_context(widened(path, model)) if is_bfloat16(model) else path
        try:
            pair = _Pair.open(run_from, model, types, get_cell)
        except RefusedError as error:
            return OutputsVerdict(f"{NOT_COMPARED}: {error.who} cannot run it: {error}")
        return pair.compare_sizes() if is_batch_free else pair.compare_traced()


@dataclass
class _Pair:
    """A Cell and its ONNX file, ready to run on the same inputs."""

    types: Sequence[TensorType]
    is_batched: Sequence[bool]  # of each input
    ranges: list[Range | None]
    judge: GraphJudge

    @classmethod
    def open(
        cls, path: Path, model: onnx.ModelProto, types: Sequence[TensorType], get_cell: Callable[[], Any]
    ) -> _Pair:
        elem_types = [type_.elem_type for type_ in types]
        cell: list[Any] = []

        def run_mindspore(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
            if not cell:
                cell.append(get_cell())
            return run_cell(cell[0], inputs, elem_types)

        def run_moved(inputs: Sequence[np.ndarray], step: float, seed: int) -> list[np.ndarray]:
            return run_cell_moved(cell[0], inputs, elem_types, step, seed)

        session, runtime = None, ONNX_RUNTIME
        try:
            session = open_session(path)
        except RefusedError:
            if not is_bfloat16(model):
                raise
            runtime = REFERENCE_IMPLEMENTATION

        def run_file(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
            if session is not None:
                return run_onnx(session, inputs)
            try:
                return run_reference(path, inputs)
            except Exception as error:
                raise RefusedError(REFERENCE_IMPLEMENTATION, error) from error

        ranges = find_ranges(model)
        return cls(
            types,
            [bool(_sizes(value) and _sizes(value)[0].dim_param) for value in model.graph.input],
            [ranges.get(value.name) for value in model.graph.input],
            GraphJudge(path, model, run_mindspore, run_moved, run_file, runtime),
        )

    def compare_traced(self) -> OutputsVerdict:
        """Compare at the size that was traced, on ordinary inputs and at the edges."""
        try:
            found, *_ = self._compare_at(None)
        except RefusedError as error:
            return OutputsVerdict(self._say_refused(error))
        return self._with_edges(found, None) if found.passed else found

    def compare_sizes(self) -> OutputsVerdict:
        """Compare at each size; where one differs, or is refused, the batch cannot be free."""
        traced = next(type_.shape[0] for type_, free in zip(self.types, self.is_batched, strict=True) if free)
        num_elements = sum(math.prod(type_.shape[1:]) for type_ in self.types)
        results, shapes, sizes = [], [], []
        for size in batch_sizes(traced, num_elements):
            problem = None
            try:
                found, output_shapes, reference_shapes = self._compare_at(size)
            except NothingFiniteError:  # which says nothing of the batch
                continue
            except RefusedError as error:
                problem = self._say_size_refused(error, size)
            else:
                if not found.passed:
                    problem = (
                        "the batch size with which it was traced is part of the graph: with a batch of "
                        f"{size}, {_say_apart(found, output_shapes, reference_shapes)}"
                    )
                results.append(found)
                shapes.append(output_shapes)
                sizes.append(size)
            if problem is not None:
                base = self.compare_traced()
                if base.passed and base.was_compared:
                    base = self._compare_images_of(size, traced) or base
                # what is wrong, or cannot be run, at the traced size too says nothing of the batch
                is_right = base.was_compared and base.passed
                return replace(base, batch_problem=problem) if is_right else base
        if not results:
            return self.compare_traced()
        worst = self._with_edges(_worst(results), min(sizes))
        return replace(worst, batch_sizes=tuple(sizes), output_shapes=tuple(shapes))

    def _compare_at(self, size: int | None) -> tuple[OutputsVerdict, Shapes, Shapes]:
        """Compare at a batch size, None is the traced one; return the file's shapes and MindSpore's too."""
        refusal = None
        is_whole = any(onnx.helper.tensor_dtype_to_np_dtype(t.elem_type).kind in "iu" for t in self.types)
        for ranges in [self.ranges, *(narrower(self.ranges) if is_whole else ())]:
            inputs = make_inputs(self._types_at(size), ranges, SEED + (size or 0))
            try:
                found, references = self.judge.run_file(inputs), self.judge.run_mindspore(inputs)
            except RefusedError as error:
                refusal = refusal or error
                continue
            self.ranges = list(ranges)
            verdict = self._judge(inputs, found, references)
            return verdict, _shapes(found), _shapes(references)
        assert refusal is not None
        raise refusal

    def _judge(
        self,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        *,
        is_edge: bool = False,
    ) -> OutputsVerdict:
        """Compare outputs; of one image alone MindSpore's may lack the batch axis, which is noted."""
        batch = {array.shape[0] for array, free in zip(inputs, self.is_batched, strict=True) if free}
        if batch != {1} or len(found) != len(references):
            return self.judge.judge(inputs, found, references, is_edge=is_edge)
        alike = [_with_batch_axis(*pair) for pair in zip(found, references, strict=True)]
        verdict = self.judge.judge(inputs, found, alike, is_edge=is_edge)
        if is_edge or _shapes(alike) == _shapes(references):
            return verdict
        return replace(verdict, note=". ".join(filter(None, (ONE_DROPPED, verdict.note))))

    def _compare_images_of(self, size: int, traced: int) -> OutputsVerdict | None:
        """Compare the images of another batch size at the traced one; return what is wrong there too."""
        inputs = make_inputs(self._types_at(size), self.ranges, SEED + size)
        for start in range(0, size, traced):
            rows = np.arange(start, start + traced) % size
            cut = [
                array[rows] if free else array for array, free in zip(inputs, self.is_batched, strict=True)
            ]
            with suppress(RefusedError):
                found = self.judge.judge(cut, self.judge.run_file(cut), self.judge.run_mindspore(cut))
                if not found.passed:
                    return found
        return None

    def _with_edges(self, ordinary: OutputsVerdict, size: int | None) -> OutputsVerdict:
        """Compare on numbers at the edges as well, where both run them: what is worse counts."""
        compared, results = [], [ordinary]
        for feed in iterate_edges(self._types_at(size), self.ranges, SEED):
            with suppress(RefusedError):
                found, references = self.judge.run_file(feed.arrays), self.judge.run_mindspore(feed.arrays)
                result = self._judge(feed.arrays, found, references, is_edge=True)
                if not result.passed:
                    return replace(result, feed=feed.what)
                compared.append(feed.what)
                results.append(replace(result, feed=feed.what))
        worst = max(results, key=lambda one: SEVERITY.index(one.verdict))
        notes: dict[str, str] = {}
        for one in results:
            if one.note:
                notes.setdefault(one.note, f"on {one.feed}: {one.note}" if one.feed else one.note)
        return replace(worst, edges=tuple(compared), note=". ".join(notes.values()))

    def _types_at(self, size: int | None) -> list[TensorType]:
        if size is None:
            return list(self.types)
        return [
            TensorType(type_.elem_type, (size, *type_.shape[1:])) if free else type_
            for type_, free in zip(self.types, self.is_batched, strict=True)
        ]

    def _say_refused(self, error: RefusedError) -> str:
        if isinstance(error, NothingFiniteError):
            return f"{NOT_COMPARED}: {error.who} gives infinities alone, as {error}; the file gives numbers"
        if error.who == "MindSpore":
            return f"{NOT_COMPARED}: MindSpore cannot run it here: {error}"
        other = self._ask_mindspore(None)
        if other is not None:
            return (
                f"{NOT_COMPARED}: neither MindSpore nor {error.who} runs it on the inputs that triport made: "
                f"{other}; {error}"
            )
        return f"{NOT_COMPARED}: {error.who} cannot run it, MindSpore can: {error}"

    def _say_size_refused(self, error: RefusedError, size: int) -> str:
        if error.who == "MindSpore":
            return f"MindSpore itself does not run a batch of {size}: {error}"
        other = self._ask_mindspore(size)
        if other is not None:
            return f"MindSpore itself does not run a batch of {size}: {other}"
        return f"{error.who} does not run a batch of {size}, MindSpore does: {error}"

    def _ask_mindspore(self, size: int | None) -> RefusedError | None:
        """Return why MindSpore does not run it at a batch size either, None if it does."""
        try:
            self.judge.run_mindspore(make_inputs(self._types_at(size), self.ranges))
        except RefusedError as error:
            return error
        return None


def _shapes(arrays: Sequence[np.ndarray]) -> Shapes:
    return tuple(array.shape for array in arrays)


def _with_batch_axis(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return what MindSpore gives of one image with the batch axis that it has dropped, as `squeeze` does."""
    return reference[np.newaxis] if found.shape == (1, *reference.shape) else reference


def _say_apart(found: OutputsVerdict, shapes: Shapes, reference_shapes: Shapes) -> str:
    """Return how MindSpore and the file differ."""
    for mine, theirs in zip(shapes, reference_shapes, strict=False):
        if mine != theirs:
            return f"MindSpore gives the shape {theirs}, the file {mine}"
    by = f"by {found.error:.1e}" if math.isfinite(found.error or 0) else "in infinities"
    return f"MindSpore and the file differ {by}"


def _worst(results: Sequence[OutputsVerdict]) -> OutputsVerdict:
    def rank(found: OutputsVerdict) -> tuple[int, float]:
        return SEVERITY.index(found.verdict), (found.error or 0) / (found.tolerance or 1)

    notes = dict.fromkeys(found.note for found in results if found.note)
    return replace(max(results, key=rank), note=". ".join(notes))


def _sizes(value: onnx.ValueInfoProto) -> Any:
    return value.type.tensor_type.shape.dim
