"""How each ONNX operator is written for all images at once, where it was written for one.

A rule is given what the operator reads, with the batch as a further first axis where it depends on the image,
and returns the same of what it makes; None where it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .builder import Builder
from .graph import TensorType
from .values import TypedValue


class ImageValue(NamedTuple):
    """A value, and whether its first axis is the batch: if not, it is the same for each image."""

    value: TypedValue
    is_batched: bool = False


@dataclass(frozen=True, slots=True)
class Batched:
    """A node that was written for one image, of which `types` are the results; inputs are of all images."""

    builder: Builder
    op_type: str
    inputs: Sequence[ImageValue | None]
    attributes: dict[str, Any]
    types: Sequence[TensorType]
    images: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first result, for one image."""
        return self.types[0].shape

    @property
    def rank(self) -> int:
        """The number of axes of the first input, for one image."""
        first = self.inputs[0]
        assert first is not None
        return len(first.value.shape) - first.is_batched

    def is_first_alone(self) -> bool:
        """Return whether the first input depends on the image, and no other does."""
        first, *others = self.inputs
        return first is not None and first.is_batched and not any(one and one.is_batched for one in others)

    def value(self, place: int) -> TypedValue:
        """Return an input."""
        given = self.inputs[place]
        assert given is not None
        return given.value

    def numbers(self, place: int) -> list[int] | None:
        """Return the whole numbers of an input that is a constant, None if it is none."""
        given = self.inputs[place] if place < len(self.inputs) else None
        array = self.builder.get_array(given.value) if given is not None else None
        return None if array is None else [int(number) for number in array.reshape(-1)]

    def write(self, inputs: Sequence[TypedValue | None], **attributes: Any) -> list[TypedValue]:
        """Write the operator, with attributes in the place of those that it had."""
        types = [TensorType(one.elem_type, (self.images, *one.shape)) for one in self.types]
        given = {**self.attributes, **attributes}
        return self.builder.add_many(self.op_type, inputs, types, **given)

    def reshaped(self, x: TypedValue, shape: Sequence[int]) -> TypedValue:
        """Return what has the batch in its first axis with other sizes behind it, one of one image."""
        type_ = TensorType(x.type.elem_type, (self.images, *shape))
        if x.shape == type_.shape:
            return x
        return self.builder.add("Reshape", [x, self.builder.constant([-1, *shape])], type_)

    def lined_up(self, given: ImageValue | None, rank: int) -> TypedValue | None:
        """Return a value that broadcasts with others, whose images have so many axes."""
        if given is None or not given.is_batched:
            return given and given.value
        sizes = given.value.shape[1:]
        missing = rank - len(sizes)
        return self.builder.unsqueeze(given.value, list(range(1, missing + 1))) if missing else given.value

    def spread(self, given: ImageValue) -> TypedValue:
        """Return a value for each image, also where it is the same for all."""
        if given.is_batched:
            return given.value
        whole = TensorType(given.value.type.elem_type, (self.images, *given.value.shape))
        sizes = self.builder.batch_shape([1, *given.value.shape], 0)
        return self.builder.add("Expand", [self.builder.unsqueeze(given.value, [0]), sizes], whole)

    def behind(self, axis: int, rank: int) -> int:
        """Return an axis of one image as it is counted behind the batch."""
        return axis % rank + 1


Rule = Callable[[Batched], list[TypedValue] | None]


def _element_by_element(node: Batched) -> list[TypedValue] | None:
    """Broadcast: what one image has fewer axes of gets them behind the batch."""
    return node.write([node.lined_up(given, len(node.shape)) for given in node.inputs])


def _bounded(node: Batched) -> list[TypedValue] | None:
    """Clip has bounds without axes, which must be the same for each image."""
    return node.write([given and given.value for given in node.inputs]) if node.is_first_alone() else None


def _along_an_axis(node: Batched) -> list[TypedValue] | None:
    """Count the axis behind the batch; before opset 13, Softmax takes all axes from there on."""
    is_old = node.op_type in ("Softmax", "LogSoftmax", "Hardmax") and node.builder.opset < 13
    if is_old or not node.is_first_alone() or "axis" not in node.attributes:
        return None
    inputs = [given and given.value for given in node.inputs]
    return node.write(inputs, axis=node.behind(node.attributes["axis"], node.rank))


def _joined(node: Batched) -> list[TypedValue] | None:
    values = [node.spread(given) for given in node.inputs if given is not None]
    return node.write(values, axis=node.behind(node.attributes["axis"], len(node.shape)))


def _gathered(node: Batched) -> list[TypedValue] | None:
    """Take the same places of each image, or of one table the places that each image says."""
    axis = node.attributes.get("axis", 0) % max(node.rank, 1)
    if node.is_first_alone():
        return node.write([node.value(0), node.value(1)], axis=axis + 1)
    data = node.inputs[0]
    if data is not None and not data.is_batched and axis == 0:
        return node.write([node.value(0), node.value(1)], axis=0)
    return None


def _reshaped(node: Batched) -> list[TypedValue] | None:
    is_known = node.is_first_alone() and 0 not in (*node.shape, *node.value(0).shape)
    return [node.reshaped(node.value(0), node.shape)] if is_known else None


def _transposed(node: Batched) -> list[TypedValue] | None:
    order = node.attributes.get("perm", list(reversed(range(node.rank))))
    return [node.builder.transpose(node.value(0), [0, *(axis + 1 for axis in order)])]


