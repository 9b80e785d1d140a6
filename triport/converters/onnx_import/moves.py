"""Nodes that only move elements, as a person would write them: what torch.onnx takes apart is put together.

- two slices and their concatenation are a roll;
- a split into parts of one, each squeezed, or each place read by itself, is `unbind`;
- concatenations of ever more of the same tensors, as DenseNet has them, each add one tensor to the last;
- LayerNorm between two transposes is one of the channels of images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .rewriting import DOMAIN, alone, fused, only_reader, remove, take_place

_DEEP = 6  # nodes between an attention's values and its weights
_TO_LAST, _FROM_LAST = [0, 2, 3, 1], [0, 3, 1, 2]


def put_together(graph: Any) -> None:
    """Replace what the rules know, in place."""
    for node in list(graph):
        if node.graph is graph and node.domain in ("", "ai.onnx"):
            rule = {"Split": _unbind_split, "Transpose": _norm_of_channels}.get(node.op_type)
            if rule is not None:
                rule(graph, node)
    for value in [*graph.inputs, *(v for node in list(graph) for v in node.outputs)]:
        _unbind_places(graph, value)
    _one_more_each(graph)
    for node in list(graph):
        if node.graph is graph and node.domain in ("", "ai.onnx"):
            _after_another(graph, node)


def put_rolls(graph: Any) -> None:
    """Replace slices that change places, in place."""
    for node in list(graph):
        if node.graph is graph and node.op_type == "Concat" and node.domain in ("", "ai.onnx"):
            _roll(graph, node)


def _after_another(graph: Any, node: Any) -> None:
    """A reshape after another, two orders of axes, an axis that is put in and taken out: one, or none."""
    first = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    if first is None or first.graph is not graph or not first.inputs or first.domain not in ("", "ai.onnx"):
        return
    if len(node.inputs[0].uses()) != 1 or node.inputs[0].is_graph_output():
        return
    pair = (first.op_type, node.op_type)
    if pair[1] == "Reshape" and pair[0] in ("Reshape", "Flatten", "Unsqueeze", "Squeeze"):
        if _keeps_no_axis(node.inputs[1]) and "allowzero" not in node.attributes:
            node.replace_input_with(0, first.inputs[0])
            remove(graph, [first])
    elif pair == ("Transpose", "Transpose"):
        before, after = _perm(first), _perm(node)
        if before is None or after is None or len(before) != len(after):
            return
        order = [before[i] for i in after]
        if order == sorted(order):
            _pass(graph, node, first)
        else:
            import onnx_ir as ir

            node.attributes["perm"] = ir.AttrInt64s("perm", order)
            node.replace_input_with(0, first.inputs[0])
            remove(graph, [first])
    elif pair == ("Unsqueeze", "Squeeze"):
        rank = len(first.outputs[0].shape) if first.outputs[0].shape is not None else 0
        axes = [_axes_of(each) for each in (first, node)]
        if (
            rank
            and None not in axes
            and len({tuple(sorted(a % rank for a in each or ())) for each in axes}) == 1
        ):
            _pass(graph, node, first)


def _keeps_no_axis(shape: Any) -> bool:
    """Return whether a shape says every size by itself; zero would be the size that was there."""
    joined = shape.producer()
    parts = [shape]
    if joined is not None and (joined.op_type, joined.domain) == ("Concat", ""):
        parts = [each for each in joined.inputs if each is None or each.const_value is not None]
    stated = [_numbers(each) for each in parts]
    return all(sizes is not None and 0 not in sizes for sizes in stated)


def _pass(graph: Any, node: Any, first: Any) -> None:
    """Let what two nodes in turn make be what the first is given."""
    if not node.outputs[0].is_graph_output():
        node.outputs[0].replace_all_uses_with(first.inputs[0])
        remove(graph, [node, first])


def _roll(graph: Any, concat: Any) -> None:
    """[x[k:], x[:k]] is x rolled by -k."""
    import onnx_ir as ir

    parts = [alone(value, "Slice") for value in concat.inputs]
    if (
        len(parts) != 2
        or parts[0] is None
        or parts[1] is None
        or parts[0].inputs[0] is not parts[1].inputs[0]
    ):
        return
    x = parts[0].inputs[0]
    kept, moved = (_bounds(part) for part in parts)
    if x.shape is None or kept is None or moved is None:
        return
    (first, end, axis), (start, last, other) = kept, moved
    rank = len(x.shape)
    stated = _int(concat, "axis")
    if stated is None or not rank or not all(-rank <= n < rank for n in (axis, other, stated)):
        return
    if {axis % rank, other % rank} != {stated % rank} or start != 0 or first != last or not first:
        return
    size = x.shape[axis % rank]
    if not isinstance(size, int) or end < size or abs(first) >= size:
        return
    first = first - size if first > size // 2 else first
    shifts, axes, taken = [-first], [stated % rank], parts
    before = x.producer()
    is_rolled = before is not None and (before.op_type, before.domain) == ("Roll", DOMAIN)
    if is_rolled and not x.is_graph_output() and {use.node for use in x.uses()} == set(parts):
        shifts = [*before.attributes["shifts"].value, *shifts]
        axes, x, taken = [*before.attributes["axes"].value, *axes], before.inputs[0], [*parts, before]
    turns = [ir.AttrInt64s("shifts", shifts), ir.AttrInt64s("axes", axes)]
    take_place(graph, fused("Roll", [x], concat, turns), concat, taken)


def _bounds(node: Any) -> tuple[int, int, int] | None:
    """Return start, end and axis of a slice along one axis, in steps of one."""
    given = [_numbers(value) for value in node.inputs[1:]]
    if len(given) < 3 or any(each is None or len(each) != 1 for each in given):
        return None
    numbers = [each[0] for each in given if each is not None]
    return (numbers[0], numbers[1], numbers[2]) if numbers[3:] in ([], [1]) else None


def _unbind_split(graph: Any, split: Any) -> None:
    """Parts of one along an axis, without that axis."""
    x, count = split.inputs[0], len(split.outputs)
    axis = _int(split, "axis", 0)
    if x.shape is None or axis is None or not -len(x.shape) <= axis < len(x.shape):
        return
    if x.shape[axis] != count or count < 2 or _may_be_sizes(x):
        return
    axis %= len(x.shape)
    squeezes = [only_reader(value, "Squeeze") for value in split.outputs]
    if all(each is not None and _axes_of(each) in ([axis], [axis - len(x.shape)]) for each in squeezes):
        _put_unbind(graph, split, x, axis, squeezes, [split])


def _may_be_sizes(value: Any) -> bool:
    """Return whether a value is a row of whole numbers: its parts are read as numbers, not as tensors."""
    import onnx_ir as ir

    return value.dtype in (ir.DataType.INT64, ir.DataType.INT32) and len(value.shape) == 1


def _axes_of(node: Any) -> list[int] | None:
    if "axes" in node.attributes:
        return ints_of(node, "axes")
    return _numbers(node.inputs[1]) if len(node.inputs) > 1 else None


def _unbind_places(graph: Any, value: Any) -> None:
    """Each place of an axis, read by itself."""
    readers = list(dict.fromkeys(use.node for use in value.uses()))
    places = [node for node in readers if node.op_type != "Shape"]
    if len(places) < 2 or value.shape is None or value.is_graph_output() or _may_be_sizes(value):
        return
    if any(n.op_type != "Gather" or n.graph is not graph or n.inputs[0] is not value for n in places):
        return
    axes = {_int(n, "axis", 0) for n in places}
    rank = len(value.shape)
    axis = axes.pop()
    if axes or axis is None or not -rank <= axis < rank or value.shape[axis] != len(places):
        return
    numbers = {}
    for node in places:
        found = _numbers(node.inputs[1])
        if found is None or node.inputs[1].const_value.shape.rank() != 0 or node.outputs[0].is_graph_output():
            return
        numbers[found[0] % len(places)] = node
    if sorted(numbers) == list(range(len(places))):
        order = {node: i for i, node in enumerate(graph)}
        first = min(places, key=order.__getitem__)
        _put_unbind(graph, first, value, axis % rank, [numbers[i] for i in range(len(places))], [])


def _put_unbind(graph: Any, first: Any, x: Any, axis: int, readers: list[Any], taken: list[Any]) -> None:
    """Put `unbind` before a node, its parts in the place of what reads them."""
    import onnx_ir as ir

    node = ir.Node(
        DOMAIN, "Unbind", [x], [ir.AttrInt64("axis", axis)], num_outputs=len(readers), name=first.name
    )
    node.metadata_props.update(first.metadata_props)
    graph.insert_before(first, node)
    for new, reader in zip(node.outputs, readers, strict=True):
        old = reader.outputs[0]
        new.name, new.type, new.shape = old.name, old.type, old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    remove(graph, [*readers, *taken])
    if len(readers) == 3 and _is_attended(node.outputs[2]):
        node.meta["nouns"] = ("q", "k", "v")


def _is_attended(value: Any) -> bool:
    """Return whether a value is what an attention's weights choose from."""
    reader = only_reader(value, "MatMul")
    if reader is None or reader.inputs[1] is not value:
        return False
    left = reader.inputs[0].producer()
    for _ in range(_DEEP):
        if left is None or left.op_type == "Softmax":
            break
        left = left.inputs[0].producer() if left.op_type in ("Cast", "Dropout", "Identity") else None
    return left is not None


