"""Whole graphs: names, free batch, bad files, what cannot be converted."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import onnx
import pytest

from tests.mindir.conftest import (
    check_model,
    largest_difference,
    make_input,
    run_mindspore,
    run_onnx,
)
from triport.converters.mindir import schema
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.errors import UnsupportedOperatorsError
from triport.converters.mindir.export import mindir_bytes_from_cell, onnx_from_mindir
from triport.converters.mindir.graph import MindirError
from triport.converters.mindir.operators import load_operators, mindir_operator
from triport.converters.mindir.reader import read_mindir
from triport.converters.names import name_map, reference_dialect
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import logits_of
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.noise import noise_of
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import all_models, get_model

SHAPE = (2, 3, 8, 8)
SMALL = (
    "nn.SequentialCell(nn.Conv2d(3, 4, 3, has_bias=True), nn.BatchNorm2d(4), nn.ReLU(), "
    "nn.Flatten(), nn.Dense(256, 5))"
)


@pytest.fixture(scope="module")
def cell(build_cell: Callable[[str], Any]) -> Any:
    return build_cell(SMALL)


@pytest.fixture(scope="module")
def mindir(cell: Any) -> bytes:
    return mindir_bytes_from_cell(cell, SHAPE)


def edited(mindir: bytes, edit: Callable[[Any], object]) -> bytes:
    model = schema.ModelProto()
    model.ParseFromString(mindir)
    edit(model)
    return model.SerializeToString()


def test_interface_and_names(mindir: bytes) -> None:
    model = onnx_from_mindir(mindir)
    check_model(model)
    assert [node.op_type for node in model.graph.node] == [
        "Conv",
        "BatchNormalization",
        "Relu",
        "Flatten",
        "Gemm",
    ]
    assert model.graph.node[0].name == "0-Conv2d/Conv2D-op0"
    assert model.graph.node[-1].name == "4-Dense/MatMul-op0"
    (given,), (made,) = model.graph.input, model.graph.output
    dims = [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim]
    assert (given.name, dims) == ("input", ["N", 3, 8, 8])
    dims = [dim.dim_param or dim.dim_value for dim in made.type.tensor_type.shape.dim]
    assert (made.name, dims) == ("logits", ["N", 5])


def test_initializers_are_the_parameters_bit_for_bit(cell: Any, mindir: bytes) -> None:
    found = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx_from_mindir(mindir).graph.initializer
    }
    expected = {parameter.name: parameter.asnumpy() for parameter in cell.get_parameters()}
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }
    assert found["4.weight"].shape == (5, 256)


def test_rename(mindir: bytes) -> None:
    model = onnx_from_mindir(mindir, rename={"1.gamma": "1.weight"})
    check_model(model)
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"1.weight", "1.beta"} <= names
    assert "1.gamma" not in names


def test_rename_onto_another_name(mindir: bytes) -> None:
    with pytest.raises(TriportError, match=r"1 initializer name would be used twice\n  1.beta"):
        onnx_from_mindir(mindir, rename={"1.gamma": "1.beta"})


@pytest.mark.parametrize("opset", [10, 22])
def test_opset_out_of_range(mindir: bytes, opset: int) -> None:
    with pytest.raises(TriportError, match=f"opset {opset}: expected 11 to 21"):
        onnx_from_mindir(mindir, opset=opset)


@pytest.mark.parametrize("opset", range(11, 22))
def test_every_opset(cell: Any, mindir: bytes, opset: int) -> None:
    model = onnx_from_mindir(mindir, opset=opset)
    check_model(model)
    assert model.opset_import[0].version == opset
    x = make_input((5, *SHAPE[1:]))
    (found,) = run_onnx(model, x)
    assert found.shape == (5, 5)


@pytest.mark.parametrize("traced_batch", [1, 2, 7])
def test_traced_batch_does_not_matter(cell: Any, traced_batch: int) -> None:
    model = onnx_from_mindir(mindir_bytes_from_cell(cell, (traced_batch, *SHAPE[1:])))
    x = make_input((3, *SHAPE[1:]))
    assert largest_difference(run_onnx(model, x)[0], run_mindspore(cell, x)[0]) <= 1e-6


def test_exporting_twice_is_the_same(cell: Any, mindir: bytes) -> None:
    again = onnx_from_mindir(mindir_bytes_from_cell(cell, SHAPE))
    first = onnx_from_mindir(mindir)
    assert [node.SerializeToString() for node in again.graph.node] == [
        node.SerializeToString() for node in first.graph.node
    ]


@pytest.mark.parametrize("expression", ["x", "nn.Identity()", "(ops.relu(x), x)", "y = ops.relu(x); (y, y)"])
def test_outputs_that_no_node_of_their_own_makes(expression: str, build_cell: Callable[[str], Any]) -> None:
    cell = build_cell(expression)
    model = onnx_from_mindir(mindir_bytes_from_cell(cell, (2, 3)))
    check_model(model)
    x = make_input((4, 3))
    for found, reference in zip(run_onnx(model, x), run_mindspore(cell, x), strict=True):
        np.testing.assert_array_equal(found, reference)


@pytest.mark.parametrize(
    "expression",
    [
        "x.transpose(1, 0, 2).reshape(4, -1)",
        "x.transpose(1, 0, 2).reshape(4 * x.shape[0], 3, 2).reshape(4, x.shape[0], 6)",
        "x.transpose(2, 1, 0).expand_dims(0).squeeze(0).reshape(24, x.shape[0]) * 2",
        "x.reshape(x.shape[0] * 2, 2, 6).reshape(x.shape[0], 2, 12).sum(2).T.reshape(1, 2, x.shape[0])",
        "x.transpose(1, 0, 2)[1].reshape(1, x.shape[0], 6)",
        "ops.concat((x, x), 2).transpose(1, 0, 2).sum(0).reshape(1, x.shape[0], 3, 4)",
        "(x @ ops.ones((6, 2))).transpose(2, 0, 1).reshape(2, x.shape[0] * 4)",
    ],
)
def test_the_batch_is_followed(expression: str, build_cell: Callable[[str], Any]) -> None:
    """Behind a Transpose a Reshape must free another axis than the first."""
    cell = build_cell(expression)
    x = make_input((5, 4, 6))
    model = onnx_from_mindir(mindir_bytes_from_cell(cell, (3, 4, 6)))
    check_model(model)
    (found,), (reference,) = run_onnx(model, x), run_mindspore(cell, x)
    assert found.shape == reference.shape
    assert largest_difference(found, reference) <= 1e-6


def test_fixed_batch(build_cell: Callable[[str], Any]) -> None:
    cell = build_cell("ops.concat((x, ops.arange(8).reshape(2, 4).astype(ms.float32)), 1)")
    mindir = mindir_bytes_from_cell(cell, (2, 4))
    with pytest.raises(TriportError, match="batch size"):
        onnx_from_mindir(mindir)
    check_model(onnx_from_mindir(mindir, free_batch=False))


@pytest.mark.parametrize("size", [0, 1, 10, 100, 1000, 5000, -1])
def test_truncated(mindir: bytes, size: int) -> None:
    with pytest.raises(MindirError, match=r"damaged|cut short|version"):
        read_mindir(mindir[:size])


@pytest.mark.parametrize("content", [b"\x80\x02}q\x00.", b"PK\x03\x04" * 40, bytes(range(256)) * 9])
def test_another_format(content: bytes) -> None:
    with pytest.raises(MindirError, match=r"not a MindIR file|unknown|version"):
        read_mindir(content)


@pytest.mark.parametrize("first_word", [0x7F3A5ED8, 0x7F3A5ED9, 0x7F3A5EDA])
def test_encrypted(mindir: bytes, first_word: int) -> None:
    with pytest.raises(MindirError, match="encrypted"):
        read_mindir(first_word.to_bytes(4, "little") + mindir)


EDITS: dict[str, tuple[Callable[[Any], object], str]] = {
    "version": (lambda m: setattr(m, "mind_ir_version", 9), "MindIR version 9, expected 1 to 3"),
    "short tensor": (
        lambda m: setattr(m.graph.parameter[0], "raw_data", b"1234"),
        r"of shape \(4, 3, 3, 3\) needs 432 bytes, found 4",
    ),
    "element type": (lambda m: setattr(m.graph.parameter[0], "data_type", 12345), "has data type 12345"),
    "negative size": (
        lambda m: m.graph.parameter[0].dims.__setitem__(0, -4),
        r"states a negative size in \(-4, 3, 3, 3\)",
    ),
    "variable parts": (
        lambda m: setattr(m.graph.parameter[0].external_data, "location", "part_0"),
        "the parameters lie in separate files",
    ),
    "node lost": (lambda m: m.graph.node.pop(1), "used before they are made"),
    "node twice": (lambda m: m.graph.node.add().CopyFrom(m.graph.node[1]), "is made twice"),
    "primitive lost": (lambda m: m.ClearField("primitives"), "refers to an unknown primitive"),
    "cycle": (
        lambda m: m.graph.node[1].input.__setitem__(0, m.graph.node[-1].output[0]),
        "used before they are made",
    ),
    "huge sizes": (
        lambda m: m.graph.parameter[0].dims.__setitem__(slice(None), [2**62, 2**62, 3, 3]),
        "states an absurd shape",
    ),
    "no graph": (lambda m: m.ClearField("graph"), "no graph inside"),
}


@pytest.mark.parametrize("what", EDITS)
def test_damaged(mindir: bytes, what: str) -> None:
    edit, message = EDITS[what]
    with pytest.raises(MindirError, match=message):
        read_mindir(edited(mindir, edit))


def test_unsupported_operators_are_all_listed(mindir: bytes) -> None:
    def rename(model: Any) -> None:
        for primitive in model.primitives:
            if primitive.op_type in ("Conv2D", "ReLU"):
                primitive.op_type += "Unheard"

    with pytest.raises(UnsupportedOperatorsError) as caught:
        onnx_from_mindir(edited(mindir, rename))
    message = str(caught.value)
    assert "2 operators cannot be converted to ONNX opset 17" in message
    assert "Conv2DUnheard: no converter\n    0-Conv2d/Conv2D-op0" in message
    # MindSpore drops the scope of a layer that it has compiled before in the process
    assert re.search(r"ReLUUnheard: no converter\n    (2-ReLU/)?ReLU-op0", message)


def test_an_attribute_that_nobody_reads(mindir: bytes) -> None:
    def add(model: Any) -> None:
        for primitive in model.primitives:
            if primitive.op_type == "Conv2D":
                primitive.attribute.add(name="novelty", i=1, type=schema.ATTRIBUTE_TYPES["INT64"])

    with pytest.raises(UnsupportedOperatorsError, match="Conv2D: attributes not understood: novelty"):
        onnx_from_mindir(edited(mindir, add))


def test_an_attribute_of_another_value(mindir: bytes) -> None:
    def change(model: Any) -> None:
        for primitive in model.primitives:
            for attribute in primitive.attribute:
                if (primitive.op_type, attribute.name) == ("Conv2D", "format"):
                    attribute.s = b"NHWC"

    with pytest.raises(UnsupportedOperatorsError, match="Conv2D: format is 'NHWC', expected 'NCHW'"):
        onnx_from_mindir(edited(mindir, change))


def test_training_mode(build_cell: Callable[[str], Any]) -> None:
    cell = build_cell("nn.BatchNorm2d(3)").set_train(True)
    mindir = mindir_bytes_from_cell(cell, SHAPE)
    cell.set_train(False)
    with pytest.raises(
        UnsupportedOperatorsError, match="BatchNorm: it normalises by the mean and variance of the batch"
    ):
        onnx_from_mindir(mindir)


def test_writing_into_a_view(build_cell: Callable[[str], Any]) -> None:
    cell = build_cell("y = ops.relu(x); z = mint.permute(y, (1, 0)); y += x; z * 2")
    with pytest.raises(UnsupportedOperatorsError, match="shares its storage with a view"):
        onnx_from_mindir(mindir_bytes_from_cell(cell, (4, 4)))


CONTROL_FLOW = """
from mindspore import nn, ops


