"""Group normalization, which PyTorch's exporter writes of smaller steps below opset 21: one node again.

Each group's channels become one row, rows are normalised by InstanceNormalization without scale and bias, put
back, and each channel has its scale and bias then.
"""

from __future__ import annotations

from typing import Any

from .rewriting import alone, array_of, fused, take_place


def fuse_group_norms(graph: Any) -> None:
    """Replace the steps of group normalization by a node `GroupNorm`, in place."""
    for node in list(graph):
        if node.graph is graph and node.op_type == "Add" and node.domain in ("", "ai.onnx"):
            _group_norm(graph, node)


def _group_norm(graph: Any, last: Any) -> None:
    for scaled, bias in (last.inputs, last.inputs[::-1]):
        mul = alone(scaled, "Mul")
        if mul is None:
            continue
        for normed, weight in (mul.inputs, mul.inputs[::-1]):
            back = alone(normed, "Reshape")
            norm = alone(back.inputs[0], "InstanceNormalization") if back is not None else None
            rows = alone(norm.inputs[0], "Reshape") if norm is not None else None
            if rows is not None:
                _replace(graph, last, (bias, mul, weight, back, norm, rows))
                return


def _replace(graph: Any, last: Any, steps: tuple[Any, ...]) -> None:
    import onnx_ir as ir

    bias, mul, weight, back, norm, rows = steps
    x, groups = rows.inputs[0], _groups(rows, norm)
    shape = x.shape
    if not groups or shape is None or len(shape) < 3 or not isinstance(shape[1], int) or shape[1] % groups:
        return
    held = [_of_channels(value, shape[1], len(shape)) for value in (weight, bias)]
    if not _puts_back(back, x) or any(each is None for each in held) or x.dtype != weight.dtype:
        return
    stated = [ir.AttrInt64("num_groups", groups)]
    stated += [each for key, each in norm.attributes.items() if key == "epsilon"]
    vectors, shaping = [each[0] for each in held if each], [n for each in held if each for n in each[1]]
    sizes = alone(back.inputs[1], "Shape")
    node = fused("GroupNorm", [x, *vectors], last, stated)
    take_place(graph, node, last, [mul, back, norm, rows, *shaping, *([sizes] if sizes is not None else [])])


def _groups(rows: Any, norm: Any) -> int:
    """Return how many rows of an image are normalised, 0 where it is not by ones and zeros, or not known."""
    scale, bias, shape = (array_of(value) for value in (*norm.inputs[1:3], rows.inputs[1]))
    keeps_zeros = "allowzero" in rows.attributes and rows.attributes["allowzero"].value != 0
    if scale is None or bias is None or shape is None or keeps_zeros:
        return 0
    is_plain = (scale == 1).all() and not bias.any()
    stated = shape.tolist()
    groups = int(stated[1]) if is_plain and len(stated) == 3 and stated[0] == 0 and stated[2] == -1 else 0
    return groups if groups == scale.size == bias.size else 0


def _puts_back(back: Any, x: Any) -> bool:
    """Return whether a reshape gives the shape of `x`: by taking it, or where all sizes but one are known."""
    shape = back.inputs[1].producer()
    if shape is not None and (shape.op_type, shape.domain) == ("Shape", ""):
        return shape.inputs[0] is x and not shape.attributes
    made = back.outputs[0].shape
    if made is None or len(made) != len(x.shape):
        return False
    pairs = list(zip(made, x.shape, strict=True))
    return sum(not (isinstance(a, int) and a == b) for a, b in pairs) <= 1


def _of_channels(value: Any, channels: int, rank: int) -> tuple[Any, list[Any]] | None:
    """Return a vector with a number for each channel, and the nodes that shape it; None where it is none."""
    shaped = tuple(value.shape) if value.shape is not None else ()
    if shaped not in ((channels, *[1] * (rank - 2)), (1, channels, *[1] * (rank - 2))):
        return None
    shaping = []
    while value.const_value is None or len(value.shape) != 1:
        node = alone(value, "Unsqueeze") or alone(value, "Reshape")
        if node is None:
            return None
        shaping.append(node)
        value = node.inputs[0]
    return (value, shaping) if value.const_value.shape == (channels,) else None
