"""ONNX operators in the normal form: what each node is beside the others that compute the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from converters.formats import short
from converters.formats.source import FormatError
from converters.graphs.constants import MAX_CONSTANT, Constant, computed, constant_from
from converters.graphs.flow import IMAGES, Step, Value
from converters.graphs.nodes import Node
from converters.graphs.windows import Window, all_of_it, size_after, with_pads_inside


class Parameter(NamedTuple):
    """A parameter by its canonical name; `turned` where a Transpose has exchanged its two axes."""

    name: str
    shape: tuple[int, ...]
    turned: bool = False

    @property
    def path(self) -> str:
        """The module's path."""
        return self.name.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        """Which of the module's parameters."""
        return self.name.rpartition(".")[2]


class Unread(NamedTuple):
    """A value of which nothing is known."""

    name: str


class Pieces(NamedTuple):
    """What SplitToSequence makes."""

    steps: tuple[Step, ...]


class GraphError(FormatError):
    """A graph that cannot be followed."""


_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        ("kernel_shape", "strides", "dilations", "pads", "axes", "perm", "split", "starts", "ends"), list
    ),
    **dict.fromkeys(
        ("group", "axis", "ceil_mode", "count_include_pad", "keepdims", "to", "start", "end"), int
    ),
    **dict.fromkeys(("transA", "transB", "training_mode", "spatial"), int),
    **dict.fromkeys(("epsilon", "alpha", "beta", "min", "max"), float),
    **dict.fromkeys(("auto_pad", "mode"), str),
    "value": (Constant, Unread, float),
}

Known = Step | Constant | Parameter | Unread | Pieces


class Asked(NamedTuple):
    """A node with what its inputs are known to be."""

    op: str
    told: dict[str, Any]
    inputs: tuple[Known | None, ...]
    origin: str
    outputs: int

    def constant(self, index: int) -> np.ndarray | None:
        """Return an input that is a constant without free sizes."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, Constant) or np.isnan(value.values).any():
            return None
        return value.values

    def numbers(self, index: int, name: str = "") -> list[int] | None:
        """Return whole numbers: an attribute's, or those of an input that is a constant."""
        if name in self.told:
            return [int(one) for one in self.told[name]]
        value = self.constant(index)
        if value is None or not np.isfinite(value).all():
            return None
        return [int(one) for one in value.reshape(-1)]

    def step(self, index: int = 0) -> Step | None:
        """Return an input that depends on the images."""
        value = self.inputs[index] if index < len(self.inputs) else None
        return value if isinstance(value, Step) else None

    def parameter(self, index: int) -> Parameter | None:
        """Return an input that is a parameter."""
        value = self.inputs[index] if index < len(self.inputs) else None
        return value if isinstance(value, Parameter) else None


Rule = Callable[[Asked], "Known | list[Known] | None"]


def read_node(values: dict[str, Known], read: Node) -> None:
    """Make a node's outputs known.

    Raises:
        GraphError: an attribute is of another kind than its name's in ONNX.
    """
    for name, value in read.told.items():
        if not isinstance(value, _KINDS.get(name, object)):
            raise GraphError(
                f"the attribute '{short(name)}' of the {short(read.op)} node '{short(read.name)}' is of another "
                f"kind than ONNX gives it: the file is damaged"
            )
    inputs = tuple(values.get(name) if name else None for name in read.inputs)
    origin = short(read.name or (read.outputs[0] if read.outputs else ""))
    node = Asked(read.op, read.told, inputs, origin, len(read.outputs))
    own = read.domain in ("", "ai.onnx")
    found = _RULES[node.op](node) if own and node.op in _RULES else None
    if found is None and own and all(one is None or isinstance(one, Constant) for one in inputs):
        found = computed(node.op, node.told, [one if isinstance(one, Constant) else None for one in inputs])
    if found is None:
        found = _any_other(node if own else node._replace(op=f"{short(read.domain)}.{node.op}"))
    several = found if isinstance(found, list) else [found]
    for index, name in enumerate(read.outputs):
        if name:
            values[name] = several[index] if index < len(several) else Unread(short(name))


