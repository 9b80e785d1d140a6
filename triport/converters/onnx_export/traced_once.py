"""A model's graph without weights is traced once: several checkpoints of one model have the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, update_wrapper
from typing import TYPE_CHECKING

from triport.reference_models.spec import ModelSpec

if TYPE_CHECKING:
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


class TracedOnce:
    """What traces each configuration and size once, and gives each caller a graph of its own."""

    def __init__(self, trace: Callable[[ModelSpec, int, int], onnx.ModelProto]) -> None:
        @lru_cache(maxsize=MOST_GRAPHS)
        def written(asked: _Asked) -> bytes:
            return trace(asked.spec, asked.num_classes, asked.opset).SerializeToString()

        self._written = written
        update_wrapper(self, trace)

    def __call__(self, spec: ModelSpec, num_classes: int, *, opset: int = 17) -> onnx.ModelProto:
        """Return the graph, whose parameters are inputs."""
        import onnx

        config = f"{spec.family} {spec.config!r}"
        asked = _Asked(spec.name, config, spec.input_size_px, num_classes, opset, spec)
        return onnx.ModelProto.FromString(self._written(asked))

    def forget(self) -> None:
        """Trace anew whatever is asked for next."""
        self._written.cache_clear()
