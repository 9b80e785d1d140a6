"""What a file that is damaged says, and what is a fault of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .reading import ImportRefusedError


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in a refusal; where its graph breaks the rules of ONNX, any error is a refusal.

    A translation relies on these rules. What goes wrong on a graph that keeps them is a fault of triport.

    Raises:
        ImportRefusedError: a node has no translation, or the file is damaged.
    """
    try:
        yield
    except ImportRefusedError as error:
        # a shape is often not known because the ones before it contradict each other
        problem = _broken_rule(path) if "is not known" in str(error) else None
        why = (
            f"; its shapes contradict each other: {problem}" if "ShapeInferenceError" in str(problem) else ""
        )
        raise ImportRefusedError(f"{path}: {error}{why}") from None
    except (MemoryError, RecursionError) as error:
        raise ImportRefusedError(f"{path}: is too large to be read: {type(error).__name__}") from None
    except Exception:
        problem = _broken_rule(path)
        if problem is None:
            raise
        raise ImportRefusedError(f"{path}: its graph is damaged: {problem}") from None


def _broken_rule(path: Path) -> str | None:
    """Return what onnx finds wrong with a graph, None if nothing."""
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    for tensor in model.graph.initializer:  # their places were checked, and onnx looks for no others
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    described = onnx.ModelProto.FromString(model.SerializeToString())
    for value in (*described.graph.input, *described.graph.output):
        if value.type.HasField("tensor_type"):  # a shape that is not said breaks no rule that matters
            value.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(described)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:
        return str(error).partition("\n")[0]
    return None
