"""An ONNX graph as a net of units: each layer with the BatchNorm after it folded in, and what feeds it.

What lies between units (activations, pools, sums) is looked through; of Split, Slice and Concat is kept
which channels they take and where they put them, because that is all that tells like branches apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.parity.onnx_graphs import image_input
from triport.reference_models.kinds import KINDS, kind_of_operator

if TYPE_CHECKING:
    import onnx

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
    return _Reader(model).units


class _Reader:
    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import helper, numpy_helper

        graph = model.graph
        self.units: list[Unit] = []
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        # of a constant that was computed: the initializer that it was computed from
        self._origin = {name: name for name in self._values}
        self._made_by: dict[str, int] = {}
        images = image_input(graph)
        self._sources: dict[str, Sources] = {images: frozenset({(IMAGES, ())})}
        self._channels: dict[str, int | None] = {images: 3}
        self._readers = Counter(name for node in graph.node for name in node.input)
        self._readers.update(value.name for value in graph.output)
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            self._read(node, attributes)

    def _read(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        if self._read_constant(node, attributes) or self._read_affine(node, attributes):
            return
        if self._read_layer(node, attributes):
            return
        if node.op_type in ("Shape", "Size") or not node.input:
            return
        if node.op_type in ("Split", "Slice", "Concat"):
            self._read_channels(node, attributes)
            return
        read = list(node.input) if node.op_type in _OF_ALL_INPUTS else list(node.input[:1])
        known = [name for name in read if name in self._sources]
        if not known:
            return
        for output in node.output:
            self._sources[output] = frozenset().union(*(self._sources[name] for name in known))
            self._channels[output] = max((self._channels[name] or 0 for name in known), default=0) or None

    def _read_constant(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> bool:
        from onnx import numpy_helper

        if node.op_type == "Constant":
            value = attributes.get("value")
            array = numpy_helper.to_array(value) if value is not None else next(iter(attributes.values()), 0)
            self._values[node.output[0]] = np.asarray(array)
            return True
        if node.op_type == "Shape" and node.input[0] in self._sources:
            channels = self._channels[node.input[0]]
            shape = np.array([np.nan, channels or np.nan, np.nan, np.nan])
            self._values[node.output[0]] = shape[attributes.get("start", 0) : attributes.get("end")]
            return True
        if node.op_type in _OF_SIZES and all(name in self._values for name in node.input):
            values = [self._values[name] for name in node.input]
            self._values[node.output[0]] = _OF_SIZES[node.op_type](values)
            return True
        if node.op_type not in ("Identity", "Transpose", "Cast") or node.input[0] not in self._values:
            return False
        array = self._values[node.input[0]]
        if node.op_type == "Transpose":
            array = array.transpose(attributes.get("perm"))
        self._values[node.output[0]] = array
        if node.input[0] in self._origin:
            self._origin[node.output[0]] = self._origin[node.input[0]]
        return True

    def _read_layer(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> bool:
        constants = [self._values.get(name) for name in node.input[1:]]
        if not constants or constants[0] is None or node.input[0] not in self._sources:
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
        self._add(unit, node.output[0])
        return True

    def _layer(
        self,
        kind: str,
        weight: np.ndarray | None,
        rest: list[Any],
        how: tuple[Any, ...],
        node: onnx.NodeProto,
    ) -> Unit:
        count = len(weight) if weight is not None else len(rest[0])
        bias = rest[0] if rest and rest[0] is not None else np.zeros(count)
        names = [self._origin[name] for name in node.input[1:] if name in self._origin]
        return Unit(
            kind,
            weight,
            np.ones(count),
            np.broadcast_to(bias.astype(np.float64), (count,)),
            how,
            self._sources[node.input[0]],
            node.output[0],
            names,
        )

    def _read_affine(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> bool:
        """Fold a BatchNorm, or a sum or product with one constant per channel, into the unit before it."""
        at = next((name for name in node.input if name in self._made_by), None)
        if at is None or self._readers[at] != 1:
            return False
        index = self._made_by[at]
        unit = self.units[index]
        others = [name for name in node.input if name != at]
        if kind_of_operator(node.op_type) is KINDS["norm"] and node.input[0] == at:
            if any(name not in self._values for name in others):
                return False
            self._normalise(unit, node, attributes)
        elif node.op_type in _CHANNEL_AFFINE and len(others) == 1 and others[0] in self._values:
            value = self._values[others[0]].astype(np.float64)
            # a division by the layer's output is no affine step of it
            if value.size != unit.channels or (node.op_type in ("Sub", "Div") and node.input[0] != at):
                return False
            _CHANNEL_AFFINE[node.op_type](unit, value.reshape(-1))
            unit.names += [self._origin[name] for name in others if name in self._origin]
        else:
            return False
        del self._made_by[at]
        self._register(unit, index, node.output[0])
        return True

    def _normalise(self, unit: Unit, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        gamma, beta, mean, variance = (self._values[name].astype(np.float64) for name in node.input[1:5])
        unit.add(-mean)
        unit.multiply(gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5)))
        unit.add(beta)
        unit.names += [self._origin[name] for name in node.input[1:5] if name in self._origin]

    def _add(self, unit: Unit, output: str) -> None:
        self.units.append(unit)
        self._register(unit, len(self.units) - 1, output)

    def _register(self, unit: Unit, index: int, output: str) -> None:
        unit.output = output
        self._made_by[output] = index
        self._sources[output] = frozenset({(index, ())})
        self._channels[output] = unit.channels

    def _read_channels(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        if node.op_type == "Concat":
            self._read_concat(node, attributes)
            return
        given = node.input[0]
        if given not in self._sources:
            return
        channels = self._channels[given]
        for output, (start, count) in zip(node.output, self._taken(node, attributes, channels), strict=False):
            self._sources[output] = _extended(self._sources[given], "take", start)
            self._channels[output] = count

    def _taken(
        self, node: onnx.NodeProto, attributes: dict[str, Any], channels: int | None
    ) -> list[tuple[int | None, int | None]]:
        """Return the first channel and the number of channels of each output; None: all of them."""
        if node.op_type == "Split":
            if attributes.get("axis", 0) not in (1, -3):
                return [(None, channels)] * len(node.output)
            sizes = self._values.get(node.input[1]) if len(node.input) > 1 else attributes.get("split")
            if sizes is None:
                count = -(-(channels or 0) // len(node.output))
                sizes = [count] * len(node.output)
            starts = np.cumsum([0, *sizes])
            return [(int(start), int(size)) for start, size in zip(starts, sizes, strict=False)]
        values = [self._values.get(name) for name in node.input[1:4]]
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

    def _read_concat(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        sources: set[tuple[int, Way]] = set()
        start = 0
        for name in node.input:
            if name in self._sources:
                put = start if attributes.get("axis") in (1, -3) else None
                sources |= _extended(self._sources[name], "put", put)
            start += self._channels.get(name) or 0
        if sources:
            self._sources[node.output[0]] = frozenset(sources)
            self._channels[node.output[0]] = start


def _extended(sources: Sources, what: str, channel: int | None) -> Sources:
    if channel is None:
        return sources
    return frozenset((unit, (*way, (what, channel))) for unit, way in sources)