def _any_other(node: Asked) -> list[Known]:
    """Return a step of which only the name, the attributes and the inputs are known."""
    steps = [step for one in node.inputs if (step := _as_step(one)) is not None]
    if not any(isinstance(one, Step | Parameter) for one in node.inputs):
        return [Unread(node.origin)]
    attributes = {name: _plain(one) for name, one in node.told.items()}
    for index, one in enumerate(node.inputs):
        if isinstance(one, Constant):
            attributes[f"input{index}"] = _plain(one.values)
    shapes = [step.shape for step in steps if step.shape]
    shape = shapes[0] if len(shapes) == 1 else ()
    found = Step(node.op.lower(), attributes, tuple(steps), origin=node.origin, shape=shape)
    if node.outputs == 1:
        return [found]
    return [
        Step(f"output{index}", {}, (found,), origin=node.origin, shape=()) for index in range(node.outputs)
    ]


def _as_step(value: Known | None) -> Step | None:
    if isinstance(value, Step):
        return value
    if isinstance(value, Parameter):
        return Step(f"parameter {value.name}")
    if isinstance(value, Unread):
        return Step("something", {"name": value.name})
    if isinstance(value, Pieces):
        return Step("sequence", {}, value.steps)
    return None


def _plain(value: Any) -> Value:
    """Return an attribute as the normal form has it."""
    if isinstance(value, Constant):
        value = value.values
    if isinstance(value, str | Unread):
        return short(str(value))
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        return short(str(value))
    flat = tuple(float(f"{one:.6g}") for one in array.reshape(-1)[:16])
    return flat[0] if len(flat) == 1 else flat


def _conv(node: Asked) -> Known | None:
    x, weight = node.step(), node.parameter(1)
    if x is None or weight is None or weight.leaf != "weight" or len(weight.shape) != 4:
        return None
    window, bias = Window.of(node.told, weight.shape[2:], x), _bias_of(node, 2, weight)
    if window is None or bias is None:
        return None
    x, window = with_pads_inside(x, window, (0.0,))
    attributes = window.attributes(with_kernel=False) | bias
    if (group := node.told.get("group", 1)) != 1:
        attributes["group"] = float(group)
    shape = (None, weight.shape[0], *size_after(x, window))
    return Step("conv", attributes, (x,), weight.path, node.origin, shape)


def _bias_of(node: Asked, index: int, weight: Parameter) -> dict[str, Value] | None:
    """Return what a layer is told of its bias: that it has its own, or none, or (None) that it is another's.

    Zeros all over are none: exporters make them up.
    """
    bias = node.inputs[index] if index < len(node.inputs) else None
    if bias is None or (isinstance(bias, Constant) and not bias.values.any()):
        return {}
    return {"bias": 1.0} if isinstance(bias, Parameter) and bias.name == f"{weight.path}.bias" else None


def _norm(node: Asked) -> Known | list[Known] | None:
    x, weight = node.step(), node.parameter(1)
    leaves = ("weight", "bias", "running_mean", "running_var")
    read = [node.parameter(index) for index in range(1, 5)]
    if (
        x is None
        or weight is None
        or [one and one.name for one in read] != [f"{weight.path}.{leaf}" for leaf in leaves]
    ):
        return None
    if node.told.get("spatial", 1) != 1:
        return None
    attributes: dict[str, Value] = {"epsilon": float(f"{node.told.get('epsilon', 1e-5):.6g}")}
    if node.told.get("training_mode", 0) or node.told.get("is_test") == 0:
        attributes["training"] = 1.0
    return [Step("norm", attributes, (x,), weight.path, node.origin, x.shape)]


def _dense(node: Asked) -> Known | None:
    x, weight = node.step(), node.parameter(1)
    if x is None or weight is None or len(weight.shape) != 2 or weight.leaf != "weight":
        return None
    told = node.told
    bias: dict[str, Value] | None = {}
    if node.op == "Gemm":
        turned = weight.turned != bool(told.get("transB", 0))
        plain = not told.get("transA", 0) and told.get("alpha", 1.0) == told.get("beta", 1.0) == 1.0
        bias = _bias_of(node, 2, weight)
        if not turned or not plain or bias is None:
            return None
    elif not weight.turned:
        return None
    return Step("dense", bias, (x,), weight.path, node.origin, (None, weight.shape[0]))


