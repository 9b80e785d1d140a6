"""Signals: Fourier transforms, windows, mel weights."""

from __future__ import annotations

import ast
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code
from triport.converters.onnx_import.folding import computed
from triport.converters.onnx_import.values import Known

from . import both, mindspore, pytorch


@both("DFT")
def dft(call: Call) -> ast.expr:
    """The discrete Fourier transform; real and imaginary parts are the last axis."""
    inverse, onesided = call.attribute("inverse", 0), call.attribute("onesided", 0)
    rank = call.rank(0)
    parts = call.size(0, rank - 1)
    if parts not in (1, 2):
        call.refuse("of neither real nor complex numbers")
    axis: Any = call.attribute("axis", 1) if call.version < 20 else (call.scalar(2) if call.has(2) else -2)
    length: Any = call.scalar(1) if call.has(1) else None
    return code(
        "f(x, n, a, inverse=i, onesided=o)",
        f=call.function("dft"),
        x=call.tensor(0),
        n=length,
        a=axis,
        i=bool(inverse),
        o=bool(onesided),
    )


@both("STFT")
def stft(call: Call) -> ast.expr:
    """Fourier transforms of frames."""
    onesided = call.attribute("onesided", 1)
    return code(
        "f(x, s, w, n, onesided=o)",
        f=call.function("stft"),
        x=call.tensor(0),
        s=call.scalar(1),
        w=call.tensor(2) if call.has(2) else None,
        n=call.scalar(3) if call.has(3) else None,
        o=bool(onesided),
    )


_WINDOWS = {
    "HannWindow": "torch.hann_window(n, periodic=p).to(d)",
    "HammingWindow": (
        "torch.hamming_window(n, periodic=p, alpha=0.543478260869565, beta=0.456521739130435).to(d)"
    ),
    "BlackmanWindow": "torch.blackman_window(n, periodic=p).to(d)",
}


@pytorch(*_WINDOWS)
def window(call: Call) -> ast.expr:
    """A window of that many points."""
    call.attribute("output_datatype", 1)
    periodic = bool(call.attribute("periodic", 1))
    return code(
        _WINDOWS[call.node.op_type], n=call.scalar(0), p=periodic, d=call.dtype_name(call.output_dtype())
    )


@pytorch("MelWeightMatrix")
def mel_weight_matrix(call: Call) -> ast.expr:
    """The weights of mel bands in a spectrum."""
    call.attribute("output_datatype", 1)
    return code(
        "f(b, n, r, l, u).to(d)",
        f=call.function("mel_weights"),
        b=call.scalar(0),
        n=call.scalar(1),
        r=call.scalar(2),
        l=call.scalar(3),
        u=call.scalar(4),
        d=call.dtype_name(call.output_dtype()),
    )


@mindspore(*_WINDOWS, "MelWeightMatrix")
def stated(call: Call) -> ast.expr:
    """The numbers themselves: MindSpore has no such function, and they are the same in every run."""
    call.attribute("output_datatype", 1)
    call.attribute("periodic", 1)
    found = computed(call, [Known(call.array(i)) for i in range(call.count)], 1)
    if found is None:
        call.refuse(f"of {call.output_dtype()}")
    return call.body.constant(found[0], "window" if call.node.op_type in _WINDOWS else "mel")
