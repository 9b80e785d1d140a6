"""Hostile .mindir files."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mindir.conftest import make_builder
from triport.converters.mindir import schema
from triport.converters.mindir.export import mindir_bytes_from_cell

SMALL = (
    "nn.SequentialCell(nn.Conv2d(3, 4, 3, has_bias=True), nn.BatchNorm2d(4), nn.ReLU(), "
    "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dense(4, 5))"
)
MOST_SAID = 4_000  # characters
ESCAPE = "\x1b]0;owned\x07\x1b[2J"
INTEGER, REAL = schema.ATTRIBUTE_TYPES["INT64"], schema.ATTRIBUTE_TYPES["FLOAT"]


@pytest.fixture(scope="module")
def mindir(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small network as MindSpore exports it."""
    cell = make_builder(tmp_path_factory.mktemp("cells"))(SMALL)
    return mindir_bytes_from_cell(cell, (2, 3, 8, 8))


@pytest.fixture
def refuse(mindir: bytes, run_cli: Callable[..., Any], tmp_path: Path) -> Callable[..., str]:
    """Convert the network after an edit, which must be refused with one message, and return that."""

    def run(edit: Callable[[Any], object], *options: str) -> str:
        model = schema.ModelProto()
        model.ParseFromString(mindir)
        edit(model)
        path, output = tmp_path / "hostile.mindir", tmp_path / "hostile.onnx"
        path.write_bytes(model.SerializePartialToString())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = run_cli("convert", path, "--to", "onnx", "-o", output, *options)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        said = done.output
        assert done.exit_code == 2, said
        assert said.startswith("Error: ")
        assert "Traceback" not in said
        assert not output.exists()
        assert len(said) < MOST_SAID
        assert all(char.isprintable() or char == "\n" for char in said), repr(said)
        assert grown_kib < 256 * 1024
        return said

    return run


def nodes_of(model: Any, primitive: str) -> list[Any]:
    names = {found.name for found in model.primitives if found.op_type == primitive}
    return [node for node in model.graph.node if node.op_type.removeprefix("REF::") in names]


def attribute_of(model: Any, primitive: str, name: str) -> Any:
    (found,) = (one for one in model.primitives if one.op_type == primitive)
    (attribute,) = (one for one in found.attribute if one.name == name)
    return attribute


def shape_of(node: Any) -> Any:
    (attribute,) = (one for one in node.attribute if one.name == "shape")
    return attribute


def resize(model: Any, old: int, new: int) -> None:
    """Change a size wherever the graph states it, so that all statements agree."""
    for info in model.graph.input:
        for tensor in info.tensor:
            tensor.dims[:] = [new if size == old else size for size in tensor.dims]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "shape":
                for tensor in (
                    *attribute.tensors,
                    *(tensor for value in attribute.values for tensor in value.tensors),
                ):
                    tensor.dims[:] = [new if size == old else size for size in tensor.dims]


TERMINAL = {
    "operator": lambda m: setattr(m.primitives[0], "op_type", m.primitives[0].op_type + ESCAPE),
    "scope": lambda m: setattr(nodes_of(m, "Conv2D")[0], "domain", ESCAPE),
    "output": lambda m: setattr(m.graph.output[0], "name", ESCAPE),
    "input": lambda m: setattr(m.graph.input[0], "name", f"main:{ESCAPE}"),
    "parameter": lambda m: setattr(m.graph.parameter[0], "name", f"main:{ESCAPE}"),
    "attribute": lambda m: m.primitives[0].attribute.add(name=ESCAPE, i=1, type=INTEGER),
    "producer": lambda m: (setattr(m, "producer_name", ESCAPE), setattr(m, "mind_ir_version", 99)),
    "text": lambda m: setattr(attribute_of(m, "Conv2D", "format"), "s", ESCAPE.encode()),
    "direction of writing": lambda m: setattr(nodes_of(m, "ReLU")[0], "domain", "a\u202eb"),
}


@pytest.mark.field(
    case="terminal escapes in names",
    source="fields of a small .mindir changed at random",
    outcome="No control character reaches the terminal, whichever name it is in.",
)
@pytest.mark.parametrize("where", TERMINAL)
def test_terminal_escapes(refuse: Callable[..., str], where: str) -> None:
    refuse(TERMINAL[where], "--no-check")