def _sum(node: Asked) -> Known | None:
    """An addition: a layer's own bias belongs to the layer, and adding nothing is nothing."""
    if len(node.inputs) != 2:
        return None
    for index in (0, 1):
        x, other = node.step(index), node.inputs[1 - index]
        if x is None:
            continue
        own = isinstance(other, Parameter) and x.layer is not None and other.name == f"{x.layer}.bias"
        if own and x.op in ("conv", "dense") and "bias" not in x.attributes:
            return replace(x, attributes={**x.attributes, "bias": 1.0})
        if isinstance(other, Constant) and not other.values.any():
            return x
    return _two(node, "add")


def _product(node: Asked) -> Known | None:
    for index in (0, 1):
        x, other = node.step(index), node.constant(1 - index)
        if x is not None and other is not None and (other == 1).all():
            return x
    return _two(node, "mul")


def _two(node: Asked, op: str) -> Known | None:
    a, b = node.step(0), node.step(1)
    if a is None or b is None:
        return None
    shape = (
        a.shape
        if math.prod(one or 0 for one in a.shape[2:]) >= math.prod(one or 0 for one in b.shape[2:])
        else b.shape
    )
    return Step(op, {}, (a, b), origin=node.origin, shape=shape)


def _clip(node: Asked) -> Known | None:
    x = node.step()
    if x is None:
        return None
    low, high = (
        node.told.get(name, float(value) if (value := node.constant(index)) is not None else None)
        for index, name in ((1, "min"), (2, "max"))
    )
    if any(
        index < len(node.inputs) and node.inputs[index] is not None and node.constant(index) is None
        for index in (1, 2)
    ):
        return None
    bounds = {"min": low, "max": high}
    if low == 0 and (high is None or high > 3e38):
        return Step("relu", {}, (x,), origin=node.origin, shape=x.shape)
    told: dict[str, Value] = {name: float(value) for name, value in bounds.items() if value is not None}
    return Step("clip", told, (x,), origin=node.origin, shape=x.shape)


def _pool(node: Asked) -> Known | list[Known] | None:
    x = node.step()
    if x is None or len(x.shape) != 4:
        return None
    op = "maxpool" if node.op == "MaxPool" else "avgpool"
    window = Window.of(node.told, tuple(node.told.get("kernel_shape", ())), x)
    if window is None:
        return None
    if op == "avgpool" and all_of_it(x, window):
        return [_mean_of(x, node, keep=True)]
    if op == "maxpool":
        # zeros around what is never below zero change no maximum
        before = x.inputs[0] if x.op == "pad" else x
        positive = before.op == "relu" or (before.op == "clip" and before.attributes.get("min") == 0)
        x, window = with_pads_inside(x, window, (-math.inf, 0.0) if positive else (-math.inf,))
        counted = True
    else:
        given = window
        x, window = with_pads_inside(x, window, (0.0,))
        counted = window != given or bool(node.told.get("count_include_pad", 0))
    attributes = window.attributes(with_kernel=True)
    if op == "avgpool" and not counted and any(window.pads):
        attributes["pads_counted"] = 0.0
    shape = (None, x.shape[1], *size_after(x, window))
    found: list[Known] = [Step(op, attributes, (x,), origin=node.origin, shape=shape)]
    return found


def _mean_of(x: Step, node: Asked, keep: bool) -> Step:
    shape = (*x.shape[:2], 1, 1) if keep else x.shape[:2]
    return Step("mean", {}, (x,), origin=node.origin, shape=shape)


def _mean(node: Asked) -> Known | None:
    x = node.step()
    if x is None or len(x.shape) != 4:
        return None
    if node.op == "GlobalAveragePool":
        return _mean_of(x, node, keep=True)
    axes = node.numbers(1, "axes")
    if axes is None or {axis % 4 for axis in axes} != {2, 3}:
        return None
    return _mean_of(x, node, keep=bool(node.told.get("keepdims", 1)))


