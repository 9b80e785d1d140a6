"""Operators that onnx's reference implementation lacks, has wrong, or computes in float32 in float64 too.

Each is as the standard defines it; onnx 1.23 is what was compared.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def exact_operators(model: Any) -> list[Any]:
    """Return classes of operators for onnx's ReferenceEvaluator.

    GlobalMaxPool there loses an axis of three, LRN sums over the batch instead of the channels,
    BatchNormalization before version 14 always trains, and DequantizeLinear has no version before 19. Erf,
    and with it Gelu, the scale of DynamicQuantizeLinear, the slope of HardSigmoid and HardSwish and the
    moments of GroupNormalization are of float32.

    Args:
        model: an onnx.ModelProto; the operators are of its version.
    """
    opsets = {each.domain: each.version for each in model.opset_import}
    version = max(opsets.get("", 0), opsets.get("ai.onnx", 0))
    found = [*_of_one_argument(), *_of_neighbours(), *_normalizations(version)]
    return [*found, *_quantizers(version)]


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def _sixth(slope: float) -> float:
    """Return a sixth for what stands for it, such as PaddlePaddle's 0.1666667, as the source takes it."""
    return 1 / 6 if abs(np.float32(slope) - 1 / 6) < 1e-7 else slope


def _of_one_argument() -> list[Any]:
    from onnx.reference.op_run import OpRun

    class Erf(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (_erf(x).astype(x.dtype),)

    class Gelu(OpRun):
        def _run(self, x: np.ndarray, approximate: str | None = None) -> tuple[np.ndarray]:
            if approximate == "tanh":
                inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
            else:
                inner = _erf(x / math.sqrt(2))
            return ((0.5 * x * (1 + inner)).astype(x.dtype),)

    class HardSigmoid(OpRun):
        def _run(
            self, x: np.ndarray, alpha: float | None = None, beta: float | None = None
        ) -> tuple[np.ndarray]:
            slope = _sixth(0.2 if alpha is None else alpha)
            return (np.clip(x * slope + (0.5 if beta is None else beta), 0, 1).astype(x.dtype),)

    class HardSwish(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return ((x * np.clip(x / 6 + 0.5, 0, 1)).astype(x.dtype),)

    return [Erf, Gelu, HardSigmoid, HardSwish]


def _of_neighbours() -> list[Any]:
    from onnx.reference.op_run import OpRun

    class GlobalMaxPool(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    class LRN(OpRun):
        def _run(
            self, x: np.ndarray, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
        ) -> tuple[np.ndarray]:
            before = (size - 1) // 2
            around = [(0, 0)] * x.ndim
            around[1] = (before, size - 1 - before)
            squares = np.pad(x.astype(np.float64) ** 2, around)
            summed = sum(squares[:, at : at + x.shape[1]] for at in range(size))
            return ((x / (bias + alpha / size * summed) ** beta).astype(x.dtype),)

    return [GlobalMaxPool, LRN]


def _normalizations(version: int) -> list[Any]:
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):
        def _run(
            self,
            x: np.ndarray,
            *given: np.ndarray,
            epsilon: float | None = None,
            **others: Any,  # of training
        ) -> tuple[np.ndarray]:
            if len(self.onnx_node.output) > 1:
                raise NotImplementedError("BatchNormalization that trains, before version 14")
            scale, bias, mean, var = (each.reshape(-1, *[1] * (x.ndim - 2)) for each in given)
            root = np.sqrt(var + (1e-5 if epsilon is None else epsilon))
            return ((scale * (x - mean) / root + bias).astype(x.dtype),)

    class GroupNormalization(OpRun):
        def _run(
            self,
            x: np.ndarray,
            scale: np.ndarray,
            bias: np.ndarray,
            num_groups: int,
            epsilon: float = 1e-5,
            **others: Any,  # the type of the moments, which is the widest here
        ) -> tuple[np.ndarray]:
            grouped = x.astype(np.float64).reshape(x.shape[0], num_groups, -1)
            mean, var = grouped.mean(axis=2, keepdims=True), grouped.var(axis=2, keepdims=True)
            alone = ((grouped - mean) / np.sqrt(var + epsilon)).reshape(x.shape)
            wide = (-1, *[1] * (x.ndim - 2))
            return ((alone * scale.reshape(wide) + bias.reshape(wide)).astype(x.dtype),)

    # version 18 of the second has a scale for each group
    return [BatchNormalization] * (version < 14) + [GroupNormalization] * (version >= 21)


def _quantizers(version: int) -> list[Any]:
    from onnx.reference.op_run import OpRun

    class DynamicQuantizeLinear(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
            nought, most = x.dtype.type(0), x.dtype.type(255)
            low, high = np.minimum(x.min(), nought), np.maximum(x.max(), nought)
            scale = np.asarray((x.dtype.type(1) if low == high else high - low) / most)
            zero = np.clip(np.rint(-low / scale), 0, 255)
            return np.clip(np.rint(x / scale) + zero, 0, 255).astype("u1"), scale, zero.astype("u1")

    class DequantizeLinear(OpRun):
        def _run(
            self,
            x: np.ndarray,
            scale: np.ndarray,
            zero: np.ndarray | None = None,
            axis: int | None = None,
            **newer: Any,  # attributes of later versions, which this one has not
        ) -> tuple[np.ndarray]:
            along = [1] * x.ndim
            if scale.size > 1:
                along[1 if axis is None else axis] = scale.size
            start = 0 if zero is None or not zero.size else zero.astype(np.float64).reshape(along)
            found = (x.astype(np.float64) - start) * scale.astype(np.float64).reshape(along)
            return (found.astype(scale.dtype),)

    return [DynamicQuantizeLinear] + [DequantizeLinear] * (version < 19)
