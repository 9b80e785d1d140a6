"""Types and shapes of all values, inferred from the inputs: by onnx, and by what else is known.

onnx does not follow values far: a Reshape to a computed shape has no rank for it, though the shape's length
says it, and the branch that an If takes is open, though sizes decide it. Both are put in, and onnx goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .ranks import add_ranks, needed_ranks

# what onnx's shape inference may read as a value: sizes, axes, scales
_SMALL = 4096
_ROUNDS = 60
_DEPTH = 60
# what decides a branch, computed by onnx's reference implementation
_DECIDING = frozenset(
    (
        "Equal",
        "Greater",
        "Less",
        "GreaterOrEqual",
        "LessOrEqual",
        "Not",
        "And",
        "Or",
        "Cast",
        "Add",
        "Sub",
        "Mul",
    )
)
_MOVING = frozenset(("Identity", "Squeeze", "Unsqueeze"))


class ShapesContradictError(Exception):
    """The shapes of a graph contradict each other."""


def inferred(proto: Any) -> Any:
    """Return the model with types and shapes of all values; branches that sizes decide are written out.

    Raises:
        ShapesContradictError: onnx finds a contradiction.
    """
    found = _by_onnx(proto)
    for _ in range(_ROUNDS):
        ranked = add_ranks(proto, found, Facts(found.graph, opset_of(proto)))
        decided = _write_out_branches(proto, found)
        if not ranked and not decided:
            break
        found = _by_onnx(proto)
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(found.graph.value_info)
    _copy_inner_infos(proto.graph, found.graph)
    known = {each.name: each for each in found.graph.output}
    for output in proto.graph.output:
        output.CopyFrom(known[output.name])
    return proto


def _by_onnx(proto: Any) -> Any:
    """Return a copy of the model with what onnx infers; of large tensors only the shapes are read."""
    import onnx

    large = {each.name: each for each in proto.graph.initializer if each.ByteSize() > _SMALL}
    given = {each.name for each in proto.graph.input}
    slim = onnx.ModelProto()
    slim.CopyFrom(_without(proto, set(large)))
    for name, tensor in large.items():
        if name not in given:
            slim.graph.input.append(
                onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
            )
    slim.ir_version = max(slim.ir_version, 4)
    try:
        return onnx.shape_inference.infer_shapes(slim, data_prop=True)
    except Exception as error:
        raise ShapesContradictError(str(error)) from None


def _without(proto: Any, names: set[str]) -> Any:
    """Return a copy of the model without these initializers' data."""
    import onnx

    slim = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    graph = slim.graph
    graph.name = proto.graph.name or "graph"
    graph.node.extend(proto.graph.node)
    graph.input.extend(proto.graph.input)
    graph.output.extend(proto.graph.output)
    graph.value_info.extend(proto.graph.value_info)
    graph.initializer.extend(each for each in proto.graph.initializer if each.name not in names)
    return slim


def _copy_inner_infos(graph: Any, inferred_graph: Any) -> None:
    for node, other in zip(graph.node, inferred_graph.node, strict=True):
        for mine, its in zip(node.attribute, other.attribute, strict=True):
            if mine.HasField("g"):
                del mine.g.value_info[:]
                mine.g.value_info.extend(its.g.value_info)
                known = {each.name: each for each in its.g.output}
                for output in mine.g.output:
                    output.CopyFrom(known[output.name])
                _copy_inner_infos(mine.g, its.g)


