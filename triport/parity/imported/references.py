"""Who is asked where the source and its own float64 agree, and ONNX Runtime alone is off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.microsoft import DOMAIN, expanded
from triport.converters.onnx_import.subgraphs import graphs_in
from triport.parity.judge.difference import difference
from triport.parity.judge.tolerance import within

from .exact_operators import exact_operators
from .forward_scans import run_scans_forwards
from .judge import Opinion, Reference, UnoptimisedRuntime, allowed
from .widened import of_numbers, widen


def references_of(path: Path) -> tuple[Opinion, ...]:
    """Return who else runs a file, the quickest first.

    onnx's reference implementation alone proves nothing: the translations were written beside it, and may
    share a mistake of its.
    """
    return (
        Opinion("ONNX Runtime with Sigmoid written out", written_out(path), proves=True),
        Opinion("ONNX Runtime without accuracy_level", _Accurate(path), proves=True),
        Opinion("ONNX Runtime in float64", _Other(path, is_double=True), proves=True),
        Opinion("ONNX Runtime with optimisation", _Other(path, is_double=False), proves=True),
        Opinion("onnx's reference implementation", _Reference(path), proves=False),
    )


def written_out(path: Path) -> Reference:
    """Return ONNX Runtime with 1 / (1 + exp(-x)) for Sigmoid."""
    return _WrittenOut(path)


def graph_in_double(path: Path) -> tuple[Reference, ...]:
    """Return who runs the graph itself with float64 in the place of float32: onnx's reference implementation.

    It proves a translation on inputs on which float32 alone says little: there the two must agree to what
    float64 rounds. What a graph computes of its own numbers and of sizes, a scale such as 1 / sqrt(64), is
    a number in the source, as float32 gives it, or is computed there: so the graph is run in both ways.
    """
    return tuple(_Reference(path, is_double=True, computes_numbers=each) for each in (True, False))


def values_in_double(path: Path) -> Callable[[dict[str, np.ndarray], list[str]], list[np.ndarray] | None]:
    """Return who tells values within the graph in float64: onnx's reference implementation."""
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


class _Accurate:
    """ONNX Runtime with all the digits of what is multiplied by packed weights.

    `accuracy_level` lets it round that to eight bits, which moves a product by a hundredth.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Return the outputs; None where no node says how accurate it is, or the graph does not run so."""
        import onnx

        model = onnx.load(self._path)
        found = False
        for node in (node for graph in graphs_in(model.graph) for node in graph.node):
            kept = [each for each in node.attribute if each.name != "accuracy_level"]
            if node.domain == DOMAIN and len(kept) < len(node.attribute):
                found = True
                del node.attribute[:]
                node.attribute.extend(kept)
        try:
            return UnoptimisedRuntime.of(model.SerializeToString()).run(feed) if found else None
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
            widen(model)
            return UnoptimisedRuntime.of(model.SerializeToString()).run(_in_double(feed))
        except Exception:
            return None


def _in_double(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in feed.items()
    }


class _Reference:
    """onnx's reference implementation of a file: slow, not always right, and asked last."""

    def __init__(self, path: Path, is_double: bool = False, computes_numbers: bool = True) -> None:
        self._path, self._is_double, self._computes_numbers = path, is_double, computes_numbers

    def __call__(
        self, feed: dict[str, np.ndarray], names: list[str] | None = None
    ) -> list[np.ndarray] | None:
        """Return the outputs, or the values of these names; None where it does not run the graph."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        try:
            model = onnx.load(self._path)
            if self._is_double:
                _write_out(model, self._path, feed)
                widen(model, None if self._computes_numbers else _numbers(model, feed))
                feed = _in_double(feed)
            run_scans_forwards(model)
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(model, new_ops=exact_operators(model)).run(names, feed)
        except Exception:
            return None
        return [np.asarray(each) for each in found]


def _numbers(model: Any, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a model computes of its own numbers and of sizes, as float32 gives it.

    Raises:
        ValueError: there is nothing of the kind.
    """
    from onnx.reference import ReferenceEvaluator

    names = of_numbers(model)
    if not names:
        raise ValueError("all of it depends on the inputs")
    found = ReferenceEvaluator(model, new_ops=exact_operators(model)).run(names, feed)
    return dict(zip(names, map(np.asarray, found), strict=True))


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