def _one_more_each(graph: Any) -> None:
    """Let what is put together again with more be put together once, where its last part is made."""
    made: dict[Any, Any] = {}
    chain: list[Any] = []
    for node in list(graph):
        if node.op_type != "Concat" or node.domain not in ("", "ai.onnx"):
            continue
        axis, parts = _int(node, "axis"), tuple(node.inputs)
        if axis is None or None in parts:
            continue
        before = made.get((axis, parts[:-1])) if len(parts) > 2 else None
        if before is not None and before.outputs[0].shape is not None:
            chain += [each for each in (before, node) if each not in chain]
            for i in range(len(parts)):
                node.replace_input_with(i, None)
            node.resize_inputs(2)
            node.replace_input_with(0, before.outputs[0])
            node.replace_input_with(1, parts[-1])
        made.setdefault((axis, parts), node)
    order: dict[Any, float] = {node: i for i, node in enumerate(graph)} if chain else {}
    for node in chain:
        _move_up(graph, node, order)


def _move_up(graph: Any, concat: Any, order: dict[Any, float]) -> None:
    """Put a concatenation behind what makes its last part, if nothing else reads that."""
    import onnx_ir as ir

    if len(concat.inputs) != 2:  # the first of a chain may have more
        return
    x, added = concat.inputs
    producer = added.producer()
    if producer is None or producer.graph is not graph or len(added.uses()) != 1 or added.is_graph_output():
        return
    other = x.producer()
    if other is not None and (other.graph is not graph or order[other] > order[producer]):
        return
    node = ir.Node("", "Concat", [x, added], [concat.attributes["axis"]], num_outputs=1, name=producer.name)
    node.metadata_props.update(producer.metadata_props)
    order[node] = order[producer] + 0.5
    take_place(graph, node, concat, [], after=producer)