class Head(nn.Cell):
    def construct(self, x):
        if x.sum() > 0:
            return x * 2
        return x - 1


class Branch(nn.Cell):
    def __init__(self):
        super().__init__()
        self.head = Head()

    def construct(self, x):
        return self.head(ops.relu(x))


class Loop(nn.Cell):
    def construct(self, x):
        while x.sum() < 9:
            x = x * x + 1
        return x
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Branch", "head-Head/Switch-op0, in control_flow_cells_Head_construct"),
        ("Loop", "a loop, in control_flow_cells_Loop_construct"),
    ],
)
def test_control_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
    """A branch or a loop on computed values is refused, by the place where it is."""
    (tmp_path / "control_flow_cells.py").write_text(CONTROL_FLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "control_flow_cells", raising=False)
    cell = getattr(importlib.import_module("control_flow_cells"), name)()
    with pytest.raises(MindirError) as caught:
        read_mindir(mindir_bytes_from_cell(cell, (2, 3)))
    message = str(caught.value)
    assert "1 call of other graphs (if or loops on computed values), which cannot be converted" in message
    assert message.endswith(f"\n  {place}")


def field(number: int, content: bytes) -> bytes:
    """Return a protobuf field of bytes."""
    length, size = len(content), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def test_deep_nesting(mindir: bytes) -> None:
    """A graph in a graph in a graph: refused, not followed until the stack ends."""
    attribute = schema.ModelProto.DESCRIPTOR.fields_by_name["graph"].message_type
    node = attribute.fields_by_name["node"]
    inner = node.message_type.fields_by_name["attribute"]
    values = inner.message_type.fields_by_name["values"]
    content = b""
    for _ in range(20_000):
        content = field(values.number, content)
    graph = schema.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
    hostile = mindir + field(graph, field(node.number, field(inner.number, content)))
    with pytest.raises(MindirError, match="damaged"):
        read_mindir(hostile)


