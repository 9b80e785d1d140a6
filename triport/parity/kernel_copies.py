"""A Cell's ONNX graph as MindSpore's kernels compute it, for where nothing but MindSpore is the reference.

Where a network has a Module, PyTorch imitates the kernels (`approximations.py`). A Cell alone is compared
with its own graph: there a copy of the graph imitates them, and another has exact functions, which says
that ONNX Runtime's are not what is off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from triport.reference_models.network import Arrays

from .runtimes import Runner

Exporter = Callable[[Arrays, Arrays], Any]


@dataclass(frozen=True, slots=True, eq=False)
class KernelCopies:
    """What makes the two copies' runners, and which kernels the graph has; known once one was made.

    `make` returns the runner of what an exporter exports.
    """

    export: Exporter
    make: Callable[[Exporter], Runner]
    names: set[str] = field(default_factory=set)

    def imitating(self) -> Runner:
        """Return the runner of the graph with MindSpore's approximations."""
        return self.make(partial(self._exported, imitating=True))

    def exact(self) -> Runner:
        """Return the runner of the graph with exact functions."""
        return self.make(partial(self._exported, imitating=False))

    def _exported(self, parameters: Arrays, feed: Arrays, *, imitating: bool) -> Any:
        # with a library of graphs, which nothing else of most comparisons needs
        from .graphs.kernels import as_mindspore_computes

        model = self.export(parameters, feed)
        copies = as_mindspore_computes(model)
        if copies is None:
            return model
        self.names.update(copies.names)
        return copies.imitating if imitating else copies.exact
