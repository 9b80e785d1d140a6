"""Source of real graphs: what it looks like, what it computes, and what happens where it would be wrong."""

import ast
import subprocess
import sys

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import import operators
from triport.converters.onnx_import.written import load
from triport.parity.imported.runs import run

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return the shipped network as an ONNX file."""
    import triport

    path = tmp_path_factory.mktemp("digits") / "digits.onnx"
    triport.convert(output=path, to="onnx", source_runtime="mindspore")
    return path


@pytest.fixture(scope="module")
def imported(digits, tmp_path_factory):
    """Return the folders of the digits' source for both frameworks, and what the conversions said."""
    import triport

    folder = tmp_path_factory.mktemp("imported")
    return {t: (folder / t, triport.convert(digits, folder / t, to=t)) for t in operators.TARGETS}


@pytest.mark.parametrize("target", operators.TARGETS)
def test_digits_are_equal_at_two_batch_sizes(target, imported):
    _, done = imported[target]
    assert done.passed
    assert [trial.inputs for trial in done.trials] == [
        ("input [2, 3, 32, 32]",),
        ("input [3, 3, 32, 32]",),
    ]
    assert max(trial.max_rel for trial in done.trials) < 2e-6


def test_state_dict_has_the_initializers_names_and_bytes(digits, imported):
    folder, _ = imported["pytorch"]
    state = load(folder, "digits", "pytorch").state_dict()
    initializers = onnx.load(digits).graph.initializer
    assert {i.name for i in initializers} == {n for n in state if not n.endswith("num_batches_tracked")}
    assert all(np.array_equal(onnx.numpy_helper.to_array(i), state[i.name].numpy()) for i in initializers)


def test_source_has_at_most_two_lines_a_node_and_blocks(imported):
    folder, done = imported["pytorch"]
    text = (folder / "digits.py").read_text()
    assert done.source_lines < 2 * done.nodes
    assert "nn.Sequential(" in text
    assert "node_" not in text
    assert max(map(len, text.splitlines())) <= 110


def test_source_imports_its_framework_and_the_standard_library_alone(imported):
    for target, (folder, _) in imported.items():
        tree = ast.parse((folder / "digits.py").read_text())
        modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        modules |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        framework = {"pytorch": "torch", "mindspore": "mindspore"}[target]
        assert {m.split(".")[0] for m in modules} <= {framework, *sys.stdlib_module_names}


def test_build_works_in_the_folder_as_documented(imported):
    folder, _ = imported["pytorch"]
    code = "from digits import build; print(len(build().state_dict()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stdout.strip() == "224", done.stderr


def test_the_network_trains(imported):
    torch = pytest.importorskip("torch")
    network = load(imported["pytorch"][0], "digits", "pytorch").train()
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_weights_of_a_known_model_still_go_to_a_file(digits, tmp_path, run_cli):
    done = run_cli("convert", digits, "--to", "pytorch", "-o", tmp_path / "digits.pth")
    assert done.exit_code == 0
    assert "bit-equal" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["digits.pth"]


def test_options_of_weights_are_refused_for_a_folder(digits, tmp_path, run_cli):
    done = run_cli("convert", digits, "--to", "pytorch", "--dialect", "timm", "-o", tmp_path / "net")
    assert done.exit_code == 2
    assert "leave --dialect out" in done.stderr
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--input", "1x3x32x32"], "--input are of networks in code"),
        (["--checkpoint", "weights.pth"], "--checkpoint are of networks in code"),
        (["--cell", "package:factory"], "--cell are of networks in code"),
        (["--no-check"], "leave --no-check out"),
    ],
)
def test_options_that_a_graph_in_a_file_has_no_use_for_are_refused(digits, tmp_path, run_cli, option, said):
    done = run_cli("convert", str(digits), "--to", "pytorch", "-o", str(tmp_path / "out"), *option)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_translation_leaves_no_file_and_names_the_node(digits, tmp_path, run_cli, monkeypatch):
    from triport.converters.onnx_import.expressions import code
    from triport.converters.onnx_import.operators import find_operator

    relu = find_operator("", "Relu", 14, "pytorch")
    known = operators._REGISTRY["", "Relu", "pytorch"]
    broken = type(relu)("", "Relu", "pytorch", 1, 28, lambda call: code("F.relu6(x)", x=call.tensor(0)))
    monkeypatch.setitem(operators._REGISTRY, ("", "Relu", "pytorch"), [broken])
    operators.load_operators.cache_clear()
    done = run_cli("convert", digits, "--to", "pytorch", "-o", tmp_path / "net")
    monkeypatch.setitem(operators._REGISTRY, ("", "Relu", "pytorch"), known)
    operators.load_operators.cache_clear()
    assert done.exit_code == 1
    assert "DIFFERENT" in done.output
    assert "(Relu)" in done.output
    assert not (tmp_path / "net").exists()