LONG = "x" * 80_000


@pytest.mark.field(
    case="names of 80,000 characters",
    source="fields of a small .mindir changed at random",
    outcome="The message stays short.",
)
@pytest.mark.parametrize(
    "edit",
    [
        lambda m: setattr(m.graph.output[0], "name", LONG),
        lambda m: setattr(m.primitives[0], "op_type", LONG),
        lambda m: setattr(attribute_of(m, "Conv2D", "format"), "s", LONG.encode()),
        lambda m: setattr(m, "producer_name", LONG) or setattr(m, "mind_ir_version", 99),
        lambda m: [node.input.extend([f"missing{i}" * 100 for i in range(500)]) for node in m.graph.node],
    ],
    ids=["output", "operator", "text", "producer", "many missing"],
)
def test_long_names(refuse: Callable[..., str], edit: Callable[[Any], object]) -> None:
    refuse(edit, "--no-check")


def empty(attribute: Any) -> None:
    for value in attribute.values:
        value.ClearField("i")
        value.ClearField("ints")


def make_real(attribute: Any) -> None:
    for value in attribute.values:
        value.Clear()
        value.type, value.f = REAL, 1.0


CONTRADICTIONS: dict[str, tuple[Callable[[Any], object], str]] = {
    "attribute without its value": (
        lambda m: empty(attribute_of(m, "Conv2D", "kernel_size")),
        "Conv2D.kernel_size has 0 values, not 1",
    ),
    "attribute of another type": (
        lambda m: make_real(attribute_of(m, "Conv2D", "stride")),
        "Expected: 'INTS', actual: 'FLOATS'",
    ),
    "result of another shape": (
        lambda m: shape_of(nodes_of(m, "Conv2D")[0]).tensors[0].dims.__setitem__(1, 9),
        "the file contradicts itself",
    ),
    "result of another element type": (
        lambda m: setattr(shape_of(nodes_of(m, "ReLU")[0]).tensors[0], "data_type", 7),
        "the file contradicts itself",
    ),
    "result of a negative size": (
        lambda m: shape_of(nodes_of(m, "ReLU")[0]).tensors[0].dims.__setitem__(0, -5),
        "the size of its result depends on values, or is damaged",
    ),
    "parameter of another shape": (
        lambda m: m.graph.parameter[0].dims.__setitem__(slice(None), [3, 4, 3, 3]),
        "Load: its result has the shape (3, 4, 3, 3), (4, 3, 3, 3) is stated",
    ),
    "operand of another kind": (
        lambda m: nodes_of(m, "Conv2D")[0].input.__setitem__(1, nodes_of(m, "Conv2D")[0].input[0]),
        "Conv",
    ),
    "absurd shape": (
        lambda m: shape_of(nodes_of(m, "ReLU")[0]).tensors[0].dims.extend([2**62] * 3),
        "states an absurd shape",
    ),
    "100,000 axes": (
        lambda m: m.graph.parameter[0].dims.extend([2**62] * 100_000),
        "axes; at most 16 are read",
    ),
}


@pytest.mark.field(
    case="fields that contradict each other",
    source="fields of a small .mindir changed at random",
    outcome="One message names the operator or the field; no traceback.",
)
@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_contradictions(refuse: Callable[..., str], what: str) -> None:
    edit, message = CONTRADICTIONS[what]
    assert message in refuse(edit, "--no-check")


@pytest.mark.field(
    case="input of 384 GiB",
    source="fields of a small .mindir changed at random",
    outcome="Refused before anything of that size is allocated, with the check and without.",
)
@pytest.mark.parametrize("options", [[], ["--no-check"]], ids=["checked", "unchecked"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.graph.input[0].tensor[0].dims.__setitem__(2, 2**31),
        lambda m: resize(m, 8, 2**17),
    ],
    ids=["the input alone", "all sizes that hang on it"],
)
def test_huge_input(refuse: Callable[..., str], edit: Callable[[Any], object], options: list[str]) -> None:
    assert "GiB" in refuse(edit, *options)