def test_a_primitive_registered_twice() -> None:
    load_operators()
    with pytest.raises(ValueError, match="Conv2D is converted in both"):
        mindir_operator("Conv2D")(lambda call, builder: None)


def check_own_model(name: str, size_px: int) -> None:
    """Compare with PyTorch in float64, within the noise of the model's own float32 as `parity` does."""
    spec = get_model(name)
    parameters = random_parameters(spec, 10)
    x = make_input((2, 3, size_px, size_px))
    reference = logits_of(PyTorchRunner(of_model(spec, 10), parameters, dtype="float64"), x)
    noise = noise_of(PyTorchRunner(of_model(spec, 10), parameters), {INPUT: x}, 0, {LOGITS: reference})[
        LOGITS
    ].size
    cell = spec.build_mindspore(10).set_train(False)
    names = name_map(spec, reference_dialect(spec, "mindspore"))
    values = {names[canonical]: array for canonical, array in parameters.items()}
    for parameter in cell.get_parameters():
        parameter.set_data(mindspore.Tensor(values[parameter.name]))
    graph = read_mindir(mindir_bytes_from_cell(cell, (1, 3, size_px, size_px)))
    for opset in (13, 17, 21):
        model = onnx_from_graph(graph, opset=opset)
        check_model(model)
        assert len(model.graph.initializer) == len(list(cell.get_parameters()))
        found = compare(reference, run_onnx(model, x)[0], FLOAT32.tolerance_of(noise))
        assert found.passed, f"opset {opset}: {found}"


def test_small_own_model() -> None:
    check_own_model("res2net_digits", 33)


@pytest.mark.slow
@pytest.mark.parametrize("name", all_models())
def test_own_models(name: str) -> None:
    check_own_model(name, 139 if name.startswith("inception") else 65)


@pytest.mark.parametrize("seed", range(5))
def test_mutated_files_give_clear_errors(mindir: bytes, seed: int) -> None:
    """Nothing but TriportError may come out of a damaged file."""
    generator = np.random.default_rng(seed)
    refused = 0
    for _ in range(40):
        content = bytearray(mindir)
        for position in generator.integers(len(content), size=3):
            content[position] = generator.integers(256)
        try:
            onnx_from_mindir(bytes(content))
        except TriportError:
            refused += 1
    assert refused
