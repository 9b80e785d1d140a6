"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import mindspore, pytorch
from .elementwise import f32


@pytorch("Dropout")
def dropout(call: Call) -> Any:
    """A layer that drops in training; as the file runs it, nothing."""
    call.attribute("seed", 0)
    if call.version < 12:
        ratio = f32(call.attribute("ratio", 0.5))
    else:
        given = call.constant(1) if call.has(1) else None
        ratio = f32(float(given.reshape(-1)[0])) if given is not None else 0.5
        training = call.constant(2) if call.has(2) else np.zeros(1, bool)
        if (training is None or training.reshape(-1)[0]) and ratio != 0:
            call.refuse("in training mode, whose random numbers no framework repeats")
    path = call.body.layer_path("dropout", code("nn.Dropout(p)", p=ratio), {})
    x = call.tensor(0)
    if path is None or call.used(1):
        x = call.let("x", x)
        return (x, code("torch.ones_like(x, dtype=torch.bool)", x=x))
    return code("f(x)", f=call.body.member(path), x=x)


@mindspore("Dropout")
def dropout_mindspore(call: Call) -> Any:
    """As the file runs it, nothing is dropped."""
    call.attribute("seed", 0)
    ratio = 0.5
    if call.version < 12:
        ratio = f32(call.attribute("ratio", 0.5))
    else:
        given = call.constant(1) if call.has(1) else None
        ratio = f32(float(given.reshape(-1)[0])) if given is not None else 0.5
        training = call.constant(2) if call.has(2) else np.zeros(1, bool)
        if (training is None or training.reshape(-1)[0]) and ratio != 0:
            call.refuse("in training mode, whose random numbers no framework repeats")
    x = call.tensor(0)
    if call.used(1):
        x = call.let("x", x)
        return (x, code("ops.ones_like(x, dtype=mindspore.bool_)", x=x))
    if ratio >= 1:
        return x
    path = call.body.layer_path("dropout", code("nn.Dropout(p=r)", r=ratio), {})
    return code("f(x)", f=call.body.member(path or ""), x=x)
