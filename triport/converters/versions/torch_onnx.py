"""`torch.onnx` of PyTorch 2.1 and later: which exporters it has, and what they are asked with.

The TorchScript exporter was the only one and is now the older one, which has to be asked for. The newer one
takes what it is asked for here (`optimize=False`), and returns its graph, from PyTorch 2.6 on.
"""

from __future__ import annotations

import inspect
from typing import Any

OLDEST_WITH_DYNAMO = "2.6"
# of the oldest PyTorch that is taken, where it does not say it itself
_OLDEST_NEWEST_OPSET = 17


def newest_opset_of_torchscript(torch: Any) -> int:
    """Return the newest opset that the TorchScript exporter of this PyTorch writes."""
    constants = getattr(torch.onnx, "_constants", None)
    return int(getattr(constants, "ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET", _OLDEST_NEWEST_OPSET))


def by_torchscript(torch: Any) -> dict[str, bool]:
    """Return what asks `torch.onnx.export` for the TorchScript exporter, where there is a choice."""
    return {"dynamo": False} if "dynamo" in _arguments(torch) else {}


def has_dynamo(torch: Any) -> bool:
    """Return whether the newer exporter is there and can be asked to leave the graph as it is."""
    return "optimize" in _arguments(torch)


def held(tensor: Any, name: str | None = None) -> Any:
    """Return a tensor as a graph of onnx-ir holds one, under a name; both share its memory.

    onnx-ir's own adapter asks PyTorch for every dtype of float8 by name, of which old ones lack some; what
    NumPy has a dtype for goes without it.
    """
    import onnx_ir as ir
    from onnx_ir.tensor_adapters import TorchTensor

    try:
        array = tensor.detach().cpu().numpy()
    except TypeError:  # bfloat16 and float8
        return TorchTensor(tensor.detach(), name=name)
    return ir.Tensor(array, name=name)


def _arguments(torch: Any) -> frozenset[str]:
    return frozenset(inspect.signature(torch.onnx.export).parameters)
