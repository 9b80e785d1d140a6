"""Layers of eight bits, whose scales and zero points are in the checkpoint too."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.rewriting import DOMAIN
from triport.converters.onnx_import.values import Known
from triport.converters.onnx_import.windows import Window, kernel_of

from . import both

_BYTES = ("int8", "uint8")


def by_scalars(call: Call, kind: str) -> ast.expr | None:
    """Return a layer that rounds by one scale and one zero point, None where they are something else."""
    given = [call.rep(i) for i in (1, 2)] if call.has(2) else []
    if not given or not all(isinstance(rep, Known) and rep.array.size == 1 for rep in given):
        return None
    scale, zero = (rep.array.reshape(()) for rep in given)
    dtype = str(zero.dtype)
    if str(scale.dtype) != "float32" or dtype not in _BYTES or call.constant(0) is not None:
        return None
    if "float32" not in (call.dtype(0), call.output_dtype()):
        return None
    call.function(kind)
    constructor = code("f(d)", f=ast.Name(kind, ast.Load()), d=call.dtype_name(dtype))
    weights = {"scale": Known(scale), "zero_point": Known(zero)}
    return call.body.layer(_NOUNS[kind], constructor, weights, call.tensor(0))


_NOUNS = {"Quantize": "quantize", "Dequantize": "dequantize", "FakeQuantize": "quantize"}


@both("FakeQuantize", domain=DOMAIN)
def fake_quantize(call: Call) -> ast.expr:
    """To eight bits and back."""
    layer = by_scalars(call, "FakeQuantize")
    if layer is None:
        call.refuse("its scale or zero point is no constant")
    return layer


@both("QuantizedConv2d", domain=DOMAIN)
def quantized_conv(call: Call) -> ast.expr:
    """A convolution whose weights and bias are dequantised."""
    window, groups = Window(call, kernel_of(call)), call.attribute("group", 1)
    if not window.symmetric:
        call.refuse("padding that is not symmetric, of quantised weights")
    weight = call.rep(1)
    constructor = code(
        "f(i, o, k, stride=s, padding=p, groups=g, bias=b, per_channel=c)",
        f=call.function("QuantizedConv2d"),
        i=weight.array.shape[1] * groups,
        o=weight.array.shape[0],
        b=OMIT if call.has(3) else False,
        c=True if _scales(call) > 1 else OMIT,
        **window.given(g=OMIT if groups == 1 else groups),
    )
    return _layer(call, "conv", constructor, weight)


@both("QuantizedLinear", domain=DOMAIN)
def quantized_linear(call: Call) -> ast.expr:
    """A linear layer whose weights and bias are dequantised."""
    weight = call.rep(1)
    if call.node.meta.get("transposed"):
        weight = Known(np.ascontiguousarray(weight.array.T), weight.origin)
    constructor = code(
        "f(i, o, bias=b, per_channel=c)",
        f=call.function("QuantizedLinear"),
        i=weight.array.shape[1],
        o=weight.array.shape[0],
        b=OMIT if call.has(3) else False,
        c=True if _scales(call) > 1 else OMIT,
    )
    return _layer(call, "linear", constructor, weight)


@both("DynamicQuantizedConv2d", domain=DOMAIN)
def dynamic_conv(call: Call) -> ast.expr:
    """A convolution of eight bits, of what its own range brings to them."""
    window, groups = Window(call, kernel_of(call)), call.attribute("group", 1)
    weight = call.rep(1)
    constructor = code(
        "f(i, o, k, stride=s, padding=p, groups=g, bias=b, dtype=d)",
        f=call.function("DynamicQuantizedConv2d"),
        i=weight.array.shape[1] * groups,
        o=weight.array.shape[0],
        **_dynamic_given(call),
        **window.given(g=OMIT if groups == 1 else groups),
    )
    return _dynamic_layer(call, "conv", constructor, weight)


@both("DynamicQuantizedLinear", domain=DOMAIN)
def dynamic_linear(call: Call) -> ast.expr:
    """A linear layer of eight bits, of what its own range brings to them."""
    weight = call.rep(1)
    weight = Known(np.ascontiguousarray(weight.array.T), weight.origin)
    constructor = code(
        "f(i, o, bias=b, dtype=d)",
        f=call.function("DynamicQuantizedLinear"),
        i=weight.array.shape[1],
        o=weight.array.shape[0],
        **_dynamic_given(call),
    )
    return _dynamic_layer(call, "linear", constructor, weight)


def _dynamic_given(call: Call) -> dict[str, Any]:
    dtype = str(call.rep(1).array.dtype)
    return {
        "b": OMIT if call.has(4) else False,
        "d": OMIT if dtype == "int8" else call.dtype_name(dtype),
    }


def _dynamic_layer(call: Call, noun: str, constructor: ast.expr, weight: Known) -> ast.expr:
    size = weight.array.shape[0]
    zero = call.rep(3) if call.has(3) else Known(np.zeros(1, weight.array.dtype))
    weights = {
        "weight": weight,
        "weight_scale": _list(call.rep(2), size),
        "weight_zero_point": _list(zero, size),
    }
    if call.has(4):
        weights["bias"] = call.rep(4)
    return _held_once(call, noun, constructor, weights)


def _scales(call: Call) -> int:
    """Return how many scales the layer has: one, or one for each output, of its weight or of its bias."""
    return max(call.rep(i).array.size for i in (2, 4) if call.has(i))


def _layer(call: Call, noun: str, constructor: ast.expr, weight: Known) -> ast.expr:
    """Return the call of a layer with its scales."""
    weights = {"weight": weight, "weight_scale": _list(call.rep(2), _scales(call))}
    if call.has(3):
        bias = call.rep(3)
        scale = _list(call.rep(4), _scales(call))
        weights |= {"bias": Known(bias.array, bias.origin), "bias_scale": scale}
    return _held_once(call, noun, constructor, weights)


def _held_once(call: Call, noun: str, constructor: ast.expr, weights: dict[str, Known]) -> ast.expr:
    layer = call.body.layer(noun, constructor, weights, call.tensor(0))
    if layer is None:  # something else holds the weight too: it is held twice
        layer = call.body.layer(
            noun,
            constructor,
            {leaf: Known(rep.array, trained=rep.trained) for leaf, rep in weights.items()},
            call.tensor(0),
        )
    assert layer is not None
    return layer


def _list(rep: Known, size: int = 1) -> Known:
    """Return scales as a list: one for each place where others have several."""
    array = rep.array.reshape(-1)
    return Known(np.broadcast_to(array, (max(size, array.size),)).copy())


def qlinear_conv_layer(call: Call) -> ast.expr | None:
    """Return QLinearConv over images as a layer, None where something of it is no constant."""
    window, groups = Window(call, kernel_of(call, 3)), call.attribute("group", 1)
    held = {i: call.rep(i) for i in range(1, 9) if call.has(i)}
    is_fixed = all(isinstance(rep, Known) for rep in held.values())
    if call.rank(0) != 4 or not window.symmetric or not is_fixed:
        return None
    if (
        window.is_same_at_run_time
        or set(window.dilations) != {1}
        or any(held[i].array.size != 1 for i in (1, 2, 6, 7))
    ):
        return None
    if any(str(held[i].array.dtype) not in _BYTES for i in (2, 3, 5, 7)) or held[4].array.dtype != np.float32:
        return None
    weight, scales = held[3], held[4].array.size
    if held[5].array.size not in (1, scales) or scales not in (1, weight.array.shape[0]):
        return None
    dtypes = tuple(call.dtype_name(str(held[i].array.dtype)) for i in (2, 5, 7))
    usual = all(str(held[i].array.dtype) == "int8" for i in (2, 5, 7))
    constructor = code(
        "f(i, o, k, stride=s, padding=p, groups=g, per_channel=c, dtypes=d)",
        f=call.function("QLinearConv2d"),
        i=weight.array.shape[1] * groups,
        o=weight.array.shape[0],
        c=True if scales > 1 else OMIT,
        d=OMIT if usual else dtypes,
        **window.given(g=OMIT if groups == 1 else groups),
    )
    bias = held.get(8, Known(np.zeros(weight.array.shape[0], np.int32)))
    weights = {"weight": weight, "bias": Known(bias.array, bias.origin)}
    for name, i in (("input", 1), ("weight", 4), ("output", 6)):
        zero = held[i + 1].array.reshape(-1)
        size = scales if name == "weight" else 1
        weights |= {
            f"{name}_scale": _list(held[i]),
            f"{name}_zero_point": Known(np.broadcast_to(zero, (size,)).copy()),
        }
    return call.body.layer("conv", constructor, weights, call.tensor(0))
