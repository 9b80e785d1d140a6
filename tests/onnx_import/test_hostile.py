"""Graphs that mean harm: refused, or harmless; nothing of a file's text becomes code."""

import ast

import numpy as np
import onnx
import pytest

from fuzz.imported import check_text
from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.networks.imported import written_source
from triport.converters.onnx_import.reading import ImportRefusedError, read_model

FLOAT = onnx.TensorProto.FLOAT
NAMES = [
    'x"""\nimport os\n"""',
    "x'); import os; ('",
    "__class__",
    "__init__.weight",
    "self",
    "forward.weight",
    "lambda",
    "net.class.weight",
    "train",
    "a b",
    "ünïcode",
    "\\",
    "x\x00y",
    "net.007.weight",
    "torch",
    "0.weight",
    "v0_",
    "x" * 5000,
    "{x}",
    "net..weight",
    "training",
    "parameters.weight",
    "values.weight",
    "layer.self.weight",
    "a.block1-0.weight",
    "a.b-__class__.weight",
    "a.-b.weight",
    "a.b-'); import os; ('.weight",
    "a.f\uff4frward.weight",
]


def model(nodes, initializers=(), inputs=("x",), outputs=("y",), shape=(2, 2)):
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info(name, FLOAT, shape) for name in inputs],
        [onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        initializers,
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("place", ["weight", "input", "output", "node", "producer", "axis"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_names_are_data(name, place, tmp_path):
    weight = onnx.numpy_helper.from_array(
        np.arange(4, dtype="f4").reshape(2, 2), name if place == "weight" else "w"
    )
    given, made = name if place == "input" else "x", name if place == "output" else "y"
    nodes = [
        onnx.helper.make_node(
            "Mul", [given, weight.name], [made], name=name if place == "node" else "product"
        )
    ]
    shape = (name, 2) if place == "axis" else (2, 2)
    proto = model(nodes, [weight], [given], [made], shape)
    if place == "producer":
        proto.producer_name = name
    try:
        source = written(proto)
    except ImportRefusedError:
        return
    tree = ast.parse(source.text)
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= {"json", "torch"}
    x = np.ones((2, 2), "f4")
    assert outputs_of(source, [x], tmp_path)[0].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_axes_and_blocks_are_data(name, target, tmp_path):
    """A block is given the size of an axis that the file names, and lies where the file's names say."""
    block = name.removesuffix(".weight")
    rng = np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(rng.standard_normal((2, 2)).astype("f4"), f"{block}.{leaf}.weight")
        for leaf in "ab"
    ]
    numbers = [
        onnx.numpy_helper.from_array(np.array(value), label)
        for label, value in (("first", [0]), ("rest", [2]))
    ]
    make = onnx.helper.make_node
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Gather", ["shape", "first"], ["size"]),
        make("Concat", ["size", "rest"], ["sizes"], axis=0),
        make("Relu", ["x"], ["h"]),
        make("MatMul", ["h", weights[0].name], ["i"]),
        make("Reshape", ["i", "sizes"], ["j"]),
        make("MatMul", ["j", weights[1].name], ["y"]),
    ]
    proto = model(nodes, [*weights, *numbers], shape=(name, 2))
    try:
        source = written(proto, target)
    except ImportRefusedError:
        return
    check_text(source.text, target)
    if target == "pytorch":
        x = np.array([[1, -2], [3, 4], [5, 6]], "f4")
        a, b = (onnx.numpy_helper.to_array(each) for each in weights)
        np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], np.maximum(x, 0) @ a @ b, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_file_names_are_data(name, tmp_path, run_cli):
    stem = "".join(c for c in name if c not in "/\0")[:60]
    path = tmp_path / f"{stem}.onnx"
    path.write_bytes(model([onnx.helper.make_node("Relu", ["x"], ["y"])]).SerializeToString())
    done = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    written_file = next((tmp_path / "out").glob("*.py"))
    assert written_file.stem.isidentifier()
    ast.parse(written_file.read_text())


def recursive():
    call = onnx.helper.make_node("Again", ["x"], ["y"], domain="own")
    proto = model([call])
    proto.opset_import.append(onnx.helper.make_opsetid("own", 1))
    opsets = [onnx.helper.make_opsetid("own", 1)]
    proto.functions.append(onnx.helper.make_function("own", "Again", ["x"], ["y"], [call], opsets))
    return proto