def _pad(node: Asked) -> Known | None:
    x = node.step()
    pads = node.numbers(1, "pads")
    if x is None or pads is None or len(pads) != 8 or node.told.get("mode", "constant") != "constant":
        return None
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        return None
    value = node.constant(2)
    filled = float(value.reshape(-1)[0]) if value is not None and value.size else node.told.get("value", 0.0)
    if any(pads[index] for index in (0, 1, 4, 5)):
        return None
    if not any(pads):
        return x
    around = tuple(float(pads[index]) for index in (2, 3, 6, 7))
    height, width = x.shape[2:] if len(x.shape) == 4 else (None, None)
    shape = (
        *x.shape[:2],
        None if height is None else int(height + around[0] + around[2]),
        None if width is None else int(width + around[1] + around[3]),
    )
    attributes: dict[str, Value] = {"pads": around}
    if filled:
        attributes["value"] = "-inf" if filled < -3e38 else filled
    return Step("pad", attributes, (x,), origin=node.origin, shape=shape)


def _same_values(node: Asked) -> Known | None:
    """A node that changes nothing of what it is given."""
    value = node.inputs[0] if node.inputs else None
    if node.op == "Dropout" and isinstance(value, Step):
        training = node.constant(2)
        return None if training is not None and training.any() else value
    if node.op == "Cast":  # float32 of float32; of what a Cast has rounded before it is not
        rounded = isinstance(value, Step) and value.op.startswith("cast")
        return (
            value
            if node.told.get("to") == 1 and isinstance(value, Step | Parameter) and not rounded
            else None
        )
    if node.op == "CastLike" and isinstance(value, Step | Constant):
        return value if isinstance(node.inputs[1], Step | Parameter) else None
    return value if isinstance(value, Step | Parameter) else None


def _other_shape(node: Asked) -> Known | None:
    """Flatten, Reshape, Squeeze, Unsqueeze: nothing, of what has one value for each channel."""
    value = node.inputs[0] if node.inputs else None
    if isinstance(value, Parameter):
        return value if node.op != "Flatten" and not value.turned else None
    if not isinstance(value, Step):
        return None
    shape = value.shape
    pooled = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    if not pooled:
        return None
    to = node.numbers(1)
    if node.op == "Reshape" and to is not None:
        wide = len(to) == 4 and to[2] in (1, -1) and to[3] in (1, -1)
        if not (len(to) == 2 or wide) or to[1] not in (shape[1], -1, 0):
            return None
        keep = wide
    elif node.op == "Flatten":
        if node.told.get("axis", 1) not in (1, -3 if len(shape) == 4 else -1):
            return None
        keep = False
    else:
        keep = node.op == "Unsqueeze"
    changed = (*shape[:2], 1, 1) if keep else shape[:2]
    if changed == shape:
        return value
    # a step of its own in memory, the same one in the normal form
    return Step(value.op, value.attributes, value.inputs, value.layer, value.origin, changed)


def _transpose(node: Asked) -> Known | None:
    value, perm = node.inputs[0], tuple(node.told.get("perm", ()))
    if isinstance(value, Parameter):
        if len(value.shape) == 2 and perm in ((), (1, 0)):
            return value._replace(turned=not value.turned)
        return None
    if not isinstance(value, Step):
        return None
    if value.op == IMAGES and perm == (0, 3, 1, 2):  # images laid out as TensorFlow has them
        n, h, w, c = value.shape
        return Step(IMAGES, shape=(n, c, h, w))
    if perm and list(perm) == sorted(perm):
        return value
    return None


def _shape(node: Asked) -> Known | None:
    value = node.inputs[0] if node.inputs else None
    if isinstance(value, Parameter):
        sizes: tuple[int | None, ...] = value.shape[::-1] if value.turned else value.shape
    elif isinstance(value, Step) and value.shape:
        sizes = value.shape
    elif isinstance(value, Constant):
        sizes = value.values.shape
    else:
        return None
    known = [math.nan if size is None else float(size) for size in sizes]
    return Constant(np.array(known[node.told.get("start", 0) : node.told.get("end")]), True)


def _constant(node: Asked) -> Known | None:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.told:
            value = node.told[name]
            return value if isinstance(value, Constant | Unread) else constant_from(value)
    return Unread(node.origin)


