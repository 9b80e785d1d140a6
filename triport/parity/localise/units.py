"""An ONNX graph as a net of units: each layer with the BatchNorm after it folded in, and what feeds it.

What lies between units (activations, pools, sums) is looked through; of Split, Slice and Concat is kept
which channels they take and where they put them, because that is all that tells like branches apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.parity.onnx_graphs import image_input
from triport.reference_models.kinds import KINDS, kind_of_operator

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

# ("take" or "put", the first channel), in the order in which they happen on the way between two units
Way = tuple[tuple[str, int], ...]
# Units by index, or -1 for the images, and the way from there
Sources = frozenset[tuple[int, Way]]

IMAGES = -1
_OF_ALL_INPUTS = {"Add", "Sub", "Mul", "Div", "Sum", "Max", "Min"}
_CHANNEL_AFFINE: dict[str, Callable[[Unit, np.ndarray], None]] = {
    "Mul": lambda unit, value: unit.multiply(value),
    "Div": lambda unit, value: unit.multiply(1 / value),
    "Add": lambda unit, value: unit.add(value),
    "Sub": lambda unit, value: unit.add(-value),
}
# ONNX's numbers of float32, float16, float64 and bfloat16
_FLOATS = (1, 10, 11, 16)
# How exporters compute where a slice begins, from the shape of what is sliced. NaN: a size not known.
_OF_SIZES: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "Gather": lambda values: values[0][values[1].astype(int)],
    "Add": lambda values: values[0] + values[1],
    "Sub": lambda values: values[0] - values[1],
    "Mul": lambda values: values[0] * values[1],
    "Div": lambda values: values[0] // values[1],
    "Unsqueeze": lambda values: np.atleast_1d(values[0]),
    "Squeeze": lambda values: np.squeeze(values[0]),
}


@dataclass(slots=True, eq=False)
class Unit:
    """A layer and the affine steps after it: output channel c is scale[c] * (weight[c] . x) + bias[c].

    `weight` is (out, in / groups, height, width) or (out, in), None for a BatchNorm that follows no layer.
    `bias_size` is the sum of the sizes of the bias's terms, which bounds its rounding. `names` are those of
    the initializers that went in; `output` is the tensor that it ends in.
    """

    kind: str
    weight: np.ndarray | None
    scale: np.ndarray
    bias: np.ndarray
    attributes: tuple[Any, ...]
    sources: Sources
    output: str
    names: list[str] = field(default_factory=list)
    bias_size: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.bias_size = np.abs(self.bias)

    @property
    def channels(self) -> int:
        """How many it returns."""
        return len(self.bias)

    @property
    def label(self) -> tuple[Any, ...]:
        """What two units must share to be one: kind, shape, stride, groups."""
        return (
            self.kind,
            self.weight.shape if self.weight is not None else (self.channels,),
            self.attributes,
        )

    @property
    def modules(self) -> list[str]:
        """The module paths of its initializers, where these have canonical names."""
        return list(dict.fromkeys(name.rpartition(".")[0] for name in self.names))

    def folded(self) -> np.ndarray:
        """Return scale * weight in float64."""
        if self.weight is None:
            return self.scale
        return self.weight * self.scale.reshape(-1, *[1] * (self.weight.ndim - 1))

    def multiply(self, value: np.ndarray) -> None:
        """Let an output be multiplied."""
        self.scale, self.bias = self.scale * value, self.bias * value
        self.bias_size = self.bias_size * np.abs(value)

    def add(self, value: np.ndarray) -> None:
        """Let something be added to the output."""
        self.bias, self.bias_size = self.bias + value, self.bias_size + np.abs(value)


def units_of(model: onnx.ModelProto) -> list[Unit]:
    """Return the units of a graph in the order in which they run."""
    import onnx_ir as ir

    return _Reader(ir.from_proto(model).graph).units


class _Reader:
    """Reads a graph's nodes in order; what it knows of a value is kept by the value."""

    def __init__(self, graph: ir.Graph) -> None:
        self.units: list[Unit] = []
        self._values: dict[ir.Value | None, np.ndarray] = {
            value: value.const_value.numpy()
            for value in graph.initializers.values()
            if value.const_value is not None
        }
        # of a constant that was computed: the initializer that it was computed from
        self._origin = {value: str(value.name) for value in self._values if value is not None}
        self._made_by: dict[ir.Value, int] = {}
        images = image_input(graph)
        self._sources: dict[ir.Value | None, Sources] = {images: frozenset({(IMAGES, ())})}
        self._channels: dict[ir.Value | None, int | None] = {images: 3}
        for node in graph:
            self._read(node, {one.name: one.value for one in node.attributes.values()})

    def _read(self, node: ir.Node, attributes: dict[str, Any]) -> None:
        if self._read_constant(node, attributes) or self._read_affine(node, attributes):
            return
        if self._read_layer(node, attributes):
            return
        if node.op_type in ("Shape", "Size") or not node.inputs:
            return
        if node.op_type in ("Split", "Slice", "Concat"):
            self._read_channels(node, attributes)
            return
        read = node.inputs if node.op_type in _OF_ALL_INPUTS else node.inputs[:1]
        known = [value for value in read if value in self._sources]
        if not known:
            return
        for output in node.outputs:
            self._sources[output] = frozenset().union(*(self._sources[value] for value in known))
            self._channels[output] = max((self._channels[value] or 0 for value in known), default=0) or None

    def _read_constant(self, node: ir.Node, attributes: dict[str, Any]) -> bool:
        if node.op_type == "Constant":
            value = attributes.get("value")
            array = value.numpy() if value is not None else next(iter(attributes.values()), 0)
            self._values[node.outputs[0]] = np.asarray(array)
            return True
        if node.op_type == "Shape" and node.inputs[0] in self._sources:
            channels = self._channels[node.inputs[0]]
            shape = np.array([np.nan, channels or np.nan, np.nan, np.nan])
            self._values[node.outputs[0]] = shape[attributes.get("start", 0) : attributes.get("end")]
            return True
        if node.op_type in _OF_SIZES and all(value in self._values for value in node.inputs):
            values = [self._values[value] for value in node.inputs]
            self._values[node.outputs[0]] = _OF_SIZES[node.op_type](values)
            return True
        given = node.inputs[0] if node.inputs else None
        if (
            node.op_type not in ("Identity", "Transpose", "Cast")
            or given is None
            or given not in self._values
        ):
            return False
        array = self._values[given]
        if node.op_type == "Transpose":
            array = array.transpose(attributes.get("perm"))
        self._values[node.outputs[0]] = array
        if given in self._origin:
            self._origin[node.outputs[0]] = self._origin[given]
        return True

    def _read_layer(self, node: ir.Node, attributes: dict[str, Any]) -> bool:
        constants = [self._values.get(value) for value in node.inputs[1:]]
        if not constants or constants[0] is None or node.inputs[0] not in self._sources:
            return False
        weight, kind = constants[0], kind_of_operator(node.op_type)
        if kind is KINDS["conv"]:
            ones = [1] * (weight.ndim - 2)
            place = tuple(tuple(attributes.get(name, ones)) for name in ("strides", "dilations"))
            how: tuple[Any, ...] = (*place, attributes.get("group", 1))
            unit = self._layer("conv", weight, constants[1:], how, node)
        elif kind is KINDS["dense"] and node.op_type == "Gemm" and not attributes.get("transA"):
            weight = weight if attributes.get("transB") else weight.T
            unit = self._layer("dense", weight, constants[1:], (), node)
            unit.scale = unit.scale * attributes.get("alpha", 1.0)
        elif node.op_type == "MatMul" and weight.ndim == 2:
            unit = self._layer("dense", weight.T, [], (), node)
        elif kind is KINDS["norm"] and len(constants) >= 4:
            count = len(weight)
            unit = self._layer("norm", None, [np.zeros(count)], (), node)
            unit.names.clear()
            self._normalise(unit, node, attributes)
        else:
            return False
        self._add(unit, node.outputs[0])
        return True

    def _layer(
        self,
        kind: str,
        weight: np.ndarray | None,
        rest: list[Any],
        how: tuple[Any, ...],
        node: ir.Node,
    ) -> Unit:
        count = len(weight) if weight is not None else len(rest[0])
        bias = rest[0] if rest and rest[0] is not None else np.zeros(count)
        names = self._names(node.inputs[1:])
        return Unit(
            kind,
            weight,
            np.ones(count),
            np.broadcast_to(bias.astype(np.float64), (count,)),
            how,
            self._sources[node.inputs[0]],
            str(node.outputs[0].name),
            names,
        )

    def _names(self, values: Sequence[ir.Value | None]) -> list[str]:
        """Return which initializers constants come from."""
        return [self._origin[value] for value in values if value is not None and value in self._origin]

    def _read_affine(self, node: ir.Node, attributes: dict[str, Any]) -> bool:
        """Fold a BatchNorm, or a sum or product with a constant per channel, into the unit before it."""
        at = next((value for value in node.inputs if value in self._made_by), None)
        if at is None or len(at.uses()) + at.is_graph_output() != 1:
            return False
        index = self._made_by[at]
        unit = self.units[index]
        others = [value for value in node.inputs if value is not at]
        if node.op_type == "Identity" or (node.op_type == "Cast" and attributes.get("to") in _FLOATS):
            pass  # the same values, perhaps rounded
        elif kind_of_operator(node.op_type) is KINDS["norm"] and node.inputs[0] is at:
            if any(value not in self._values for value in others):
                return False
            self._normalise(unit, node, attributes)
        elif node.op_type in _CHANNEL_AFFINE and len(others) == 1 and others[0] in self._values:
            value = self._values[others[0]].astype(np.float64)
            # a division by the layer's output is no affine step of it
            if value.size != unit.channels or (node.op_type in ("Sub", "Div") and node.inputs[0] is not at):
                return False
            _CHANNEL_AFFINE[node.op_type](unit, value.reshape(-1))
            unit.names += self._names(others)
        else:
            return False
        del self._made_by[at]
        self._register(unit, index, node.outputs[0])
        return True

    def _normalise(self, unit: Unit, node: ir.Node, attributes: dict[str, Any]) -> None:
        gamma, beta, mean, variance = (self._values[value].astype(np.float64) for value in node.inputs[1:5])
        unit.add(-mean)
        unit.multiply(gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5)))
        unit.add(beta)
        unit.names += self._names(node.inputs[1:5])

    def _add(self, unit: Unit, output: ir.Value) -> None:
        self.units.append(unit)
        self._register(unit, len(self.units) - 1, output)

    def _register(self, unit: Unit, index: int, output: ir.Value) -> None:
        unit.output = str(output.name)
        self._made_by[output] = index
        self._sources[output] = frozenset({(index, ())})
        self._channels[output] = unit.channels

    def _read_channels(self, node: ir.Node, attributes: dict[str, Any]) -> None:
        if node.op_type == "Concat":
            self._read_concat(node, attributes)
            return
        given = node.inputs[0]
        if given not in self._sources:
            return
        channels = self._channels[given]
        for output, (start, count) in zip(
            node.outputs, self._taken(node, attributes, channels), strict=False
        ):
            self._sources[output] = _extended(self._sources[given], "take", start)
            self._channels[output] = count

    def _taken(
        self, node: ir.Node, attributes: dict[str, Any], channels: int | None
    ) -> list[tuple[int | None, int | None]]:
        """Return the first channel and the number of channels of each output; None: all of them."""
        if node.op_type == "Split":
            if attributes.get("axis", 0) not in (1, -3):
                return [(None, channels)] * len(node.outputs)
            sizes = self._values.get(node.inputs[1]) if len(node.inputs) > 1 else attributes.get("split")
            if sizes is None:
                count = -(-(channels or 0) // len(node.outputs))
                sizes = [count] * len(node.outputs)
            starts = np.cumsum([0, *sizes])
            return [(int(start), int(size)) for start, size in zip(starts, sizes, strict=False)]
        values = [self._values.get(value) for value in node.inputs[1:4]]
        starts = values[0] if len(values) > 0 else attributes.get("starts")
        ends = values[1] if len(values) > 1 else attributes.get("ends")
        axes = values[2] if len(values) > 2 else attributes.get("axes", range(len(starts or ())))
        if starts is None or ends is None or axes is None or 1 not in list(axes):
            return [(None, channels)]
        at = list(axes).index(1)
        if np.isnan(starts[at]) or np.isnan(ends[at]):
            return [(None, None)]
        known = channels or 1 << 62
        start, end = (int(v[at]) if v[at] >= 0 else int(v[at]) + known for v in (starts, ends))
        return [(start, min(end, known) - start)]

    def _read_concat(self, node: ir.Node, attributes: dict[str, Any]) -> None:
        sources: set[tuple[int, Way]] = set()
        start = 0
        for value in node.inputs:
            if value in self._sources:
                put = start if attributes.get("axis") in (1, -3) else None
                sources |= _extended(self._sources[value], "put", put)
            start += self._channels.get(value) or 0
        if sources:
            self._sources[node.outputs[0]] = frozenset(sources)
            self._channels[node.outputs[0]] = start


def _extended(sources: Sources, what: str, channel: int | None) -> Sources:
    if channel is None:
        return sources
    return frozenset((unit, (*way, (what, channel))) for unit, way in sources)
