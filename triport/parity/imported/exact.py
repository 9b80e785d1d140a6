"""A graph's source in float64, which says whose fault a difference is."""

from __future__ import annotations

import ast
import itertools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.onnx_import.tree import flat
from triport.converters.onnx_import.writer import Source, source_of
from triport.converters.onnx_import.written import built
from triport.parity.judge.tolerance import BFLOAT16, FLOAT16, FLOAT32, Calibration

from .judge import moved
from .meant import meant
from .runs import parameters_moved, run, run_rounded

# where it computes; what the file of weights holds is read as it is
_COMPUTED = re.compile(r'(?<!"F32": )(?<!"F16": )(?<!"BF16": )torch\.(float32|float16|bfloat16)\b')


class InDouble:
    """The network in float64, by PyTorch: the source itself, or the same graph's source for PyTorch."""

    def __init__(self, model: Any, source: Source) -> None:
        """Keep what is needed; the network is built when it is first asked."""
        self._model, self._source = model, source
        self._arithmetic = _narrowest(model.graph)
        self._network: Any = None

    def __call__(self, feed: dict[str, np.ndarray], seed: int | None = None) -> list[np.ndarray] | None:
        """Return the outputs in float64, or None; with a seed, of inputs and parameters a rounding off."""
        try:
            if self._network is None:
                self._network = self._built()
            if seed is None:
                return run(self._network, "pytorch", list(feed.values()), double=True)
            step = self._arithmetic.rounding
            off = parameters_moved(self._network, step, seed)
            return run(off, "pytorch", list(moved(feed, seed, step).values()), double=True)
        except Exception:
            return None

    @property
    def network(self) -> Any:
        """The torch.nn.Module in float64, which has been asked before."""
        return self._network

    @property
    def is_source(self) -> bool:
        """Whether it is the source itself that runs in float64."""
        return self._source.target == "pytorch"

    @property
    def arithmetic(self) -> Calibration:
        """What the graph computes in: the narrowest of its types."""
        return self._arithmetic

    def rounded(self, feed: dict[str, np.ndarray], seed: int) -> list[np.ndarray] | None:
        """Return the outputs where each result within is rounded to float32, up or down as it is drawn."""
        try:
            return run_rounded(self._network, list(feed.values()), seed)
        except Exception:
            return None

    def _built(self) -> Any:
        source = self._source
        if source.target != "pytorch":
            source = source_of(self._model, "pytorch", "exact", flat(self._model.graph))
        return _with_meant(built(_widened(source)).double())


def _with_meant(network: Any) -> Any:
    """Return a network whose single numbers are those that they stand for, as they are in the graph.

    An epsilon is what the graph stores for it, also where the source leaves it at PyTorch's own.
    """
    for module in network.modules():
        if isinstance(getattr(module, "eps", None), float):
            module.eps = float(np.float32(module.eps))
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        if tensor.is_floating_point() and tensor.numel() == 1:
            tensor.data.fill_(meant(tensor.item()))
    return network


def _narrowest(graph: Any) -> Calibration:
    """Return the narrowest type of what nodes make; one that a weight alone is kept in rounds nothing."""
    import onnx_ir as ir

    made = {value.dtype for node in ir.traversal.RecursiveGraphIterator(graph) for value in node.outputs}
    if ir.DataType.BFLOAT16 in made:
        return BFLOAT16
    return FLOAT16 if ir.DataType.FLOAT16 in made else FLOAT32


def _widened(source: Source) -> Source:
    """Return source that computes in float64 where it says float32, with the numbers that the graph stores.

    A number is written as the shortest decimal that float32 rounds to what the graph has; where that stands
    for a root or a fraction it is that, as it is in the graph in float64.
    """
    tree = _Stored().visit(ast.parse(_COMPUTED.sub("torch.float64", source.text)))
    return replace(source, text=ast.unparse(ast.fix_missing_locations(tree)))


class _Stored(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, float) and math.isfinite(node.value):
            with np.errstate(over="ignore", under="ignore"):
                stored = meant(node.value)
            return ast.Constant(stored if math.isfinite(stored) else node.value)
        return node
