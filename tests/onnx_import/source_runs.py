"""Write source of a model for a test, and run it."""

from pathlib import Path

from triport.converters.onnx_import.reading import model_of
from triport.converters.onnx_import.tree import blocks_of
from triport.converters.onnx_import.writer import source_of
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.runs import run


def written(proto, target="pytorch", folder=Path()):
    """Return the source of a ModelProto."""
    model = model_of(proto, folder / "model.onnx")
    return source_of(model, target, "written", blocks_of(model.graph))


def outputs_of(source, arrays, folder):
    """Return what source computes."""
    write(folder, source)
    return run(load(folder, "written", source.target), source.target, arrays)
