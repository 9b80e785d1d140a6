"""BatchNorm at inference."""

from __future__ import annotations

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

BY_BATCH = (
    "it normalises by the mean and variance of the batch that it gets, so that one image's result depends "
    "on the others (training mode, use_batch_statistics=True, or track_running_stats=False): "
    "use moving statistics"
)


@mindir_operator("BatchNorm", takes={"format": (0, 14, "NCHW", "NCDHW")}, refuses=(BY_BATCH,))
def batch_norm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Normalise with the moving statistics; kept unfolded, so that all four parameters stay."""
    inputs = [call.tensor(index) for index in range(5)]
    if call.constant(5):
        raise call.unsupported(BY_BATCH)
    epsilon = call.constant(6)
    call.constant(7)  # momentum: only training uses it
    call.require("format", call.constant(8))
    y = builder.add("BatchNormalization", inputs, call.types[0], epsilon=epsilon)
    return (y, None, None, None, None)  # the statistics, which inference does not read


@mindir_operator("BatchNormExt", refuses=(BY_BATCH,))
def batch_norm_ext(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Do the same, as `mint` does; scale and bias may be None."""
    if call.constant(5) or call.entry(3) is None or call.entry(4) is None:
        raise call.unsupported(BY_BATCH)
    x, mean, variance = call.tensor(0), call.tensor(3), call.tensor(4)
    scale = builder.ones(mean.shape, x) if call.entry(1) is None else call.tensor(1)
    bias = builder.zeros(mean.shape, x) if call.entry(2) is None else call.tensor(2)
    call.constant(6)  # momentum: only training uses it
    inputs = [x, scale, bias, mean, variance]
    y = builder.add("BatchNormalization", inputs, call.types[0], epsilon=call.constant(7))
    return (y, None, None)
