"""A converted graph on disk: one file, or a graph and its parameters beside it, read back as written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from triport.reference_models.errors import TriportError, counted, listed

from .graph import Graph

ALIGNMENT = 4096


class WriteError(TriportError):
    """A file does not read back as it was written."""


def write(model: onnx.ModelProto, path: Path, data: Path | None, graph: Graph) -> None:
    """Write the graph, its initializers into `data` if that is given, and compare them with the parameters.

    Raises:
        WriteError: they do not read back as they were written.
    """
    if data is not None:
        _write_data(model, data)
    write_graph(model, path)
    _check_round_trip(onnx.load(path, load_external_data=False), path.parent, graph)


def write_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write the graph, with what initializers it holds, and check it in full."""
    path.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path), full_check=True)


def _write_data(model: onnx.ModelProto, data: Path) -> None:
    """Write the initializers, and into the graph where they are."""
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            file.write(bytes(-file.tell() % ALIGNMENT))
            entries = {"location": data.name, "offset": str(file.tell()), "length": str(len(tensor.raw_data))}
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            _set_entries(tensor, entries)


def name_data(model: onnx.ModelProto, path: Path, data_name: str) -> None:
    """Write the final name of the data file into the graph."""
    for tensor in model.graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        _set_entries(tensor, {**entries, "location": data_name})
    path.write_bytes(model.SerializeToString(deterministic=True))


def _set_entries(tensor: onnx.TensorProto, entries: Mapping[str, str]) -> None:
    del tensor.external_data[:]
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def _check_round_trip(model: onnx.ModelProto, folder: Path, graph: Graph) -> None:
    """Compare the written initializers with the parameters, byte by byte."""
    parameters = {parameter.name: parameter.tensor for parameter in graph.parameters.values()}
    wrong = []
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if tensor.external_data:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            with (folder / entries["location"]).open("rb") as file:
                file.seek(int(entries["offset"]))
                data = file.read(int(entries["length"]))
        if data != parameters[tensor.name].data:
            wrong.append(tensor.name)
    if wrong:
        raise WriteError(
            f"{counted(len(wrong), 'tensor does', 'tensors do')} not read back as they were "
            f"written\n{listed(wrong)}"
        )
