"""What every runtime that loads ONNX observes of a graph, given that it can run forms of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from triport.parity.calls import CalledModule, Feed, ReferenceNames, Visit, input_name
from triport.parity.layers import onnx_taps
from triport.reference_models.network import Arrays, Network

from . import described, nodes_after
from .float16 import keeps_apart
from .signature import Signature


class ObservedGraph:
    """A runner of an ONNX file, whose tensors stand for the outputs of the reference's modules."""

    network: Network
    _signature: Signature

    @property
    def row_count(self) -> int | None:
        """How many rows the file always takes, None where any number goes."""
        return self._signature.row_count

    def loaded(self) -> Any:
        """Return the onnx.ModelProto."""
        raise NotImplementedError

    def run_tensors(
        self, feed: Arrays, model: bytes, feeds: Mapping[str, np.ndarray], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return tensors of `model`, a form of this runner's with other inputs or outputs."""
        raise NotImplementedError

    def modules(self) -> list[CalledModule]:
        """Return none: a graph has nodes."""
        return []

    def inputs(self) -> dict[str, str]:
        """Return the graph's tensor of each of the network's inputs, by its name among sources."""
        return {input_name(name): tensor for name, tensor in self._signature.inputs.items()}

    @property
    def outputs(self) -> Mapping[str, str]:
        """The graph's tensor of each of the network's outputs."""
        return self._signature.outputs

    def tapped(self, feed: Arrays) -> onnx_taps.Run:
        """Return what runs other forms of the model on a feed; see `run_tensors`."""
        return partial(self.run_tensors, feed)

    def trace(
        self, feed: Arrays, visit: Visit, fed: Feed | None = None, beside: ReferenceNames | None = None
    ) -> Arrays | None:
        """Tell `visit` of every step of the reference that is found in the graph; see `Runner`."""
        if beside is not None:
            onnx_taps.trace(self.loaded(), beside.steps, self._taps(beside), visit, self.tapped(feed), fed)
        return None

    def _taps(self, beside: ReferenceNames) -> dict[str, onnx_taps.StepTap]:
        own = self.network.realisations.get("onnx")
        return onnx_taps.taps_in(self.loaded(), beside.steps, self.inputs(), own.names if own else {})

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return the nodes between a step's tensor and the outputs."""
        model = self.loaded()
        taps = self._taps(beside)
        outputs = self.outputs.values()
        return described(
            [
                node
                for output in outputs
                for node in nodes_after(model, taps[step].output, output)
                if not keeps_apart(node)
            ]
        )
