"""A framework's definitions as ONNX; the graph without weights is traced once for all of its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from triport.reference_models.spec import ModelSpec

from .written_model import DEFAULT_OPSET, with_parameters

if TYPE_CHECKING:
    import numpy as np
    import onnx

# some 50 KB each
MOST_GRAPHS = 64


@dataclass(frozen=True, slots=True)
class _Asked:
    """A graph is that of a configuration at a size; the model's weights and accuracies are no part of it."""

    model: str
    config: str
    size_px: int
    num_classes: int
    opset: int
    spec: ModelSpec = field(compare=False)


class Exporter:
    """Makes ONNX of one framework's definitions.

    Each configuration and size is traced once, and each caller has a graph of its own.
    """

    def __init__(self, framework: str, trace: Callable[[ModelSpec, int, int], onnx.ModelProto]) -> None:
        """Take the framework's name and what traces a definition.

        Args:
            framework: as a person reads it.
            trace: (model, outputs of the head, opset) -> the `finished` graph, whose parameters are inputs.
        """
        self.framework = framework

        @lru_cache(maxsize=MOST_GRAPHS)
        def traced(asked: _Asked) -> bytes:
            return trace(asked.spec, asked.num_classes, asked.opset).SerializeToString()

        self._traced = traced

    def trace(self, spec: ModelSpec, num_classes: int, *, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
        """Return a definition as an ONNX graph whose parameters and buffers are inputs.

        Args:
            spec: the model.
            num_classes: outputs of the head.
            opset: of the default domain, 13 to 21.

        Returns:
            A checked graph: input `input` (N, 3, H, W) and the parameters, output `logits` (N, num_classes),
            N free.
        """
        import onnx

        config = f"{spec.family} {spec.config!r}"
        asked = _Asked(spec.name, config, spec.input_size_px, num_classes, opset, spec)
        return onnx.ModelProto.FromString(self._traced(asked))

    def export(
        self,
        spec: ModelSpec,
        num_classes: int,
        parameters: Mapping[str, np.ndarray],
        *,
        opset: int = DEFAULT_OPSET,
    ) -> onnx.ModelProto:
        """Return a definition as an ONNX model in memory, with these parameters by canonical name."""
        return with_parameters(self.trace(spec, num_classes, opset=opset), parameters)

    def forget(self) -> None:
        """Trace anew whatever is asked for next."""
        self._traced.cache_clear()