def reshaped_by_shape():
    """Return a graph that flattens all but the batch, as old exporters write it."""
    make = onnx.helper.make_node
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Gather", ["shape", "zero"], ["batch"], axis=0),
        make("Unsqueeze", ["batch", "axis"], ["first"]),
        make("Concat", ["first", "rest"], ["sizes"], axis=0),
        make("Reshape", ["x", "sizes"], ["flat"]),
        make("Shape", ["flat"], ["flat_shape"]),
        make("ConstantOfShape", ["flat_shape"], ["zeros"]),
        make("Add", ["flat", "zeros"], ["y"]),
    ]
    numbers = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    return model(nodes, ["N", 3, 4], numbers)


def model(nodes, shape, initializers, outputs=("y",)):
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in initializers.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def test_shape_arithmetic_is_folded(tmp_path):
    source = written(reshaped_by_shape())
    assert "x.reshape(x.shape[0], -1)" in source.text
    x = np.random.default_rng(0).standard_normal((5, 3, 4)).astype("float32")
    assert np.array_equal(outputs_of(source, [x], tmp_path)[0], x.reshape(5, 12))


@pytest.mark.parametrize("target", operators.TARGETS)
def test_a_product_and_its_bias_are_one_linear_layer(target, tmp_path):
    random = np.random.default_rng(0)
    weight, bias = random.standard_normal((4, 6)).astype("f4"), random.standard_normal(6).astype("f4")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "val_3"], ["p"]),
        onnx.helper.make_node("Add", ["p", "block.fc.bias"], ["y"]),
    ]
    source = written(model(nodes, ["N", 4], {"val_3": weight, "block.fc.bias": bias}), target)
    assert set(source.weights) == {"block.fc.weight", "block.fc.bias"}
    x = random.standard_normal((3, 4)).astype("f4")
    np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], x @ weight + bias, rtol=1e-5)


def branch(name, weight):
    node = onnx.helper.make_node("Mul", ["x", f"w_{name}"], [f"y_{name}"])
    return onnx.helper.make_graph(
        [node],
        name,
        [],
        [onnx.helper.make_tensor_value_info(f"y_{name}", FLOAT, [2])],
        [onnx.numpy_helper.from_array(weight, f"w_{name}")],
    )


@pytest.mark.parametrize("target", operators.TARGETS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_branches_of_an_if_hold_weights(target, sign, tmp_path):
    nodes = [
        onnx.helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        onnx.helper.make_node("Greater", ["total", "zero"], ["positive"]),
        onnx.helper.make_node(
            "If",
            ["positive"],
            ["y"],
            then_branch=branch("then", np.array([2.0, 3.0], "f4")),
            else_branch=branch("else", np.array([5.0, 7.0], "f4")),
        ),
    ]
    source = written(model(nodes, [2], {"zero": np.float32(0)}), target)
    found = outputs_of(source, [np.array([sign, sign], "f4")], tmp_path)[0]
    assert found.tolist() == ([2.0, 3.0] if sign > 0 else [-5.0, -7.0])


def test_numbered_layers_keep_their_names_where_numbers_are_missing(tmp_path):
    random = np.random.default_rng(0)
    weights = {f"net.{i}.weight": random.standard_normal((4, 4)).astype("f4") for i in (0, 3)}
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "net.0.weight"], ["a"], transB=1),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("Gemm", ["b", "net.3.weight"], ["y"], transB=1),
    ]
    source = written(model(nodes, ["N", 4], weights))
    assert set(source.weights) == set(weights)
    x = random.standard_normal((2, 4)).astype("f4")
    wanted = np.maximum(x @ weights["net.0.weight"].T, 0) @ weights["net.3.weight"].T
    np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], wanted, rtol=1e-4, atol=1e-5)