def _take(x: Step, start: int, count: int, node: Asked) -> Step:
    if start == 0 and count == x.shape[1]:
        return x
    told: dict[str, Value] = {"start": float(start), "count": float(count)}
    return Step("take", told, (x,), origin=node.origin, shape=(x.shape[0], count, *x.shape[2:]))


def _split(node: Asked) -> Known | list[Known] | None:
    x = node.step()
    if x is None or len(x.shape) < 2 or x.shape[1] is None:
        return None
    axis = node.told.get("axis", 0)
    if axis not in (1, 1 - len(x.shape)):
        return None
    sizes = node.numbers(1, "split")
    channels = x.shape[1]
    scalar = node.op == "SplitToSequence" and (size := node.constant(1)) is not None and not size.ndim
    if sizes is None and (len(node.inputs) > 1 or node.op == "SplitToSequence"):
        return None
    if scalar or sizes is None:
        each = max(sizes[0], 1) if sizes else -(-channels // max(node.outputs, 1))
        sizes = [min(each, channels - start) for start in range(0, channels, each)] if each else []
    if len(sizes) > MAX_CONSTANT or min(sizes, default=0) < 0 or sum(sizes) != channels:
        return None
    pieces = []
    start = 0
    for size in sizes:
        pieces.append(_take(x, start, int(size), node))
        start += int(size)
    return Pieces(tuple(pieces)) if node.op == "SplitToSequence" else list(pieces)


def _piece(node: Asked) -> Known | None:
    pieces, index = node.inputs[0], node.numbers(1)
    if not isinstance(pieces, Pieces) or index is None or len(index) != 1:
        return None
    at = index[0]
    return pieces.steps[at] if -len(pieces.steps) <= at < len(pieces.steps) else None


def _slice(node: Asked) -> Known | None:
    x = node.step()
    if x is None or len(x.shape) < 2 or x.shape[1] is None:
        return None
    starts, ends, axes = (
        node.numbers(index, name) for index, name in enumerate(("starts", "ends", "axes"), 1)
    )
    steps = node.constant(4)
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1 or axes != [1]:
        return None
    if steps is not None and (steps != 1).any():
        return None
    channels = x.shape[1]
    start, end = (one if one >= 0 else one + channels for one in (*starts, *ends))
    start, end = max(min(start, channels), 0), max(min(end, channels), 0)
    return _take(x, start, max(end - start, 0), node)


def _concat(node: Asked) -> Known | None:
    steps = [one for one in node.inputs if isinstance(one, Step)]
    if len(steps) != len(node.inputs) or not steps or len(steps[0].shape) < 2:
        return None
    if node.told.get("axis") not in (1, 1 - len(steps[0].shape)):
        return None
    channels = [step.shape[1] if len(step.shape) > 1 else None for step in steps]
    total = None if None in channels else sum(size for size in channels if size)
    shape = (None, total, *steps[0].shape[2:])
    return Step("concat", {}, tuple(steps), origin=node.origin, shape=shape)


def _one(op: str) -> Rule:
    def rule(node: Asked) -> Known | None:
        x = node.step()
        return Step(op, {}, (x,), origin=node.origin, shape=x.shape) if x is not None else None

    return rule


_RULES: dict[str, Rule] = {
    "Conv": _conv,
    "BatchNormalization": _norm,
    "Gemm": _dense,
    "MatMul": _dense,
    "Add": _sum,
    "Sum": _sum,
    "Mul": _product,
    "Clip": _clip,
    "Relu": _one("relu"),
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _mean,
    "ReduceMean": _mean,
    "Pad": _pad,
    "Identity": _same_values,
    "Dropout": _same_values,
    "Cast": _same_values,
    "CastLike": _same_values,
    "Flatten": _other_shape,
    "Reshape": _other_shape,
    "Squeeze": _other_shape,
    "Unsqueeze": _other_shape,
    "Transpose": _transpose,
    "Shape": _shape,
    "Constant": _constant,
    "Split": _split,
    "SplitToSequence": _split,
    "SequenceAt": _piece,
    "Slice": _slice,
    "Concat": _concat,
}
