"""What exporters leave in graphs: ranks that sizes decide, scopes without names, tensors stored once."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import import operators

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
make = onnx.helper.make_node


def tensor(name, *shape, seed=0):
    return onnx.numpy_helper.from_array(np.random.default_rng(seed).normal(0, 0.3, shape).astype("f"), name)


def constant(name, *values):
    return onnx.numpy_helper.from_array(np.array(values, np.int64), name)


def model(nodes, inputs, outputs, initializers):
    graph = onnx.helper.make_graph(nodes, "net", inputs, outputs, initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)


def value(name, *shape):
    return onnx.helper.make_tensor_value_info(name, FLOAT, shape)


def wanted(proto, *arrays):
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([each.name for each in session.get_inputs()], arrays, strict=True)))


def is_near(found, expected):
    return all(np.allclose(a, b, rtol=0, atol=3e-6) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("target", operators.TARGETS)
def test_a_layer_that_reads_it_says_the_rank_that_sizes_leave_open(target, tmp_path):
    """torch.squeeze(x, -1) is exported as an If: an axis is taken out if it is 1."""
    branches = []
    for name, node in (("then", "Squeeze"), ("else", "Identity")):
        inputs = ["x", "last"] if node == "Squeeze" else ["x"]
        out = onnx.helper.make_tensor_value_info(name, FLOAT, None)
        branches.append(onnx.helper.make_graph([make(node, inputs, [name])], name, [], [out]))
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Gather", ["shape", "last"], ["size"], axis=0),
        make("Equal", ["size", "one"], ["is_one"]),
        make("If", ["is_one"], ["flat"], then_branch=branches[0], else_branch=branches[1]),
        make("Unsqueeze", ["flat", "first"], ["steps"]),
        make("LSTM", ["steps", "w", "r"], ["", "y"], hidden_size=3),
    ]
    weights = [tensor("w", 1, 12, 4), tensor("r", 1, 12, 3, seed=1)]
    numbers = [constant("last", -1), constant("one", 1), constant("first", 0)]
    proto = model(nodes, [value("x", "N", 4, "T")], [value("y", 1, "N", 3)], weights + numbers)
    x = np.random.default_rng(2).normal(size=(2, 4, 1)).astype("f")
    assert is_near(outputs_of(written(proto, target), [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize("target", operators.TARGETS)
def test_scopes_name_layers_whose_weights_have_numbers(target, tmp_path):
    """torch.onnx.export folds BatchNorm into a convolution and numbers its weight."""
    nodes, weights, x = [], [], "x"
    for i in range(3):
        weights += [tensor(f"onnx::Conv_{i}", 4, 4, 3, 3, seed=i), tensor(f"onnx::Conv_{i}b", 4, seed=9 - i)]
        names = [weights[-2].name, weights[-1].name]
        scope = f"/layer/layer.{i}"
        nodes.append(make("Conv", [x, *names], [f"c{i}"], pads=[1] * 4, name=f"{scope}/conv/Conv"))
        nodes.append(make("Relu", [f"c{i}"], [f"r{i}"], name=f"{scope}/act/Relu"))
        x = f"r{i}"
    proto = model(nodes, [value("x", "N", 4, 8, 8)], [value("r2", "N", 4, 8, 8)], weights)
    source = written(proto, target)
    assert "layer.0.conv.weight" in source.weights and source.classes == 2
    x = np.random.default_rng(2).normal(size=(2, 4, 8, 8)).astype("f")
    assert is_near(outputs_of(source, [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize(("scope", "owner"), [("/net/decoder", "vae.decoder"), ("/net/second", "blocks")])
def test_scopes_are_the_modules_that_their_layers_names_say(scope, owner):
    """A method other than `forward` has no scope of its module; a module may call one that another holds."""
    nodes, weights, x = [], [], "x"
    for i in range(3):
        weights += [
            tensor(f"{owner}.{i}.conv1.weight", 4, 4, 1, 1),
            tensor(f"{owner}.{i}.conv2.weight", 4, 4, 1, 1),
        ]
        for n, (source, weight) in enumerate(((x, weights[-2]), (f"r{i}0", weights[-1])), 1):
            names = [f"{scope}/{i}/conv{n}/Conv", f"{scope}/{i}/act/Relu_{n}"]
            nodes.append(make("Conv", [source, weight.name], [f"c{i}{n}"], name=names[0]))
            nodes.append(make("Relu", [f"c{i}{n}"], [f"r{i}{n - 1}"], name=names[1]))
        x = f"r{i}1"
    proto = model(nodes, [value("x", "N", 4, 8, 8)], [value("r21", "N", 4, 8, 8)], weights)
    assert {f"{owner}.{i}" for i in range(3)} <= set(written(proto).modules)


def test_a_layer_that_two_modules_share_says_nothing_of_them():
    """The weights that are theirs alone have numbers for names, and the names that scopes give them."""
    nodes, weights, x = [], [tensor("block.0.att.shared.weight", 4, 4, 1, 1)], "x"
    for i in range(3):
        weights.append(tensor(f"onnx::Conv_{i}", 4, 4, 1, 1, seed=i))
        for n, name in enumerate(("block.0.att.shared.weight", weights[-1].name)):
            scope = f"/block.{i}/att/{'own' if n else 'shared'}"
            nodes.append(make("Conv", [x, name], [f"r{i}{n}"], name=f"{scope}/Conv"))
            x = f"r{i}{n}"
    proto = model(nodes, [value("x", "N", 4, 8, 8)], [value("r21", "N", 4, 8, 8)], weights)
    assert {f"block.{i}.att.own.weight" for i in range(3)} <= set(written(proto).weights)


@pytest.mark.parametrize("target", operators.TARGETS)
def test_a_module_around_the_network_is_no_block(target, tmp_path):
    """What was exported held the network as `net`; a norm without weights has nothing but its scope."""
    nodes, weights, x = [], [constant("rows", 0, 2, -1)], "x"
    for number, name in ((1, "ones"), (0, "zeros")):
        weights.append(onnx.numpy_helper.from_array(np.full(2, number, "f"), name))
    for i in range(3):
        weights.append(tensor(f"stage.{i}.conv.weight", 4, 4, 3, 3, seed=i))
        scope = f"/net/stage.{i}"
        nodes += [
            make("Conv", [x, weights[-1].name], [f"c{i}"], pads=[1] * 4, name=f"{scope}/conv/Conv"),
            make("Shape", [f"c{i}"], [f"s{i}"], name=f"{scope}/norm/Shape"),
            make("Reshape", [f"c{i}", "rows"], [f"g{i}"], name=f"{scope}/norm/Reshape"),
            make(
                "InstanceNormalization", [f"g{i}", "ones", "zeros"], [f"n{i}"], name=f"{scope}/norm/Instance"
            ),
            make("Reshape", [f"n{i}", f"s{i}"], [f"b{i}"], name=f"{scope}/norm/Reshape_1"),
            make("Relu", [f"b{i}"], [f"r{i}"], name=f"{scope}/act/Relu"),
        ]
        x = f"r{i}"
    proto = model(nodes, [value("x", "N", 4, 8, 8)], [value("r2", "N", 4, 8, 8)], weights)
    source = written(proto, target)
    assert set(source.modules) == {"", "stage.0", "stage.1", "stage.2"} and source.classes == 2
    x = np.random.default_rng(2).normal(size=(2, 4, 8, 8)).astype("f")
    assert is_near(outputs_of(source, [x], tmp_path), wanted(proto, x))


def test_tensors_of_one_number_that_are_stored_once_join_no_blocks(tmp_path):
    nodes, weights, x = [], [onnx.numpy_helper.from_array(np.ones(4, "f"), "blocks.0.gamma")], "x"
    for i in range(3):
        weights += [tensor(f"blocks.{i}.norm.bias", 4, seed=i), tensor(f"blocks.{i}.fc.weight", 4, 4, seed=i)]
        norm = [x, "blocks.0.gamma", f"blocks.{i}.norm.bias"]
        nodes.append(make("LayerNormalization", norm, [f"n{i}"], name=f"/blocks.{i}/norm/LayerNormalization"))
        nodes.append(make("Gemm", [f"n{i}", f"blocks.{i}.fc.weight"], [f"f{i}"], transB=1))
        nodes.append(make("Mul", ["blocks.0.gamma", f"f{i}"], [f"m{i}"], name=f"/blocks.{i}/Mul"))
        x = f"m{i}"
    proto = model(nodes, [value("x", "N", 4)], [value("m2", "N", 4)], weights)
    source = written(proto)
    assert source.classes == 2 and "for _ in range(3)" in source.text
    assert {"blocks.1.norm.weight", "blocks.2.norm.weight", "blocks.0.gamma"} <= set(source.weights)
    x = np.random.default_rng(2).normal(size=(2, 4)).astype("f")
    assert is_near(outputs_of(source, [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize("target", operators.TARGETS)
@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_padding_with_its_own_values_along_a_free_axis(mode, target, tmp_path):
    if mode == "wrap":
        pytest.importorskip("onnx", minversion="1.14")
    proto = model(
        [make("Pad", ["x", "pads"], ["y"], mode=mode)],
        [value("x", "N", 2, "T")],
        [value("y", "N", 2, "U")],
        [constant("pads", 0, 0, 3, 0, 0, 2)],
    )
    proto.opset_import[0].version = 19
    x = np.random.default_rng(2).normal(size=(2, 2, 7)).astype("f")
    assert is_near(outputs_of(written(proto, target), [x], tmp_path), wanted(proto, x))


@pytest.mark.parametrize("target", operators.TARGETS)
def test_layers_by_name_in_numbered_ones_whose_numbers_have_gaps(target, tmp_path):
    nodes, weights, x = [], [], "x"
    for i, path in enumerate(
        ["body.0.a.fc", "body.0.b.0", "body.0.b.1", "body.3.c", "head.0.d.e", "head.1.d.e"]
    ):
        weights.append(tensor(f"{path}.weight", 4, 4, seed=i))
        nodes.append(make("Gemm", [x, f"{path}.weight"], [f"y{i}"], transB=1))
        x = f"y{i}"
    proto = model(nodes, [value("x", "N", 4)], [value(x, "N", 4)], weights)
    source = written(proto, target)
    assert "body.0.b.1.weight" in source.weights
    x = np.random.default_rng(2).normal(size=(2, 4)).astype("f")
    assert is_near(outputs_of(source, [x], tmp_path), wanted(proto, x))
