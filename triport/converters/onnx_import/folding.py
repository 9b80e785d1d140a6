"""Nodes whose inputs are all constants, computed now: by onnx's reference implementation, within bounds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from .call import Call
from .values import Known, Rep, Sizes

_MOST = 1 << 20  # elements of a result that is larger than what it was made of
# they compute, or only move, what is there; none is random or holds a graph
_FOLDED = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "CastLike",
        "Ceil",
        "Clip",
        "Concat",
        "ConstantOfShape",
        "CumSum",
        "Div",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Round",
        "Shape",
        "Sigmoid",
        "Sign",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Tanh",
        "Tile",
        "Transpose",
        "Trilu",
        "Unsqueeze",
        "Where",
        "Xor",
        "Cos",
        "Sin",
        "Not",
        "Flatten",
        "ScatterND",
        "EyeLike",
    ]
)
_ORDERING = frozenset(
    ("Slice", "Concat", "Unsqueeze", "Squeeze", "Reshape", "Split", "Identity", "Transpose")
)
_RECURRENT = frozenset(("LSTM", "GRU", "RNN"))
_RESIZING = frozenset(("Resize", "Upsample"))
_GROWING = frozenset(("ConstantOfShape", "Expand", "Range", "Tile", "EyeLike"))


def folded(call: Call) -> list[Known] | None:
    """Return what the node makes if it is constant, or None."""
    node = call.node
    if node.op_type not in _FOLDED or node.domain not in ("", "ai.onnx"):
        return None
    reps: list[Rep | None] = []
    for i in range(call.count):
        reps.append(_constant(call.rep(i)) if call.has(i) else None)
        if node.op_type == "CastLike" and i == 1 and node.inputs[1].dtype is not None:
            reps[1] = Known(np.zeros((), node.inputs[1].dtype.numpy()))  # nothing else of it matters
        if not isinstance(reps[-1], Known | None):
            return None
    known = [rep for rep in reps if isinstance(rep, Known)]
    if node.op_type == "Identity":
        return [known[0]]
    if node.op_type == "Transpose" and known[0].array.ndim == 2 and known[0].origin is not None:
        if call.attribute("perm", [1, 0]) != [1, 0]:
            return [known[0]]
        first = known[0]
        return [Known(first.array.T, first.origin, not first.transposed, first.trained)]
    trained = any(rep.trained for rep in known) and node.op_type not in ("Shape", "Size")
    if trained and not _becomes_a_layers(node):
        return None  # a parameter stays one
    if any(rep.array.dtype.kind not in "fiub" for rep in known):
        return None
    if node.op_type in _GROWING and not _is_bounded(node.op_type, known):
        return None
    if node.op_type not in _GROWING and _broadcast_size(known) > _MOST + sum(rep.array.size for rep in known):
        return None
    given = [rep if isinstance(rep, Known) else None for rep in reps]
    made = _computed_once(call, given)
    return [replace(each, trained=trained) for each in made] if made is not None else None


def _constant(rep: Rep) -> Rep:
    """Return sizes that are all known as the constant that they are."""
    if not isinstance(rep, Sizes) or not all(isinstance(n, int) for n in rep.elements):
        return rep
    array = np.array(rep.elements, rep.dtype)
    return Known(array[0] if rep.scalar else array)


def _becomes_a_layers(node: Any, depth: int = 8) -> bool:
    """Return whether a parameter is only brought into a recurrent layer's order, or is a scale of Resize."""
    uses = [use for value in node.outputs for use in value.uses()]
    if node.op_type not in _ORDERING or not uses or not depth:
        return False
    if any(value.is_graph_output() for value in node.outputs):
        return False
    return all(
        use.idx in (1, 2, 3)
        if use.node.op_type in _RECURRENT
        else (use.node.op_type in _RESIZING and use.idx > 0) or _becomes_a_layers(use.node, depth - 1)
        for use in uses
    )


def _is_bounded(op_type: str, known: list[Known]) -> bool:
    """Return whether what grows stays small, from its inputs' values alone."""
    try:
        if op_type == "ConstantOfShape" or op_type == "Expand":
            sizes = [int(n) for n in known[-1].array.reshape(-1)]
            total = math.prod(sizes) * (known[0].array.size if op_type == "Expand" else 1)
        elif op_type == "Tile":
            total = math.prod(int(n) for n in known[1].array.reshape(-1)) * known[0].array.size
        elif op_type == "Range":
            start, limit, delta = (float(rep.array.reshape(-1)[0]) for rep in known)
            total = int(abs(limit - start) / abs(delta)) if delta else _MOST + 1
        else:
            total = known[0].array.size
    except (OverflowError, ValueError, IndexError):
        return False
    return 0 <= total <= _MOST


def _broadcast_size(known: list[Known]) -> int:
    rank = max((rep.array.ndim for rep in known), default=0)
    padded = [(1,) * (rank - rep.array.ndim) + rep.array.shape for rep in known]
    return math.prod(max(sizes) for sizes in zip(*padded, strict=True)) if padded else 1


def _computed_once(call: Call, given: list[Known | None]) -> list[Known] | None:
    """Return what a node makes of constants; a graph that is translated again has the same."""
    node = call.node
    arrays = [None if rep is None else rep.array for rep in given]
    before, made = node.meta.get("folded", (None, None))
    if before is None or not all(map(_is_same, before, arrays)):
        made = computed(call, given, len(node.outputs))
        node.meta["folded"] = arrays, made
    return made


def _is_same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def computed(call: Call, reps: list[Known | None], outputs: int) -> list[Known] | None:
    """Return what onnx's reference implementation makes of constants, None where it fails."""
    import onnx_ir as ir

    node = call.node
    version = node.graph.opset_imports.get("", 17) if node.graph is not None else 17
    given = [None if rep is None else rep.array for rep in reps]
    arrays = call.body.shared.reference(ir.serde.serialize_node(node), version, given, outputs)
    if arrays is None:
        return None
    wanted = [value.dtype.numpy() if value.dtype is not None else None for value in node.outputs]
    if any(kind is not None and kind != array.dtype for kind, array in zip(wanted, arrays, strict=True)):
        return None
    return [Known(array) for array in arrays]
