"""ONNX files, as far as they carry weights: initializers, external data, Constant nodes, metadata.

Read by position: the graph itself is not loaded. A graph is written by the exporters, not here.
Source: onnx/onnx.proto3 of onnx 1.23.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

from triport.converters.formats.external_data import ExternalData
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensor_protos import TensorReader, read_entry
from triport.converters.formats.tensors import (
    FLOATS,
    MAX_TENSORS,
    Checkpoint,
    Dropped,
    Tensor,
    short,
)
from triport.converters.formats.views import check_expansion
from triport.converters.formats.wire import LENGTH, VARINT, Field, NoFieldError, WireReader
from triport.reference_models.errors import counted

FORMAT = "onnx"
CONSTANT_NUMBER = "a Constant node's number, part of the graph"
WRITES: dict[str, tuple[str, ...]] = {}
OPTIONS: tuple[str, ...] = ()

_MODEL_FIELDS = {1: VARINT, 2: LENGTH, 3: LENGTH, 4: LENGTH, 5: VARINT, 6: LENGTH, 7: LENGTH, 8: LENGTH}
_MODEL_FIELDS |= {14: LENGTH, 20: LENGTH, 25: LENGTH, 26: LENGTH}
_MAX_MODEL_FIELDS = 100_000
_MAX_NODE_INPUTS = 100_000
# what exporters call the results of nodes: /layer1/Identity_output_0, onnx::Conv_12, 12, Identity_3
_GENERATED_NAME = re.compile(r"[/:]|^(\d+|Identity.*|)$")
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


def sniff(source: SourceFile) -> bool:
    """Return whether a file's outermost fields are a ModelProto's.

    Those of a TensorFlow SavedModel could be: a version, which is 1, and a text that is none.
    """
    seen: set[int] = set()
    version = 0
    try:
        for count, field in enumerate(WireReader(source).fields(0, source.size, "the model")):
            if _MODEL_FIELDS.get(field.number) != field.wire or count > _MAX_MODEL_FIELDS:
                return False
            seen.add(field.number)
            version = field.value if field.number == 1 else version
    except NoFieldError:  # what follows a whole model is its
        return 7 in seen
    except FormatError:  # truncated: `open` says so
        return 1 in seen
    return 7 in seen or (1 in seen and (version, seen) != (1, {1, 2}))


def open(source: SourceFile) -> Checkpoint:
    """Read where the graph's tensors are.

    Raises:
        FormatError: the file is damaged, or its external data is missing or not allowed.
    """
    reader = WireReader(source)
    graph = None
    metadata: dict[str, str] = {}
    producer = []
    functions = 0
    for field in reader.fields(0, source.size, "the model"):
        if field.number == 7 and field.wire == LENGTH:
            if graph is not None:
                raise FormatError(f"{source.path}: has two graphs: the file is damaged or malicious")
            graph = field
        elif field.number == 25:
            functions += 1
        elif field.number in (2, 3):
            producer.append(reader.text(field, "the producer's name"))
        elif field.number == 14:
            key, value = read_entry(reader, field, "metadata_props")
            metadata[key] = value
    if graph is None:
        raise FormatError(f"{source.path}: has no graph: the ONNX file is truncated or damaged; get it again")
    graph_reader = _GraphReader(reader)
    graph_reader.read(graph)
    notes = []
    if graph_reader.inner_graphs:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(graph_reader.inner_graphs.items()))
        notes.append(f"tensors in the inner graphs of nodes are not read ({kinds})")
    if graph_reader.copies:
        notes.append(
            f"{len(graph_reader.copies)} of {len(graph_reader.tensors)} tensors have the values of another "
            f"one, which stand in the file once (Identity nodes)"
        )
    if functions:
        notes.append(f"tensors in the model's {counted(functions, 'function')} are not read")
    return Checkpoint(
        source.path,
        FORMAT,
        "onnx",
        graph_reader.tensors,
        metadata,
        tuple(graph_reader.dropped),
        tuple(notes),
        producer=short(" ".join(producer)) or None,
        files=tuple(graph_reader.external.paths),
        copies=graph_reader.copies,
    )


def write(
    path: str | os.PathLike[str], runtime: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> NoReturn:
    """Refuse: an ONNX file is a graph, and weights alone are none."""
    raise FormatError(f"{os.fspath(path)}: an ONNX file needs a graph; use an exporter")


class _GraphReader:
    """Gathers the tensors of one graph."""

    def __init__(self, reader: WireReader) -> None:
        self.reader = reader
        self.source = reader.source
        self.tensors: dict[str, Tensor] = {}
        self.dropped: list[Dropped] = []
        self.inner_graphs: Counter[str] = Counter()
        self.copies: dict[str, str] = {}  # the original of each, where it stands in the file
        self._identities: dict[str, str] = {}  # what each copies, by the name of the copy
        self.external = ExternalData(reader.source.path)
        self._protos = TensorReader(reader, self.external)

    def read(self, graph: Field) -> None:
        """Read all initializers and Constant nodes, and the names that Identity nodes give to them."""
        for field in self.reader.fields(graph.value, graph.value + graph.length, "the graph"):
            if field.number == 5 and field.wire == LENGTH:
                self._add(*self._protos.read(field, None), "an initializer")
            elif field.number == 1 and field.wire == LENGTH:
                self._node(field)
            elif field.number == 15:
                raise FormatError(
                    f"{self.source.path}: has a sparse initializer, which is not supported; make it dense"
                )
        self._name_copies()
        self.external.check_overlaps()
        check_expansion(self.source, self.tensors, self.external.size)

    def _add(self, name: str, tensor: Tensor | str, what: str) -> None:
        """Keep a tensor, or the reason why it is left out."""
        if name in self.tensors:
            raise FormatError(
                f"{self.source.path}: '{short(name)}' is {what} and was there before: damaged or malicious"
            )
        if len(self.tensors) + len(self.dropped) == MAX_TENSORS:
            raise FormatError(f"{self.source.path}: has more than {MAX_TENSORS:,} tensors, which is not read")
        if isinstance(tensor, str):
            self.dropped.append(Dropped(name, tensor))
        else:
            self.tensors[name] = tensor

    def _node(self, node: Field) -> None:
        """Take a Constant node's value, under the name of its output; note what an Identity node copies."""
        kind = domain = ""
        inputs: list[Field] = []
        outputs: list[Field] = []
        attributes: list[Field] = []
        for field in self.reader.fields(node.value, node.value + node.length, "a node"):
            if field.number == 4:
                kind = self.reader.text(field, "a node's op_type")
                if kind not in ("Constant", "Identity"):
                    self.inner_graphs.update([kind] if kind in _WITH_GRAPHS else [])
                    return
            elif field.number in (1, 2):
                names = inputs if field.number == 1 else outputs
                if len(names) == _MAX_NODE_INPUTS:
                    raise FormatError(
                        f"{self.source.path}: a node has more than {_MAX_NODE_INPUTS:,} inputs or outputs, "
                        f"which is not read"
                    )
                names.append(field)
            elif field.number == 7:
                domain = self.reader.text(field, "a node's domain")
            elif field.number == 5 and field.wire == LENGTH and len(attributes) < 100:
                attributes.append(field)
        if not kind or not outputs or domain not in ("", "ai.onnx"):
            return
        name = self.reader.text(outputs[0], f"the output of {kind}")
        if kind == "Identity":
            if len(inputs) == 1:
                self._identities[name] = self.reader.text(inputs[0], "the input of Identity")
            return
        for attribute in attributes:
            for field in self.reader.fields(
                attribute.value, attribute.value + attribute.length, "an attribute"
            ):
                if field.number == 5 and field.wire == LENGTH:
                    _, tensor = self._protos.read(field, name)
                    if not isinstance(tensor, str) and (tensor.dtype not in FLOATS or not tensor.shape):
                        tensor = CONSTANT_NUMBER
                    self._add(name, tensor, "a Constant")

    def _name_copies(self) -> None:
        """Add the tensors that stand in the file once and have further names by Identity nodes.

        An exporter does so with parameters of equal values. Names that it made up itself are no parameter's.
        """
        generated: dict[str, str] = {}
        for name, original in self._identities.items():  # a graph's nodes stand in the order of its edges
            first = generated.get(original) or self.copies.get(original, original)
            tensor = self.tensors.get(first)
            if tensor is None:
                continue
            if _GENERATED_NAME.search(name):
                generated[name] = first
            else:
                self._add(name, tensor, "the output of an Identity")
                self.copies[name] = first
