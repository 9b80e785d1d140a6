"""A Module as the ONNX model that is proven to compute what it computes, for a check of its networks."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triport.converters.environment import import_torch
from triport.converters.networks.input_specs import InputSpec
from triport.converters.request import ConvertRequest
from triport.converters.torch_export.network import TorchNet
from triport.converters.torch_export.write import write
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays

from .axes import plan_axes
from .feeds import ordinary
from .proof import SEED, Prover
from .ranges import learn_ranges
from .result import Attempt
from .search import find_right


def proven_export(
    module: Any, specs: Sequence[InputSpec], name: str, names: Mapping[str, str], exported: Callable[..., Any]
) -> Callable[[Arrays, Arrays], Any]:
    """Return an exporter that takes the first of torch's graphs that is proven right.

    Args:
        module: the user's; it is left as it is.
        specs: its inputs.
        name: what it is called.
        names: its own name of each parameter -> the network's.
        exported: makes a graph that nobody has proven, where none is right: what is wrong with it is then
            judged as everything else.
    """

    def export(values: Arrays, feed: Arrays) -> Any:
        model = _proven(with_values(module, names, values), specs, name, feed)
        return exported(values, feed) if model is None else model

    return export


def with_values(module: Any, names: Mapping[str, str], values: Arrays) -> Any:
    """Return a copy of a Module with these values, by what `names` has for its own names."""
    torch = import_torch()
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for own, tensor in copied.state_dict(keep_vars=True).items():
            if own in names:
                tensor.copy_(torch.from_numpy(values[names[own]].copy()))
    return copied


def _proven(module: Any, specs: Sequence[InputSpec], name: str, feed: Arrays) -> Any:
    """Return the onnx.ModelProto; None where no graph is right, or the right one does not take the feed."""
    import onnx

    net = TorchNet(module, specs, name)
    request = ConvertRequest(to="onnx", inputs=tuple(specs))
    attempts: list[Attempt] = []
    try:
        plan = plan_axes(net, SEED)
        net.name_outputs(ordinary(net.inputs, plan.traced, SEED).arrays)
        learn_ranges(net, specs, plan.traced, request.opset, SEED)
        prover = Prover(net)
        with tempfile.TemporaryDirectory(prefix="triport-") as folder:
            found = find_right(prover, plan, request, attempts, Path(folder), lambda step: None)
            if found is None or not _takes(net, found.exported.free, feed):
                return None
            path = Path(folder, "proven.onnx")
            # the proof has left moved values in it
            write(found.exported, prover.values, path)
            return onnx.load(path)
    except TriportError:
        return None


def _takes(net: TorchNet, free: Sequence[str], feed: Arrays) -> bool:
    """Whether a graph with these free axes takes a feed."""
    return all(
        side == net.sizes.get(axis, side) if isinstance(axis, str) else side == axis
        for given in net.inputs
        for axis, side in zip(given.shape, feed[given.name].shape, strict=True)
        if axis not in free
    )
