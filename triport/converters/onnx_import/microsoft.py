"""ONNX Runtime's own operators as those of the standard, by their definition.

Optimisers write nodes of the domain com.microsoft, and layer norms of the standard domain in opsets that
have none. Each becomes standard nodes before shapes are inferred, so that all that follows knows standard
operators alone; `fusing.py` finds the layers in them. What is not listed here, or has an attribute or input
that is not read, stays as it is and is refused where it is translated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

DOMAIN = "com.microsoft"
# the last two axes, of whatever rank
SWAPPED = "...ij->...ji"
_FOREIGN = ("SimplifiedLayerNormalization", "LayerNormalization", "SkipLayerNormalization")
_LAYER_NORM_SINCE = 17
_AXES_AS_INPUT = {"ReduceMean": 18, "Unsqueeze": 13, "Squeeze": 13}


class NotExpandedError(Exception):
    """A node is of a kind that is not read."""


class Expansion:
    """What one node becomes: standard nodes and constants, in the graph's opset."""

    def __init__(self, node: Any, opset: int, tensors: dict[str, Any], label: str) -> None:
        """Begin; `label` is a prefix that no other name of the file has."""
        self.node, self.opset, self.tensors = node, opset, tensors
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._label = label
        self._read = {""}

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute's value."""
        import onnx

        self._read.add(name)
        found = next((a for a in self.node.attribute if a.name == name), None)
        value = default if found is None else onnx.helper.get_attribute_value(found)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def has(self, index: int) -> bool:
        """Return whether an input is given."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def of(self, index: int) -> str:
        """Return an input's name.

        Raises:
            NotExpandedError: it is missing.
        """
        if not self.has(index):
            raise NotExpandedError
        return str(self.node.input[index])

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an input that is stored in the file."""
        tensor = self.tensors.get(self.of(index))
        if tensor is None:
            raise NotExpandedError
        return tuple(tensor.dims)

    def constant(self, value: Any) -> str:
        """Return the name of a new constant."""
        import onnx

        name = f"{self._label}_c{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def number(self, value: float) -> str:
        """Return the name of a new constant of one float32."""
        return self.constant(np.float32(value))

    def put(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return its first output."""
        return self.several(op_type, 1, *inputs, **attributes)[0]

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node and return its outputs."""
        import onnx

        outputs = [f"{self._label}_{len(self.nodes)}_{i}" for i in range(count)]
        axes = attributes.get("axes")
        if axes is not None and self.opset >= _AXES_AS_INPUT.get(op_type, 99):
            del attributes["axes"]
            inputs = (*inputs, self.constant(np.array(axes, np.int64)))
        self.nodes.append(onnx.helper.make_node(op_type, inputs, outputs, **attributes))
        return outputs

    def give(self, index: int, value: str) -> None:
        """Let an output be that value."""
        import onnx

        if index < len(self.node.output) and self.node.output[index]:
            self.nodes.append(onnx.helper.make_node("Identity", [value], [self.node.output[index]]))

    def check(self, inputs: int, outputs: int = 1) -> None:
        """Raise NotExpandedError if something that was given is not read."""
        given = {a.name for a in self.node.attribute}
        more = any(self.has(i) for i in range(inputs, len(self.node.input)))
        if given - self._read or more or any(name for name in self.node.output[outputs:]):
            raise NotExpandedError


Rule = Callable[[Expansion], None]
_RULES: dict[str, Rule] = {}


def _rule(*op_types: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(op_types, rule))
        return rule

    return register


def expanded(proto: Any) -> None:
    """Write nodes of ONNX Runtime's as standard ones, in place, in inner graphs too."""
    opset = max([each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")], default=1)
    if not any(_is_foreign(node, opset) for graph in _graphs(proto.graph) for node in graph.node):
        return
    names = {name for graph in _graphs(proto.graph) for node in graph.node for name in node.output}
    prefix = "expanded"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    count = 0
    tensors = {each.name: each for each in proto.graph.initializer}
    for graph in _graphs(proto.graph):
        nodes, added = [], []
        for node in graph.node:
            rule = _RULES.get(node.op_type) if _is_foreign(node, opset) else None
            if rule is None:
                nodes.append(node)
                continue
            made = Expansion(node, opset, tensors, f"{prefix}{count}")
            count += 1
            try:
                rule(made)
            except NotExpandedError:
                nodes.append(node)
                continue
            for each in made.nodes:
                each.name = node.name
            nodes += made.nodes
            added += made.initializers
        nodes = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(added)


def _is_foreign(node: Any, opset: int) -> bool:
    if node.domain == DOMAIN:
        return True
    old = opset < _LAYER_NORM_SINCE or node.op_type != "LayerNormalization"
    return node.domain in ("", "ai.onnx") and node.op_type in _FOREIGN and old


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


@_rule("FusedConv")
def _fused_conv(made: Expansion) -> None:
    activation, parameters = made.attribute("activation", ""), made.attribute("activation_params", [])
    names = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    attributes = {name: made.attribute(name, None) for name in names}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    bias = [made.of(2)] if made.has(2) else []
    made.check(4)
    y = made.put("Conv", made.of(0), made.of(1), *bias, **attributes)
    if made.has(3):
        y = made.put("Add", y, made.of(3))
    made.give(0, _activated(made, activation, y, list(parameters)))


@_rule("FusedGemm")
def _fused_gemm(made: Expansion) -> None:
    attributes = {name: made.attribute(name, default) for name, default in _GEMM.items()}
    activation = made.attribute("activation", "")
    parameters = [made.attribute(f"activation_{name}", None) for name in ("alpha", "beta", "gamma")]
    made.check(3)
    y = made.put("Gemm", *made.node.input, **attributes)
    made.give(0, _activated(made, activation, y, [p for p in parameters if p is not None]))


_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}


def _activated(made: Expansion, kind: str, x: str, parameters: list[float]) -> str:
    """Return an activation that a node was fused with."""
    if not kind:
        return x
    if kind in ("Relu", "Tanh", "Sigmoid") and not parameters:
        return made.put(kind, x)
    if kind == "LeakyRelu" and len(parameters) == 1:
        return made.put(kind, x, alpha=parameters[0])
    if kind == "HardSigmoid" and len(parameters) == 2:
        return made.put(kind, x, alpha=parameters[0], beta=parameters[1])
    if kind == "Clip" and len(parameters) == 2:
        if made.opset < 11:
            return made.put(kind, x, min=parameters[0], max=parameters[1])
        return made.put(kind, x, made.number(parameters[0]), made.number(parameters[1]))
    raise NotExpandedError


@_rule("FusedMatMul", "TransposeMatMul")
def _fused_matmul(made: Expansion) -> None:
    alpha = made.attribute("alpha", 1.0)
    flags = [made.attribute(name, 0) for name in ("transA", "transB", "transBatchA", "transBatchB")]
    made.check(2)
    if flags[2] or flags[3]:
        raise NotExpandedError
    a, b = (
        made.put("Einsum", made.of(i), equation=SWAPPED) if flag else made.of(i)
        for i, flag in enumerate(flags[:2])
    )
    y = made.put("MatMul", a, b)
    made.give(0, made.put("Mul", y, made.number(alpha)) if alpha != 1 else y)


@_rule("Gelu", "BiasGelu")
def _gelu(made: Expansion) -> None:
    made.check(2)
    x = made.put("Add", made.of(0), made.of(1)) if made.has(1) else made.of(0)
    scaled = made.put("Div", x, made.number(np.sqrt(2)))
    sum_ = made.put("Add", made.put("Erf", scaled), made.number(1))
    made.give(0, made.put("Mul", made.put("Mul", x, sum_), made.number(0.5)))


@_rule("FastGelu")
def _fast_gelu(made: Expansion) -> None:
    made.check(2)
    x = made.put("Add", made.of(0), made.of(1)) if made.has(1) else made.of(0)
    cube = made.put("Mul", made.put("Mul", made.put("Mul", x, x), x), made.number(0.044715))
    inner = made.put("Mul", made.put("Add", x, cube), made.number(np.sqrt(2 / np.pi)))
    sum_ = made.put("Add", made.put("Tanh", inner), made.number(1))
    made.give(0, made.put("Mul", made.put("Mul", x, sum_), made.number(0.5)))


@_rule("QuickGelu")
def _quick_gelu(made: Expansion) -> None:
    alpha = made.attribute("alpha", 1.702)
    made.check(1)
    x = made.of(0)
    gate = x if alpha == 1 else made.put("Mul", x, made.number(alpha))
    made.give(0, made.put("Mul", x, made.put("Sigmoid", gate)))


@_rule("LayerNormalization")
def _layer_norm(made: Expansion) -> None:
    axis, epsilon = made.attribute("axis", -1), made.attribute("epsilon", 1e-5)
    made.attribute("stash_type", 1)
    made.check(3)
    if axis != -1:
        raise NotExpandedError
    made.give(0, _normal(made, made.of(0), made.of(1), made.of(2) if made.has(2) else "", epsilon))


@_rule("SimplifiedLayerNormalization")
def _rms_norm(made: Expansion) -> None:
    axis, epsilon = made.attribute("axis", -1), made.attribute("epsilon", 1e-5)
    made.attribute("stash_type", 1)
    made.check(2)
    if axis != -1:
        raise NotExpandedError
    made.give(0, _rms(made, made.of(0), made.of(1), epsilon))


@_rule("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def _skip_layer_norm(made: Expansion) -> None:
    epsilon = made.attribute("epsilon", 1e-12)
    simplified = made.node.op_type == "SkipSimplifiedLayerNormalization"
    bias = 3 if simplified else 4
    if any(name for name in made.node.output[1:3]):
        raise NotExpandedError
    made.check(bias + 1, 4)
    x = made.put("Add", made.of(0), made.of(1))
    if made.has(bias):
        x = made.put("Add", x, made.of(bias))
    if simplified:
        made.give(0, _rms(made, x, made.of(2), epsilon))
    else:
        made.give(0, _normal(made, x, made.of(2), made.of(3) if made.has(3) else "", epsilon))
    made.give(3, x)


def _normal(made: Expansion, x: str, scale: str, bias: str, epsilon: float) -> str:
    """Return a layer norm over the last axis."""
    if made.opset >= _LAYER_NORM_SINCE:
        return made.put("LayerNormalization", x, scale, *([bias] if bias else []), epsilon=epsilon)
    centred = made.put("Sub", x, made.put("ReduceMean", x, axes=[-1]))
    variance = made.put("ReduceMean", made.put("Mul", centred, centred), axes=[-1])
    root = made.put("Sqrt", made.put("Add", variance, made.number(epsilon)))
    y = made.put("Mul", made.put("Div", centred, root), scale)
    return made.put("Add", y, bias) if bias else y


def _rms(made: Expansion, x: str, scale: str, epsilon: float) -> str:
    mean = made.put("ReduceMean", made.put("Mul", x, x), axes=[-1])
    root = made.put("Sqrt", made.put("Add", mean, made.number(epsilon)))
    return made.put("Mul", made.put("Div", x, root), scale)


@_rule("Attention")
def _attention(made: Expansion) -> None:
    """Self-attention of a packed product: inputs x, weights (in, 3 out), bias, and a mask that is added."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    sizes = made.attribute("qkv_hidden_sizes", [])
    made.attribute("mask_filter_value", -10000.0)
    if made.attribute("unidirectional", 0) or made.has(3) or made.has(4) or not heads:
        raise NotExpandedError
    made.check(6)
    width = made.shape(1)[1]
    sizes = list(sizes) or [width // 3] * 3
    if sum(sizes) != width or any(size % heads for size in sizes):
        raise NotExpandedError
    packed = made.put("MatMul", made.of(0), made.of(1))
    if made.has(2):
        packed = made.put("Add", packed, made.of(2))
    if made.opset >= 13:
        parts = made.several("Split", 3, packed, made.constant(np.array(sizes, np.int64)), axis=2)
    else:
        parts = made.several("Split", 3, packed, axis=2, split=sizes)
    made.give(
        0,
        _attended(
            made, parts, heads, scale or (sizes[0] // heads) ** -0.5, made.of(5) if made.has(5) else ""
        ),
    )


@_rule("MultiHeadAttention")
def _multi_head(made: Expansion) -> None:
    """Attention of queries, keys and values of three axes each."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    made.attribute("mask_filter_value", -10000.0)
    if made.attribute("unidirectional", 0) or made.has(4) or not heads:
        raise NotExpandedError
    made.check(6)
    parts = [made.of(0), made.of(1), made.of(2)]
    if made.has(3):
        width = made.shape(3)[0] // 3
        scale = scale or (width // heads) ** -0.5
        starts = [made.constant(np.array([i * width], np.int64)) for i in range(4)]
        parts = [
            made.put("Add", part, made.put("Slice", made.of(3), starts[i], starts[i + 1]))
            for i, part in enumerate(parts)
        ]
    made.give(0, _attended(made, parts, heads, scale, made.of(5) if made.has(5) else ""))


def _attended(made: Expansion, parts: list[str], heads: int, scale: float, added: str) -> str:
    """Return attention of queries, keys and values (batch, length, features), by heads."""
    split = made.constant(np.array([0, 0, heads, -1], np.int64))
    apart = [made.put("Reshape", part, split) for part in parts]
    query, value = (made.put("Transpose", apart[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    key = made.put("Transpose", apart[1], perm=[0, 2, 3, 1])
    scores = made.put("MatMul", query, key)
    if not scale:
        raise NotExpandedError
    scores = made.put("Mul", scores, made.number(scale))
    if added:
        scores = made.put("Add", scores, added)
    weights = made.put("Softmax", scores, axis=-1 if made.opset >= 13 else 3)
    values = made.put("Transpose", made.put("MatMul", weights, value), perm=[0, 2, 1, 3])
    return made.put("Reshape", values, made.constant(np.array([0, 0, -1], np.int64)))