class Facts:
    """What is known of a graph's values by name, and of those around it: shapes, and values of sizes."""

    def __init__(self, graph: Any, opset: int, around: Facts | None = None) -> None:
        self._around, self.opset = around, opset
        infos = [*graph.input, *graph.output, *graph.value_info]
        self._shapes = {
            each.name: each.type.tensor_type for each in infos if each.type.HasField("tensor_type")
        }
        self._tensors = {each.name: each for each in graph.initializer}
        self._values: dict[str, np.ndarray | None] = {}
        self._makers = {name: node for node in graph.node for name in node.output if name}

    def shape(self, name: str) -> list[int | None] | None:
        """Return a value's sizes, None where one is free, or None if not even the rank is known."""
        if name in self._tensors:
            return list(self._tensors[name].dims)
        if name in self._shapes:
            kind = self._shapes[name]
            if not kind.HasField("shape"):
                return None
            return [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        is_made_here = name in self._makers
        return self._around.shape(name) if self._around is not None and not is_made_here else None

    def value(self, name: str, depth: int = 0) -> np.ndarray | None:
        """Return a value of sizes: an array of objects in which None is not known; or None."""
        if depth > _DEPTH:
            return None
        if name not in self._values:
            self._values[name] = self._value(name, depth)
        return self._values[name]

    def _value(self, name: str, depth: int) -> np.ndarray | None:
        import onnx

        if name in self._tensors:
            tensor = self._tensors[name]
            return None if tensor.ByteSize() > _SMALL else onnx.numpy_helper.to_array(tensor).astype(object)
        node = self._makers.get(name)
        if node is None:
            return self._around.value(name, depth + 1) if self._around is not None else None
        if node.domain not in ("", "ai.onnx"):
            return None
        return self._made(node, depth)

    def _made(self, node: Any, depth: int) -> np.ndarray | None:
        import onnx

        kinds = {a.name: a for a in node.attribute}
        if node.op_type == "Constant" and "value" in kinds:
            tensor = kinds["value"].t
            return None if tensor.ByteSize() > _SMALL else onnx.numpy_helper.to_array(tensor).astype(object)
        if node.op_type == "Size":
            shape = self.shape(node.input[0])
            known = [n for n in shape or [] if n is not None]
            return None if shape is None or len(known) < len(shape) else np.array(math.prod(known), object)
        if node.op_type == "Shape" and not kinds:
            shape = self.shape(node.input[0])
            return None if shape is None else np.array(shape, object)
        if node.op_type not in _DECIDING | _MOVING | {"Gather"}:
            return None
        given = [self.value(each, depth + 1) if each else None for each in node.input]
        if any(array is None for array in given):
            return None
        arrays = [array for array in given if array is not None]
        if node.op_type == "Identity":
            return arrays[0]
        if node.op_type == "Gather":
            return self._gathered(arrays, kinds)
        if any(each is None for array in arrays for each in array.reshape(-1)):
            return None
        return self._computed(node, arrays)

    def _gathered(self, arrays: list[np.ndarray], kinds: Mapping[str, Any]) -> np.ndarray | None:
        values, index = arrays
        axis = kinds["axis"].i if "axis" in kinds else 0
        if values.ndim != 1 or axis not in (0, -1) or any(each is None for each in index.reshape(-1)):
            return None
        places = index.astype(np.int64)
        if places.size and not (-len(values) <= places.min() and places.max() < len(values)):
            return None
        return np.asarray(values[places], object)

    def _computed(self, node: Any, arrays: list[np.ndarray]) -> np.ndarray | None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        plain = []
        for array in arrays:
            kinds = {type(each) for each in array.reshape(-1)}
            if kinds not in ({bool}, {int}):  # what fractions decide is left to the run
                return None
            plain.append(array.astype(bool if kinds == {bool} else np.int64))
        names = [f"i{place}" for place in range(len(plain))]
        copied = type(node).FromString(node.SerializeToString())
        del copied.input[:], copied.output[:]
        copied.input.extend(names)
        copied.output.append("o")
        graph = onnx.GraphProto(name="decided", node=[copied])
        for each, array in zip(names, plain, strict=True):
            code = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(onnx.helper.make_tensor_value_info(each, int(code), list(array.shape)))
        graph.output.append(onnx.ValueInfoProto(name="o"))
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", self.opset)])
        try:
            made: Any = ReferenceEvaluator(model).run(None, dict(zip(names, plain, strict=True)))
        except Exception:
            return None
        return np.asarray(made[0]).astype(object)


def opset_of(proto: Any) -> int:
    """Return the version of the standard operators that a model is written in."""
    return max([e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")], default=17)


def _write_out_branches(proto: Any, found: Any) -> bool:
    """Put the branch that sizes decide in an If's place; return whether there was any."""
    facts = Facts(found.graph, opset_of(proto))
    return _write_out(proto.graph, found.graph, facts, _names_of(proto.graph))


def _write_out(graph: Any, inferred_graph: Any, facts: Facts, taken: set[str]) -> bool:
    nodes: list[Any] = []
    changed = False
    needed = needed_ranks(graph, facts)
    for node, other in zip(list(graph.node), list(inferred_graph.node), strict=True):
        inner = {a.name: a.g for a in node.attribute if a.HasField("g")}
        found = {a.name: a.g for a in other.attribute if a.HasField("g")}
        taken_branch = _branch_taken(node, found, facts, needed)
        if taken_branch is not None:
            branch = inner[taken_branch]
            nodes += _inlined(node, branch, taken)
            graph.initializer.extend(branch.initializer)
            changed = True
            continue
        for a, b in zip(node.attribute, other.attribute, strict=True):
            if a.HasField("g"):
                inside = taken | _names_of(a.g)
                changed = _write_out(a.g, b.g, Facts(b.g, facts.opset, facts), inside) or changed
        nodes.append(node)
    if changed:
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    return changed


def _branch_taken(
    node: Any, branches: Mapping[str, Any], facts: Facts, needed: Mapping[str, int]
) -> str | None:
    """Return which branch of an If is taken: the one that sizes decide, or whose outputs can be read."""
    if node.op_type != "If" or node.domain not in ("", "ai.onnx"):
        return None
    condition = facts.value(node.input[0])
    if condition is not None and condition.size == 1 and condition.reshape(-1)[0] is not None:
        return "then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"
    possible = [
        name
        for name, graph in branches.items()
        if _can_be_read(graph, node, Facts(graph, facts.opset, facts), needed)
    ]
    return possible[0] if len(possible) == 1 else None


def _can_be_read(branch: Any, node: Any, inside: Facts, needed: Mapping[str, int]) -> bool:
    """Return whether a branch's outputs can have the ranks that what reads them needs."""
    for inner, outer in zip(branch.output, node.output, strict=True):
        shape = inside.shape(inner.name)
        if outer in needed and shape is not None and len(shape) != needed[outer]:
            return False
    return True


def _inlined(node: Any, branch: Any, taken: set[str]) -> Iterator[Any]:
    """Give a branch's nodes, and its outputs under the If's names; two branches may use one name."""
    import onnx

    made = [name for each in branch.node for name in each.output] + [t.name for t in branch.initializer]
    other = {}
    for name in made:
        if name in taken:
            other[name] = name
            while other[name] in taken:
                other[name] += "_"
        taken.add(other.get(name, name))
    for tensor in branch.initializer:
        tensor.name = other.get(tensor.name, tensor.name)
    for each in branch.node:
        _rename(each, other)
        yield each
    for inner, outer in zip(branch.output, node.output, strict=True):
        if outer:
            yield onnx.helper.make_node("Identity", [other.get(inner.name, inner.name)], [outer])


def _rename(node: Any, other: Mapping[str, str]) -> None:
    """Rename what a node reads and makes, in its inner graphs what is not made there itself too."""
    node.input[:] = [other.get(name, name) for name in node.input]
    node.output[:] = [other.get(name, name) for name in node.output]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            own = {name for each in attribute.g.node for name in each.output}
            own |= {each.name for each in (*attribute.g.initializer, *attribute.g.input)}
            outer = {name: new for name, new in other.items() if name not in own}
            for each in attribute.g.node:
                _rename(each, outer)
            for output in attribute.g.output:
                output.name = outer.get(output.name, output.name)


def _names_of(graph: Any) -> set[str]:
    """Return every name that is made in a graph itself, or goes into it."""
    names = {name for node in graph.node for name in node.output if name}
    return names | {each.name for each in (*graph.initializer, *graph.input)}
