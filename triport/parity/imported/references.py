"""Who is asked where the source and its own float64 agree, and ONNX Runtime alone is off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .judge import References, Runtime


def references_of(path: Path) -> References:
    """Return who else runs a file, the quickest first."""
    return (
        ("ONNX Runtime with Sigmoid written out", _WrittenOut(path)),
        ("onnx's reference implementation", _Reference(path)),
    )


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
            return Runtime.of(model.SerializeToString()).run(feed)
        except Exception:
            return None


class _Reference:
    """onnx's reference implementation of a file: slow, not always right, and asked last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """Return the outputs, or None where it does not run the graph."""
        from onnx.reference import ReferenceEvaluator

        try:
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(str(self._path)).run(None, feed)
        except Exception:
            return None
        return [np.asarray(each) for each in found]
