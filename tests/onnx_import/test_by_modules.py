"""What is proven of a network that makes much of one rounding: each module and node on the same numbers."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.by_modules import proven_by_modules
from triport.parity.imported.by_nodes import furthest_node
from triport.parity.imported.exact import InDouble
from triport.parity.imported.judge import UnoptimisedRuntime, in_double
from triport.parity.imported.references import graph_in_double
from triport.parity.imported.result import SourceTrial

FLOAT = onnx.TensorProto.FLOAT
WIDTH = 32
DIFFERENT = SourceTrial((), 5e-3, "float64", False, "further away than noise")
FEED = {"x": np.random.default_rng(1).standard_normal((3, WIDTH)).astype("f")}


def saved(folder, depth=6, sharp=3):
    """Write layers whose softmax sharpens what comes before, and return the path."""
    random = np.random.default_rng(0)
    nodes, weights = [], {"sharp": np.float32(sharp)}
    at = "x"
    for i in range(depth):
        weights[f"layers.{i}.weight"] = random.standard_normal((WIDTH, WIDTH)).astype("f")
        weights[f"layers.{i}.bias"] = random.standard_normal(WIDTH).astype("f")
        nodes += [
            onnx.helper.make_node(
                "Gemm", [at, f"layers.{i}.weight", f"layers.{i}.bias"], [f"sum{i}"], transB=1
            ),
            onnx.helper.make_node("Mul", [f"sum{i}", "sharp"], [f"sharp{i}"]),
            onnx.helper.make_node("Softmax", [f"sharp{i}"], [f"share{i}"], axis=-1),
            onnx.helper.make_node("Add", [f"share{i}", at], [f"y{i}"]),
        ]
        at = f"y{i}"
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", WIDTH])],
        [onnx.helper.make_tensor_value_info(at, FLOAT, ["N", WIDTH])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


def by_modules(path, target, change=lambda source: source):
    """Return the verdict on the source, or on what was changed of it, that was called different."""
    source = change(written(onnx.load(path), target))
    write(path.parent, source)
    network = load(path.parent, "written", target)
    exact = InDouble(read_model(path), written(onnx.load(path), target))
    wanted = UnoptimisedRuntime.of(path).run(FEED)
    one = in_double(FEED, wanted, exact, graph_in_double(path), lambda: furthest_node(path, FEED))
    assert one is not None
    return proven_by_modules(DIFFERENT, network, target, FEED, exact, one)


def weights_changed(source):
    name = "layers.3.weight"
    return replace(source, weights={**source.weights, name: source.weights[name] * np.float32(1.0001)})


def text_changed(before, after):
    def change(source):
        assert before in source.text, source.text
        return replace(source, text=source.text.replace(before, after))

    return change


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_a_right_source_is_proven(target, tmp_path):
    found = by_modules(saved(tmp_path), target)
    assert (found.passed, found.judged_by) == (True, "modules")
    assert "in 6 calls of modules" in found.why


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize(
    "change",
    [
        weights_changed,
        text_changed(" 3.0", " 3.0003"),
        text_changed("-1)", "0)"),
        text_changed(" + x", " + x + 1e-4"),
        text_changed(" + x", ""),
    ],
    ids=["weights", "number", "axis", "shift", "wiring"],
)
def test_a_wrong_source_is_not(change, target, tmp_path):
    assert by_modules(saved(tmp_path), target, change) is DIFFERENT


def test_a_node_that_onnx_runtime_computes_otherwise_is_seen(tmp_path):
    """Its Sigmoid is off by 1e-7 of one, which is much of what is small."""
    path = saved(tmp_path, depth=1)
    assert furthest_node(path, FEED) < 2e-6
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(-30), "low"))
    model.graph.node.extend(
        [onnx.helper.make_node("Add", ["y0", "low"], ["z"]), onnx.helper.make_node("Sigmoid", ["z"], ["end"])]
    )
    model.graph.output[0].name = "end"
    onnx.save(model, path)
    assert furthest_node(path, FEED) > 1e-4