def test_source_runs_on_a_network_that_was_given_no_weights(tmp_path):
    source = written(model([onnx.helper.make_node("Relu", ["x"], ["y"])], ["N"], {}))
    (tmp_path / "written.py").write_text(source.text)
    network = load(tmp_path, "written", "pytorch")
    assert run(network, "pytorch", [np.array([-1, 2], "f4")])[0].tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("target", "right", "wrong"),
    [
        ("pytorch", "nn.BatchNorm2d(out_channels)", "nn.BatchNorm2d(out_channels, eps=2e-5)"),
        ("pytorch", "nn.AvgPool2d(2)", "nn.MaxPool2d(2)"),
        ("pytorch", "return F.relu(x2 + self", "return 1.00002 * F.relu(x2 + self"),
        ("pytorch", "x2.chunk(4, dim=1)", "x2.chunk(4, dim=1)[::-1]"),
        ("mindspore", "BatchNorm2d(out_channels", "BatchNorm2d(out_channels, use_batch_statistics=True"),
    ],
)
def test_a_fault_in_the_source_is_found(target, right, wrong, digits, tmp_path, monkeypatch):
    from dataclasses import replace

    import triport
    from triport.parity.imported import convert as proof

    def faulty(*arguments):
        source = writer(*arguments)
        assert right in source.text or "probed" in arguments or "exact" in arguments
        return replace(source, text=source.text.replace(right, wrong))

    writer = proof.source_of
    monkeypatch.setattr(proof, "source_of", faulty)
    done = triport.convert(digits, tmp_path / "net", to=target)
    assert not done.passed and not all(trial.passed for trial in done.trials), done.trials
    assert not (tmp_path / "net").exists()


def squeezing(name, op):
    """Return a branch of an If; both branches call an inner value `inner`."""
    nodes = [
        onnx.helper.make_node(op, ["x"], ["inner"]),
        onnx.helper.make_node("Neg", ["inner"], [f"y_{name}"]),
    ]
    return onnx.helper.make_graph(
        nodes, name, [], [onnx.helper.make_tensor_value_info(f"y_{name}", FLOAT, None)]
    )


def test_branches_that_sizes_decide_are_written_out(tmp_path):
    make = onnx.helper.make_node
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Gather", ["shape", "one"], ["size"], axis=0),
        make("Equal", ["size", "one"], ["is_one"]),
        make(
            "If", ["is_one"], ["a"], then_branch=squeezing("t", "Squeeze"), else_branch=squeezing("e", "Abs")
        ),
        make(
            "If",
            ["is_one"],
            ["b"],
            then_branch=squeezing("t2", "Squeeze"),
            else_branch=squeezing("e2", "Relu"),
        ),
        make("Concat", ["a", "b"], ["y"], axis=-1),
    ]
    source = written(model(nodes, ["N", 3], {"one": np.array(1)}))
    assert "if " not in source.text
    x = np.array([[1.0, -2.0, 3.0]], "f4")
    wanted = np.concatenate([-np.abs(x), -np.maximum(x, 0)], -1)
    assert np.array_equal(outputs_of(source, [x], tmp_path)[0], wanted)


@pytest.mark.parametrize("target", operators.TARGETS)
def test_tensors_in_numbered_holders_of_two_blocks(target, tmp_path):
    random = np.random.default_rng(0)
    names = [f"net.{part}.{i}.{leaf}" for part in ("a", "b") for i in (0, 2) for leaf in ("scale", "shift")]
    weights = {name: random.standard_normal(3).astype("f4") for name in names}
    nodes, last = [], "x"
    for i, name in enumerate(names):
        nodes.append(onnx.helper.make_node("Mul" if "scale" in name else "Add", [last, name], [f"v{i}"]))
        last = f"v{i}"
    nodes.append(onnx.helper.make_node("Relu", [last], ["y"]))
    source = written(model(nodes, ["N", 3], weights), target)
    assert set(source.weights) == set(weights)
    x = random.standard_normal((2, 3)).astype("f4")
    wanted = x
    for name in names:
        wanted = wanted * weights[name] if "scale" in name else wanted + weights[name]
    np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], np.maximum(wanted, 0), rtol=1e-5)
