"""How many bits a runner computes with: float32 unless asked, and what else the published figures used.

`tf32` and `hf32` let matrix units of CUDA and Ascend round float32 inputs. `int8` is of ONNX files whose
convolutions and dense layers were quantised (onnx_graphs/quantised.py). `O0` to `O3` are the levels of
automatic mixed precision that MindSpore and Ascend's PyTorch recipes name: nothing, the layers
that gain most (convolutions and dense layers), all but the normalisation layers, everything in float16.
"""

from __future__ import annotations

from collections.abc import Sequence

from triport.reference_models.errors import TriportError

from .device import Device

PRECISIONS = ("float32", "tf32", "hf32", "float16", "bfloat16", "int8", "O0", "O1", "O2", "O3")
FULL = frozenset({"float32", "O0"})
_UNITS = {"tf32": "cuda", "hf32": "npu"}
# what an ONNX file may compute in that was not made here
_OF_GIVEN_FILES = ("float16",)


class PrecisionError(TriportError):
    """The runtime or the device cannot compute so."""


def check_known(precision: str) -> None:
    """Raise PrecisionError unless there is such a precision."""
    if precision not in PRECISIONS:
        raise PrecisionError(f"precision {precision!r} is not known: use one of {', '.join(PRECISIONS)}")


def check_precision(
    precision: str,
    device: Device,
    runtime: str,
    known: Sequence[str],
    why_not: str,
    *,
    given_file: bool = False,
) -> None:
    """Raise PrecisionError unless a runtime computes with `precision` on `device`.

    Args:
        precision: one of PRECISIONS.
        device: where.
        runtime: its name.
        known: what it computes in.
        why_not: why in nothing else.
        given_file: whether it is a file that was not made here, which may be of another precision.
    """
    check_known(precision)
    if given_file and precision in _OF_GIVEN_FILES:
        return
    if precision not in known:
        why = "models are quantised in ONNX" if precision == "int8" else why_not
        raise PrecisionError(
            f"{runtime} does not run with precision {precision}: {why}. Use one of {', '.join(known)}"
        )
    if precision in _UNITS and device.kind != _UNITS[precision]:
        raise PrecisionError(
            f"precision {precision} is of {_UNITS[precision]} devices; {device} has none of it"
        )


def recorded(precision: str, device: Device) -> dict[str, str]:
    """Return the precision, and whether TF32 or HF32 is on, as reports say it."""
    units = {"cuda": "tf32", "npu": "hf32"}.get(device.kind)
    flags = {} if units is None else {units: "on" if precision == units else "off"}
    return {"precision": precision, **flags}