def _norm_of_channels(graph: Any, last: Any) -> None:
    """LayerNorm of images whose channels are put last for it, and back."""
    norm = alone(last.inputs[0], "LayerNormalization") if _perm(last) == _FROM_LAST else None
    if norm is None or len([v for v in norm.outputs if v.uses()]) != 1 or len(norm.inputs) != 3:
        return
    first = alone(norm.inputs[0], "Transpose")
    axis = _int(norm, "axis", -1)
    if first is None or _perm(first) != _TO_LAST or axis not in (-1, 3):
        return
    inputs = [first.inputs[0], *norm.inputs[1:]]
    if all(value.const_value is not None for value in inputs[1:]):
        stated = [each for key, each in norm.attributes.items() if key == "epsilon"]
        take_place(graph, fused("LayerNorm2d", inputs, norm, stated), last, [norm, first])


def _perm(node: Any) -> list[int] | None:
    found = ints_of(node, "perm")
    return found if found is not None and sorted(found) == list(range(len(found))) else None


def _int(node: Any, name: str, default: int | None = None) -> int | None:
    """Return an attribute that is a whole number, None where a file has something else there."""
    import onnx_ir as ir

    found = node.attributes.get(name)
    if found is None:
        return default
    return int(found.value) if found.type == ir.AttributeType.INT and not found.is_ref() else None


def ints_of(node: Any, name: str) -> list[int] | None:
    """Return an attribute that is a list of whole numbers, None where there is none."""
    import onnx_ir as ir

    found = node.attributes.get(name)
    is_list = found is not None and found.type == ir.AttributeType.INTS and not found.is_ref()
    return [int(n) for n in found.value] if is_list else None


def _numbers(value: Any) -> list[int] | None:
    if value is None or value.const_value is None or value.dtype is None or not value.dtype.is_integer():
        return None
    small = value.const_value.size <= 8 and value.dtype.bitwidth >= 8
    return [int(n) for n in np.asarray(value.const_value.numpy()).reshape(-1)] if small else None
