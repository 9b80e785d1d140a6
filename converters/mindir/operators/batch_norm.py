"""BatchNorm at inference."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value

from . import mindir_operator


@mindir_operator("BatchNorm")
def batch_norm(call: Call, builder: Builder) -> tuple[Value | None, ...]:
    """Normalise with the moving statistics; kept unfolded, so that all four parameters stay."""
    x, scale, bias, mean, variance = (call.tensor(index) for index in range(5))
    call.require("is_training", call.constant(5), False)
    epsilon = call.constant(6)
    call.constant(7)  # momentum: only training uses it
    call.require("format", call.constant(8), 0, "NCHW")
    y = builder.add("BatchNormalization", [x, scale, bias, mean, variance], call.types[0], epsilon=epsilon)
    return (y, None, None, None, None)  # the statistics, which inference does not read
