"""Who is asked where the source and its own float64 agree, and ONNX Runtime alone is off."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.microsoft import expanded
from triport.parity.judge.difference import difference
from triport.parity.judge.tolerance import within

from .forward_scans import run_scans_forwards
from .judge import Opinion, Reference, UnoptimisedRuntime, allowed


def references_of(path: Path) -> tuple[Opinion, ...]:
    """Return who else runs a file, the quickest first.

    onnx's reference implementation alone proves nothing: the translations were written beside it, and may
    share a mistake of its.
    """
    return (
        Opinion("ONNX Runtime with Sigmoid written out", written_out(path), proves=True),
        Opinion("ONNX Runtime in float64", _Other(path, is_double=True), proves=True),
        Opinion("ONNX Runtime with optimisation", _Other(path, is_double=False), proves=True),
        Opinion("onnx's reference implementation", _Reference(path), proves=False),
    )


def written_out(path: Path) -> Reference:
    """Return ONNX Runtime with 1 / (1 + exp(-x)) for Sigmoid."""
    return _WrittenOut(path)


def graph_in_double(path: Path) -> Reference:
    """Return who runs the graph itself with float64 in the place of float32: onnx's reference implementation.

    It proves a translation on inputs on which float32 alone says little: there the two must agree to what
    float64 rounds.
    """
    return _Reference(path, is_double=True)


class _WrittenOut:
    """ONNX Runtime with 1 / (1 + exp(-x)) for Sigmoid.

    Its own kernel is an approximation that is off by 1e-7 of one, however small the result: of a detector
    that finds nothing, all results are smaller than that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Return the outputs; None where the graph has no Sigmoid, or cannot be loaded so."""
        import onnx

        model = onnx.load(self._path)
        nodes = []
        for node in model.graph.node:
            if node.op_type != "Sigmoid" or node.domain not in ("", "ai.onnx"):
                nodes.append(node)
                continue
            (x,), (y,) = node.input, node.output
            make = onnx.helper.make_node
            nodes += [
                make("Neg", [x], [f"{y}.negative"]),
                make("Exp", [f"{y}.negative"], [f"{y}.exp"]),
                make("Add", [f"{y}.exp", "triport.one"], [f"{y}.sum"]),
                make("Div", ["triport.one", f"{y}.sum"], [y]),
            ]
        if len(nodes) == len(model.graph.node):
            return None
        nodes = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(1, np.float32), "triport.one"))
        try:
            return UnoptimisedRuntime.of(model.SerializeToString()).run(feed)
        except Exception:
            return None


class _Other:
    """ONNX Runtime in another way: in float64 where its kernels have it, or with the kernels it fuses."""

    def __init__(self, path: Path, is_double: bool) -> None:
        self._path, self._is_double = path, is_double

    def __call__(self, feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Return the outputs, or None where it does not run the graph so."""
        import onnx

        try:
            if not self._is_double:
                return UnoptimisedRuntime.of(self._path, optimised=True).run(feed)
            model = onnx.load(self._path)
            _widen(model.graph)
            return UnoptimisedRuntime.of(model.SerializeToString()).run(_in_double(feed))
        except Exception:
            return None


def _in_double(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in feed.items()
    }


class _Reference:
    """onnx's reference implementation of a file: slow, not always right, and asked last."""

    def __init__(self, path: Path, is_double: bool = False) -> None:
        self._path, self._is_double = path, is_double

    def __call__(self, feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Return the outputs, or None where it does not run the graph."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        try:
            model = onnx.load(self._path)
            if self._is_double:
                _write_out(model, self._path, feed)
                _widen(model.graph)
                feed = _in_double(feed)
            run_scans_forwards(model)
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(model, new_ops=_mended(model)).run(None, feed)
        except Exception:
            return None
        return [np.asarray(each) for each in found]


def _write_out(model: Any, path: Path, feed: dict[str, np.ndarray]) -> None:
    """Write ONNX Runtime's own operators as those of the standard, in place.

    They are so in the source too: that it is right is ONNX Runtime's word, which must give the same for both.

    Raises:
        ValueError: it does not.
    """
    if all(node.domain in ("", "ai.onnx") for node in model.graph.node):
        return
    expanded(model)
    for node in model.graph.node:
        node.ClearField("name")  # several have that of the one they come from
    mine, its = (UnoptimisedRuntime.of(each).run(feed) for each in (model.SerializeToString(), path))
    if not within([difference(a, b) for a, b in zip(mine, its, strict=True)], allowed(its)):
        raise ValueError("what is expanded computes something else")


def _mended(model: Any) -> list[Any]:
    """Return what onnx 1.23's reference implementation lacks or has wrong, as it is defined.

    GlobalMaxPool loses an axis of three; DequantizeLinear has no version before 19; Erf and the scale of
    DynamicQuantizeLinear are of float32 in float64 too.
    """
    from onnx.reference.op_run import OpRun

    class GlobalMaxPool(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    class Erf(OpRun):
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),)

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

    opsets = {each.domain: each.version for each in model.opset_import}
    is_old = max(opsets.get("", 0), opsets.get("ai.onnx", 0)) < 19
    mended = [GlobalMaxPool, Erf, DynamicQuantizeLinear]
    return [*mended, DequantizeLinear] if is_old else mended


def _widen(graph: Any) -> None:
    """Let a graph compute in float64 where it says float32, in place."""
    import onnx

    narrow, wide = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == narrow:
            value.type.tensor_type.elem_type = wide
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _widen(attribute.g)
            elif attribute.HasField("t"):
                _widen_tensor(attribute.t)
            elif attribute.name in ("to", "dtype") and attribute.i == narrow:
                attribute.i = wide
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name.startswith("value_float"):
            number = onnx.helper.get_attribute_value(node.attribute[0])
            tensor = onnx.numpy_helper.from_array(np.asarray(number, np.float64))
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("value", tensor))


def _widen_tensor(tensor: Any) -> None:
    import onnx

    if tensor.data_type == onnx.TensorProto.FLOAT:
        array = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
