"""How many bits a runner computes with: float32 unless asked, and what else the published figures used.

`tf32` and `hf32` let matrix units of CUDA and Ascend round float32 inputs. `int8` is of ONNX files whose
convolutions and dense layers were quantised (quantised.py). `O0` to `O3` are the levels of
automatic mixed precision that MindSpore and Ascend's PyTorch recipes name: nothing, the layers
that gain most (convolutions and dense layers), all but the normalisation layers, everything in float16.
"""

from __future__ import annotations

from typing import Any

from triport.reference_models.errors import TriportError
from triport.reference_models.kinds import KINDS, kind_of

from .device import Device

PRECISIONS = ("float32", "tf32", "hf32", "float16", "bfloat16", "int8", "O0", "O1", "O2", "O3")
FULL = frozenset({"float32", "O0"})
_UNITS = {"tf32": "cuda", "hf32": "npu"}
_OF_RUNTIME = {
    "pytorch": tuple(name for name in PRECISIONS if name != "int8"),
    "mindspore": tuple(name for name in PRECISIONS if name not in ("bfloat16", "int8")),
    "onnx": ("float32", "tf32", "int8"),
}
# what an ONNX file may compute in that was not made here
_OF_GIVEN_FILES = ("float16",)
# by the precision, or else by the runtime
_WHY_NOT = {
    "onnx": "an ONNX file says its own precision",
    "mindspore": "its BatchNorm takes no bfloat16",
    "int8": "models are quantised in ONNX",
}


class PrecisionError(TriportError):
    """The runtime or the device cannot compute so."""


def check_known(precision: str) -> None:
    """Raise PrecisionError unless there is such a precision."""
    if precision not in PRECISIONS:
        raise PrecisionError(f"precision {precision!r} is not known: use one of {', '.join(PRECISIONS)}")


def check_precision(precision: str, runtime: str, device: Device, *, given_file: bool = False) -> None:
    """Raise PrecisionError unless `runtime` computes with `precision` on `device`.

    A `given_file` may be of a precision that none of the files made here is of.
    """
    check_known(precision)
    if given_file and precision in _OF_GIVEN_FILES:
        return
    if precision not in _OF_RUNTIME[runtime]:
        why = _WHY_NOT.get(precision) or _WHY_NOT[runtime]
        raise PrecisionError(
            f"{runtime} does not run with precision {precision}: {why}. "
            f"Use one of {', '.join(_OF_RUNTIME[runtime])}"
        )
    if precision in _UNITS and device.kind != _UNITS[precision]:
        raise PrecisionError(
            f"precision {precision} is of {_UNITS[precision]} devices; {device} has none of it"
        )


def runtimes_with(precision: str) -> tuple[str, ...]:
    """Return the runtimes that compute with a precision, on one device or another."""
    return tuple(runtime for runtime, known in _OF_RUNTIME.items() if precision in known)


def recorded(precision: str, device: Device) -> dict[str, str]:
    """Return the precision, and whether TF32 or HF32 is on, as reports say it."""
    units = {"cuda": "tf32", "npu": "hf32"}.get(device.kind)
    flags = {} if units is None else {units: "on" if precision == units else "off"}
    return {"precision": precision, **flags}


def lowered_torch(torch: Any, net: Any, precision: str) -> Any:
    """Return a PyTorch network with its parameters as `precision` has them; O1 leaves them to autocast."""
    if precision == "bfloat16":
        return net.bfloat16()
    if precision in ("float16", "O2", "O3"):
        net = net.half()
    if precision == "O2":
        for module in net.modules():
            if kind_of(module) is KINDS["norm"]:
                module.float()
    return net


def lowered_mindspore(mindspore: Any, net: Any, precision: str) -> Any:
    """Return a MindSpore network that computes with `precision`."""
    if precision == "O1":
        return _lowered_layers(mindspore, net)
    if precision in ("float16", "O2", "O3"):
        level = "O2" if precision == "O2" else "O3"
        return mindspore.amp.auto_mixed_precision(net, level)
    return net


def _lowered_layers(mindspore: Any, net: Any) -> Any:
    """Let the Cells of MindSpore's own white list compute in float16, from and to float32.

    `auto_mixed_precision(net, "O1")` would rewrite the network's source and run it, which fails in
    MindSpore 2.10 on any network whose functions come from modules with relative imports.
    """
    from mindspore import nn

    class FromAndToFloat32(nn.Cell):
        def __init__(self, cell: Any) -> None:
            super().__init__(auto_prefix=False)
            self.cell = cell.to_float(mindspore.float16)

        def construct(self, x: Any) -> Any:
            return mindspore.ops.cast(self.cell(x), mindspore.float32)

    lowered = tuple(
        kind
        for kind in mindspore.amp.get_white_list()
        if isinstance(kind, type) and issubclass(kind, nn.Cell)
    )

    def lower(cell: Any) -> None:
        for index, (name, child) in enumerate(list(cell.name_cells().items())):
            if not isinstance(child, lowered):
                lower(child)
            elif isinstance(cell, nn.SequentialCell | nn.CellList):
                cell[index] = FromAndToFloat32(child)
            else:
                setattr(cell, name, FromAndToFloat32(child))

    lower(net)
    return net
