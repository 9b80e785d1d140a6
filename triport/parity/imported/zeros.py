"""Graphs whose outputs are the same whatever goes in, because weights are zero: others take their place.

The last layer of many a network begins with zeros. Then the outputs are zero, and whatever is before it could
be wrong and nobody would see. The source of the graph with other numbers is the same text, and can be proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from triport.converters.onnx_import.writer import Source
from triport.reference_models.errors import counted
from triport.reference_models.scratch import scratch_folder

from .result import UNPROVEN, ImportedSource

NOTE = "the outputs were the same for all inputs that were tried, so that a fault may not have been seen"
_FLOATS = ("float16", "float32", "float64")


def are_constant(runs: Sequence[list[np.ndarray]]) -> bool:
    """Return whether an output of floating point was the same in all of these runs, of other inputs each.

    Of other sizes too: then it is the same along the first axis.
    """
    if len(runs) < 2:
        return False
    return any(
        first.dtype.kind == "f" and first.size > 1 and all(_is_same(first, run[place]) for run in runs[1:])
        for place, first in enumerate(runs[0])
    )


def _is_same(first: np.ndarray, other: np.ndarray) -> bool:
    if first.shape == other.shape:
        return bool((first == other).all())
    if first.shape[1:] != other.shape[1:] or not first.shape or not (len(first) and len(other)):
        return False
    return bool((first == first[:1]).all() and (other == first[:1]).all())


def proven_with_numbers(
    path: Path,
    source: Source,
    done: ImportedSource,
    again: Callable[[Path], tuple[Source, ImportedSource]],
) -> ImportedSource:
    """Return the verdict on source whose outputs are constant, of the same source with other weights.

    Args:
        path: of the graph.
        source: that was written.
        done: the verdict so far.
        again: writes and compares the source of another file.
    """
    changed, count = _with_numbers(path)
    if not count:
        return replace(done, notes=(*done.notes, NOTE))
    zeros = counted(count, "stored tensor of zeros", "stored tensors of zeros")
    other, found = again(changed)
    if other.text == source.text and found.is_equal and NOTE not in found.notes:
        furthest = max(trial.max_rel for trial in found.trials)
        note = (
            f"the outputs are the same for all inputs, because of {zeros}: the same source was proven with "
            f"other numbers in the place of these, {furthest:.1e} from ONNX Runtime"
        )
        return replace(done, notes=(*done.notes, note))
    if other.text != source.text:
        why = "with other numbers in their place the source would be another"
    elif found.is_equal:
        why = "they are so with other numbers in their place too"
    else:
        why = f"with other numbers in their place it is not: {found.trials[-1].why}"
    why = f"the outputs are the same for all inputs, because of {zeros}, which proves nothing; {why}"
    trials = [replace(t, judged_by=UNPROVEN, passed=False, why=why) for t in done.trials]
    return replace(done, trials=tuple(trials))


def _with_numbers(path: Path) -> tuple[Path, int]:
    """Write the file once more with numbers where a stored tensor is zero, and return it and how many are."""
    import onnx

    model = onnx.load(path)
    random = np.random.default_rng(0)
    zeros = [
        (tensor, array)
        for tensor in model.graph.initializer
        for array in [onnx.numpy_helper.to_array(tensor)]
        if array.dtype.name in _FLOATS and array.size > 1 and not array.any()
    ]
    # biases begin with zeros too, and exporters keep equal ones once: without them the source is another
    zeros = [each for each in zeros if each[1].ndim > 1] or zeros
    for tensor, array in zeros:
        tensor.CopyFrom(onnx.numpy_helper.from_array(_drawn(array, random), tensor.name))
    changed = scratch_folder() / path.name
    if zeros:
        onnx.save(model, changed)
    return changed, len(zeros)


def _drawn(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return numbers of a tensor's type and shape: what may be a variance is more than nought."""
    size = (array.size / max(array.shape)) ** -0.5 if array.ndim > 1 else 0.1
    drawn = random.uniform(0.5, 1.5, array.shape) * size
    if array.ndim > 1:
        drawn *= random.choice((-1, 1), array.shape)
    return drawn.astype(array.dtype)