def doubling():
    """Return functions that call each other twice, thirty deep: a billion nodes."""
    opsets = [onnx.helper.make_opsetid("own", 1), onnx.helper.make_opsetid("", 17)]
    proto = model([onnx.helper.make_node("f0", ["x"], ["y"], domain="own")])
    proto.opset_import.append(opsets[0])
    for i in range(30):
        inner = {"op_type": f"f{i + 1}", "domain": "own"} if i < 29 else {"op_type": "Relu"}
        nodes = [
            onnx.helper.make_node(inputs=["x"], outputs=["a"], **inner),
            onnx.helper.make_node(inputs=["a"], outputs=["y"], **inner),
        ]
        proto.functions.append(onnx.helper.make_function("own", f"f{i}", ["x"], ["y"], nodes, opsets))
    return proto


def cycle():
    return model(
        [onnx.helper.make_node("Add", ["x", "b"], ["a"]), onnx.helper.make_node("Relu", ["a"], ["b"])],
        outputs=("b",),
    )


def huge_constant():
    shape = onnx.numpy_helper.from_array(np.array([2**40, 2**40]), "s")
    return model([onnx.helper.make_node("ConstantOfShape", ["s"], ["y"])], [shape])


def without_data():
    proto = model([onnx.helper.make_node("Add", ["x", "w"], ["y"])])
    proto.graph.initializer.append(onnx.TensorProto(name="w", data_type=FLOAT, dims=[2**30, 2**20]))
    return proto


def external(location):
    proto = model([onnx.helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[2, 2], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    proto.graph.initializer.append(tensor)
    return proto


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (recursive(), "calls itself"),
        (doubling(), "written out"),
        (cycle(), "damaged|contradict|cannot be read"),
        (without_data(), "no data for them"),
        (external("../secret"), "outside the model's folder"),
        (external("/etc/passwd"), "relative to the model's folder"),
        (onnx.ModelProto(), "has no graph"),
    ],
    ids=["recursive", "doubling", "cycle", "without data", "outside", "absolute", "empty"],
)
def test_hostile_graphs_are_refused(proto, reason, tmp_path):
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ImportRefusedError, match=reason):
        read_model(tmp_path / "model.onnx")


def test_a_huge_constant_is_not_made_while_source_is_written():
    assert "torch.full((1099511627776, 1099511627776)" in written(huge_constant()).text


def test_external_data_beside_the_file_is_read(tmp_path):
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype="f4").tobytes())
    (tmp_path / "model.onnx").write_bytes(external("w.bin").SerializeToString())
    model_read = read_model(tmp_path / "model.onnx")
    assert model_read.graph.initializers["w"].const_value.numpy().tolist() == [[0, 1], [2, 3]]


def test_an_unreadable_file_is_a_message(tmp_path, run_cli):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08garbage" * 9)
    done = run_cli("convert", tmp_path / "net.onnx", "--to", "pytorch", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "is no ONNX file, or damaged" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_condition_that_doubles_itself_is_read_once(tmp_path):
    make = onnx.helper.make_node
    nodes = [make("Shape", ["x"], ["s0"])]
    nodes += [make("Add", [f"s{i}", f"s{i}"], [f"s{i + 1}"]) for i in range(50)]
    nodes += [make("Gather", ["s50", "zero"], ["size"], axis=0), make("Cast", ["size"], ["yes"], to=9)]
    branches = {
        f"{name}_branch": onnx.helper.make_graph(
            [make(op, ["x"], [f"y_{name}"])],
            name,
            [],
            [onnx.helper.make_tensor_value_info(f"y_{name}", onnx.TensorProto.FLOAT, None)],
        )
        for name, op in (("then", "Relu"), ("else", "Neg"))
    }
    nodes.append(make("If", ["yes"], ["y"], **branches))
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array(0), "zero")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    source = written(proto)
    assert "F.relu(x)" in source.text and "if " not in source.text


def test_sizes_that_contradict_each_other_are_named(tmp_path):
    """TorchScript's exporter writes such graphs of PatchTST: no rank behind the addition is known."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> graph (float[n, 7, 3] x, float[7, 16] places) => (float y)
        { sum = Add (x, places) t = Transpose <perm = [1, 0, 2]> (sum) y = Softmax (t) }"""
    )
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ImportRefusedError, match=r"is not known; its shapes contradict each other: .*Add"):
        written_source(path, "pytorch", "net")
