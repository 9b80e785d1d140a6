"""ONNX in float16, by ONNX Runtime's own converter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from triport.converters.environment import MissingRuntimeError
from triport.reference_models.errors import TriportError

if TYPE_CHECKING:
    import onnx


class HalfError(TriportError):
    """A graph cannot be made to compute in float16."""


def in_float16(model: onnx.ModelProto, *, keep_io: bool) -> onnx.ModelProto:
    """Return a model that computes in float16.

    Its float32 parameters must be values that float16 has: they are then stored without another rounding.
    Operators that have no float16 stay float32, between casts.

    Args:
        model: in float32.
        keep_io: whether input and output stay float32, so that whoever feeds the file need not know.

    Raises:
        HalfError: the converter fails, or makes no valid graph.
        MissingRuntimeError: ONNX Runtime is not installed.
    """
    import onnx
    import onnx_ir as ir

    before = list(sys.path)
    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise MissingRuntimeError(
            f'--dtype float16 to ONNX needs ONNX Runtime ({error}). Install it: pip install "triport[onnx]"'
        ) from error
    finally:
        sys.path[:] = before  # the package puts its own folder there, whose modules have common names
    try:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        sorted_model = ir.from_proto(convert_float_to_float16(copy, keep_io_types=keep_io))
        sorted_model.graph.sort()  # the casts were put at the end
        half = ir.to_proto(sorted_model)
        del half.graph.value_info[:]
        onnx.checker.check_model(half, full_check=True)
    except (
        ValueError,
        AssertionError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        raise HalfError(
            f"{model.graph.name}: cannot be made to compute in float16: {error}. Leave --dtype out"
        ) from error
    return half