def _axes_of(node: Batched, rank: int) -> list[int] | None:
    """Return the axes that an operator names, behind the batch; those of one image if it names none."""
    named = node.attributes.get("axes") if "axes" in node.attributes else node.numbers(1)
    if named is None:
        has_others = len(node.inputs) > 1 and node.inputs[1] is not None
        return None if has_others else list(range(1, rank + 1))
    return [node.behind(axis, rank) for axis in named]


def _unsqueezed(node: Batched) -> list[TypedValue] | None:
    axes = _axes_of(node, len(node.shape)) if node.is_first_alone() else None
    return None if axes is None else [node.builder.unsqueeze(node.value(0), axes)]


def _squeezed(node: Batched) -> list[TypedValue] | None:
    axes = _axes_of(node, node.rank) if node.is_first_alone() else None
    is_named = "axes" in node.attributes or len(node.inputs) > 1
    return None if axes is None or not is_named else [node.builder.squeeze(node.value(0), axes)]


def _reduced(node: Batched) -> list[TypedValue] | None:
    axes = _axes_of(node, node.rank) if node.is_first_alone() else None
    if (
        axes is None
        or node.attributes.get("noop_with_empty_axes")
        or set(node.attributes) - {"axes", "keepdims"}
    ):
        return None
    keep_dims = bool(node.attributes.get("keepdims", 1))
    return [node.builder.reduce(node.op_type, node.value(0), axes, keep_dims)]


def _sliced(node: Batched) -> list[TypedValue] | None:
    starts, axes = node.numbers(1), node.numbers(3)
    if not node.is_first_alone() or starts is None or (axes is None and len(node.inputs) > 3):
        return None
    named = [node.behind(axis, node.rank) for axis in (range(len(starts)) if axes is None else axes)]
    steps = [node.value(4)] if len(node.inputs) > 4 else []
    return node.write([node.value(0), node.value(1), node.value(2), node.builder.constant(named), *steps])


def _expanded(node: Batched) -> list[TypedValue] | None:
    if not node.is_first_alone():
        return None
    x = node.lined_up(node.inputs[0], len(node.shape))
    return node.write([x, node.builder.constant([1, *node.shape])])


def _tiled(node: Batched) -> list[TypedValue] | None:
    repeats = node.numbers(1)
    if not node.is_first_alone() or repeats is None:
        return None
    return node.write([node.value(0), node.builder.constant([1, *repeats])])


def _padded(node: Batched) -> list[TypedValue] | None:
    pads = node.numbers(1)
    if not node.is_first_alone() or pads is None or len(node.inputs) > 3:
        return None
    begins, ends = pads[: node.rank], pads[node.rank :]
    fill = [node.value(2)] if len(node.inputs) > 2 and node.inputs[2] is not None else []
    return node.write([node.value(0), node.builder.constant([0, *begins, 0, *ends]), *fill])


def _multiplied(node: Batched) -> list[TypedValue] | None:
    """Multiply matrices; vectors have rules of their own in ONNX."""
    ranks = [len(given.value.shape) - given.is_batched for given in node.inputs if given is not None]
    if min(ranks) < 2:
        return None
    return node.write([node.lined_up(given, max(ranks)) for given in node.inputs])


def _in_one_batch(node: Batched) -> list[TypedValue] | None:
    """Let the operator's own first axis hold all images, each of which had one or more places of it."""
    if not node.is_first_alone() or len(node.types) != 1 or node.attributes.get("transA"):
        return None
    if node.op_type == "Gemm" and len(node.inputs) > 2 and node.value(2).shape[:-1] not in ((), (1,)):
        return None
    x = node.value(0)
    before, behind = x.shape[1:], node.shape
    flat = TensorType(x.type.elem_type, (node.images * before[0], *before[1:]))
    rows = node.builder.add("Reshape", [x, node.builder.constant([-1, *before[1:]])], flat)
    others = [given and given.value for given in node.inputs[1:]]
    type_ = TensorType(node.types[0].elem_type, (node.images * behind[0], *behind[1:]))
    made = node.builder.add(node.op_type, [rows, *others], type_, **node.attributes)
    return [node.reshaped(made, behind)]


_ELEMENTWISE = (
    *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Cos"),
    *(
        "Cosh",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
    ),
    *(
        "HardSwish",
        "Identity",
        "IsInf",
        "IsNaN",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mish",
    ),
    *(
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pow",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
    ),
    *(
        "Sin",
        "Sinh",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Where",
        "Xor",
    ),
)
_BATCH_FIRST = (
    *(
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "DepthToSpace",
        "Gemm",
        "GlobalAveragePool",
    ),
    *("GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool", "SpaceToDepth"),
)
_REDUCING = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _element_by_element),
    **dict.fromkeys(_BATCH_FIRST, _in_one_batch),
    **dict.fromkeys((f"Reduce{kind}" for kind in _REDUCING), _reduced),
    **dict.fromkeys(
        ("ArgMax", "ArgMin", "LayerNormalization", "LogSoftmax", "Softmax", "Split", "TopK"), _along_an_axis
    ),
    "Clip": _bounded,
    "Concat": _joined,
    "Expand": _expanded,
    "Flatten": _reshaped,
    "Gather": _gathered,
    "MatMul": _multiplied,
    "Pad": _padded,
    "Reshape": _reshaped,
    "Slice": _sliced,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}
