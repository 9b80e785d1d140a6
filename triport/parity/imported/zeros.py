"""Graphs in which weights are zero, so that what they multiply could be wrong: others take their place.

The last layer of many a network begins with zeros, and so does the last one of each residual branch. Then
the outputs are the same whatever goes in, or whatever the branch computes, and nobody would see a fault.
The source of the graph with other numbers is the same text, and can be proven.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.writer import Source
from triport.reference_models.errors import counted
from triport.reference_models.scratch import scratch_folder

from .result import UNPROVEN, ImportedSource

NOTE = "the outputs were the same for all inputs that were tried, so that a fault may not have been seen"
_FLOATS = (1, 10, 11)  # float32, float16 and float64, as ONNX counts types
_MOVING = frozenset(("Identity", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Cast"))
_NORMS = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "InstanceNormalization")
# of each operator, which inputs are factors
_MULTIPLIED = dict.fromkeys(("Mul", "MatMul", "Gemm", "Conv", "ConvTranspose"), (0, 1)) | dict.fromkeys(
    (*_NORMS, "RMSNormalization"), (1,)
)


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
    changed, count = _with_numbers(path, _zeros_of)
    if not count:
        return replace(done, notes=(*done.notes, NOTE))
    what = f"the outputs are the same for all inputs, because of {_counted(count)}"
    other, found = again(changed)
    if other.text != source.text:
        return _unproven(
            done,
            f"{what}, which proves nothing; with other numbers in their place the source would be another",
        )
    if found.is_equal and NOTE in found.notes:
        return _unproven(
            done, f"{what}, which proves nothing; they are so with other numbers in their place too"
        )
    return _as_found(done, found, what)


def proven_behind_zeros(
    path: Path,
    source: Source,
    done: ImportedSource,
    again: Callable[[Path], tuple[Source, ImportedSource]],
) -> ImportedSource:
    """Return the verdict on source that is right, of the same source with numbers where zeros multiply.

    Args:
        path: of the graph; where nothing in it is multiplied by zeros, the verdict stays.
        source: that was written.
        done: the verdict so far.
        again: writes and compares the source of another file.
    """
    changed, count = _with_numbers(path, _multiplying)
    if not count:
        return done
    what = f"something is multiplied by {_counted(count)}"
    other, found = again(changed)
    if other.text != source.text or NOTE in found.notes:
        return replace(done, notes=(*done.notes, f"{what}: a fault before that would not have been seen"))
    return _as_found(done, found, what)


def _as_found(done: ImportedSource, found: ImportedSource, what: str) -> ImportedSource:
    """Return the verdict with what was found of the same source with other numbers."""
    if not found.is_equal:
        why = f"with other numbers in their place it is not: {found.trials[-1].why}"
        return _unproven(done, f"{what}, which proves nothing; {why}")
    furthest = max(trial.max_rel for trial in found.trials)
    note = (
        f"{what}: the same source was proven with other numbers in the place of these, {furthest:.1e} from "
        f"ONNX Runtime"
    )
    return replace(done, notes=(*done.notes, note))


def _unproven(done: ImportedSource, why: str) -> ImportedSource:
    trials = [replace(each, judged_by=UNPROVEN, passed=False, why=why) for each in done.trials]
    return replace(done, trials=tuple(trials))


def _counted(count: int) -> str:
    return counted(count, "stored tensor of zeros", "stored tensors of zeros")


def _with_numbers(path: Path, chosen: Callable[[Any], list[Any]]) -> tuple[Path, int]:
    """Write the file once more with numbers in the place of chosen zeros; return it and their count."""
    import onnx

    model = onnx.load(path)
    random = np.random.default_rng(0)
    zeros = chosen(model.graph)
    reads = Counter(name for node in model.graph.node for name in node.input)
    for tensor in zeros:
        array = onnx.numpy_helper.to_array(tensor)
        drawn = _drawn(array, random, is_shared=reads[tensor.name] > 1)
        tensor.CopyFrom(onnx.numpy_helper.from_array(drawn, tensor.name))
    changed = scratch_folder() / path.name
    if zeros:
        onnx.save(model, changed)
    return changed, len(zeros)


def _zeros_of(graph: Any) -> list[Any]:
    """Return the stored tensors of zeros, without biases where there are others.

    Biases begin with zeros too, and exporters keep equal ones once: without them the source is another.
    """
    zeros = [each for each in graph.initializer if _is_zero(each)]
    return [each for each in zeros if len(each.dims) > 1] or zeros


def _is_zero(tensor: Any) -> bool:
    import onnx

    if tensor.data_type not in _FLOATS or math.prod(tensor.dims) < 2:
        return False
    return not onnx.numpy_helper.to_array(tensor).any()


def _multiplying(graph: Any) -> list[Any]:
    """Return the stored tensors of zeros that something is multiplied by: weights, scales of norms."""
    zeros = {each.name: each for each in graph.initializer if _is_zero(each)}
    if not zeros:
        return []
    stored = {name: name for name in zeros}  # of each value, the tensor that it is, moved at most
    found: dict[str, None] = {}
    for node in graph.node:
        places = _MULTIPLIED.get(node.op_type, ()) if node.domain in ("", "ai.onnx") else ()
        found |= {stored[name]: None for i, name in enumerate(node.input) if i in places and name in stored}
        if node.op_type in _MOVING and node.input and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    return [zeros[name] for name in found]


def _drawn(array: np.ndarray, random: np.random.Generator, is_shared: bool) -> np.ndarray:
    """Return numbers of a tensor's type and shape: one number over and over where it is a list, or shared.

    The source keeps equal tensors of one number apart, as it does zeros. The number of a list may be a
    variance, and is positive.
    """
    size = (array.size / max(array.shape)) ** -0.5 if array.ndim > 1 else 0.3
    if array.ndim < 2 or is_shared:
        return np.full(array.shape, size, array.dtype)
    signs = random.choice((-1, 1), array.shape)
    return (signs * random.uniform(0.5, 1.5, array.shape) * size).astype(array.dtype)
