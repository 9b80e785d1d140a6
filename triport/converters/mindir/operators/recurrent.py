"""Recurrent layers."""

from __future__ import annotations

import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

BOTH_DIRECTIONS = "it runs in both directions in one operator; use one LSTM for each"
OTHER_WEIGHTS = "it has {found} packed weights, expected {expected}"

# the order of an LSTM's gates: MindSpore's is input, forget, cell, output; ONNX's input, output, forget, cell
GATES = (0, 3, 1, 2)


@mindir_operator(
    "LSTM", takes={"num_layers": (1,), "proj_size": (0,)}, refuses=(BOTH_DIRECTIONS, OTHER_WEIGHTS)
)
def lstm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Run one layer over (time, N, features); its weights come packed into one column.

    For each direction the column holds the input weights, then for each the hidden ones, then biases.
    """
    x, hidden, cell, packed = (call.tensor(index) for index in range(4))
    call.require("num_layers", call.attribute("num_layers"))
    call.require("proj_size", call.attribute("proj_size", 0))
    call.ignore("dropout", why="between layers, of which there is one")
    call.ignore("input_size", why="the input's shape says it")
    size, bidirectional = call.attribute("hidden_size"), bool(call.attribute("bidirectional"))
    directions, features = 2 if bidirectional else 1, x.shape[2]
    has_bias = bool(call.attribute("has_bias"))
    if bidirectional:
        raise call.unsupported(BOTH_DIRECTIONS)
    lengths = [4 * size * features, 4 * size * size]
    if has_bias:
        lengths.append(4 * size)
    if packed.shape[0] != sum(lengths):
        raise call.unsupported(OTHER_WEIGHTS, found=packed.shape[0], expected=sum(lengths))
    pieces = []
    start = 0
    for length in lengths:
        type_ = TensorType(x.type.elem_type, (length, 1, 1))
        bounds = [builder.constant([n]) for n in (start, start + length, 0)]
        pieces.append(builder.add("Slice", [packed, *bounds], type_))
        start += length
    widths = [features, size, 1]
    weights = [_reorder(builder, piece, size, width) for piece, width in zip(pieces, widths, strict=False)]
    inputs: list[TypedValue | None] = [x, weights[0], weights[1]]
    if has_bias:
        bias = builder.add("Reshape", [weights[2], builder.constant([1, 4 * size])], _shaped(x, 1, 4 * size))
        inputs.append(
            builder.add("Concat", [bias, builder.zeros((1, 4 * size), x)], _shaped(x, 1, 8 * size), axis=1)
        )
    else:
        inputs.append(None)
    inputs.append(None)  # sequence lengths
    states = [_is_zero(builder, state) for state in (hidden, cell)]
    inputs += [None if zero else state for zero, state in zip(states, (hidden, cell), strict=True)]
    while inputs and inputs[-1] is None:
        inputs.pop()
    steps, batch, _ = x.shape
    types = [
        _shaped(x, steps, directions, batch, size),
        _shaped(x, directions, batch, size),
        _shaped(x, directions, batch, size),
    ]
    y, last_hidden, last_cell = builder.add_many("LSTM", inputs, types, hidden_size=size)
    return builder.squeeze(y, [1]), last_hidden, last_cell, None, None


def _shaped(like: TypedValue, *shape: int) -> TensorType:
    return TensorType(like.type.elem_type, shape)


def _reorder(builder: Builder, piece: TypedValue, size: int, width: int) -> TypedValue:
    """Return a piece of the packed weights as (1, 4 * size, width), its gates in ONNX's order."""
    gates = builder.constant([4, size, width])
    y = builder.add("Reshape", [piece, gates], _shaped(piece, 4, size, width))
    y = builder.add("Gather", [y, builder.constant(GATES)], _shaped(piece, 4, size, width), axis=0)
    whole = builder.constant([1, 4 * size, width])
    return builder.add("Reshape", [y, whole], _shaped(piece, 1, 4 * size, width))


def _is_zero(builder: Builder, value: TypedValue) -> bool:
    array = builder.get_array(value)
    return array is not None and value.type.elem_type == onnx.TensorProto.FLOAT and not array.any()
