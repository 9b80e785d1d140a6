"""What is proven of a network whose roundings or logarithms make a noise in which a fault would hide."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.convert import convert_to_source
from triport.parity.imported.exact import InDouble
from triport.parity.imported.judge import UnoptimisedRuntime, in_double
from triport.parity.imported.references import graph_in_double
from triport.parity.imported.result import UNPROVEN, SourceTrial
from triport.parity.imported.steered import NodeStep, NodeSteps, proven_by_exact_steps, proven_by_steps

FLOAT = onnx.TensorProto.FLOAT
WIDE = SourceTrial((), 1e-3, UNPROVEN, False, "a wide noise")
make = onnx.helper.make_node
LOGARITHMS = [
    make("MatMul", ["x", "w"], ["sum"]),
    make("Mul", ["sum", "sum"], ["power"]),
    make("Add", ["power", "floor"], ["above"]),
    make("Log", ["above"], ["y"]),
]
ROUNDINGS = [
    make("MatMul", ["x", "w"], ["sum"]),
    make("QuantizeLinear", ["sum", "scale", "zero"], ["whole"]),
    make("DequantizeLinear", ["whole", "scale", "zero"], ["again"]),
    make("Add", ["again", "floor"], ["above"]),
    make("Relu", ["above"], ["y"]),
]


CUT = [
    make("MatMul", ["x", "w"], ["sum"]),
    make("DynamicQuantizeLinear", ["sum"], ["whole", "step", "nought"]),
    make("Div", ["sum", "step"], ["many"]),
    make("Floor", ["many"], ["cut"]),
    make("DequantizeLinear", ["whole", "step", "nought"], ["again"]),
    make("Add", ["cut", "again"], ["y"]),
]

# what is rounded within a node is known by what it was rounded to
WITHIN = [
    make("QuantizeLinear", ["x", "scale", "zero"], ["whole"]),
    make(
        "QLinearMatMul", ["whole", "scale", "zero", "bytes", "scale", "balanced", "wide", "zero"], ["product"]
    ),
    make("DequantizeLinear", ["product", "wide", "zero"], ["y"]),
]
# an operator of ONNX Runtime's own is written as those of the standard, whose values the file does not have
ITS_OWN = [
    make("QuantizeLinear", ["x", "scale", "zero"], ["whole"]),
    make(
        "QLinearAdd",
        ["whole", "scale", "zero", "whole", "scale", "zero", "fine", "zero"],
        ["sum"],
        domain="com.microsoft",
    ),
    make("DequantizeLinear", ["sum", "fine", "zero"], ["once"]),
    make("MatMul", ["once", "w"], ["y"]),
]


def saved(nodes, folder, width=500):
    """Write a graph as a file and return its path."""
    weights = {
        "w": np.random.default_rng(0).standard_normal((64, width)).astype("f"),
        "floor": np.float32(1e-10),
        "scale": np.float32(0.3),
        "zero": np.uint8(120),
        "bytes": np.random.default_rng(0).integers(-127, 128, (64, width)).astype("i1"),
        "balanced": np.int8(0),
        "wide": np.float32(20),
        "fine": np.float32(0.7),
    }
    taken = {name for node in nodes for name in node.input}
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 64])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", width])],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items() if name in taken],
    )
    opset = [onnx.helper.make_opsetid(*each) for each in (("", 17), ("com.microsoft", 1))]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


def steered(path, target, change=lambda source: source, verdict=WIDE):
    """Return the verdict on the source, or on what was changed of it, where the noise was too wide."""
    source = change(written(onnx.load(path), target))
    write(path.parent, source)
    network = load(path.parent, "written", target)
    feed = {"x": np.random.default_rng(1).standard_normal((2, 64)).astype("f")}
    return proven_by_steps(verdict, path, network, target, feed, InDouble(read_model(path), source))


def text_changed(before, after):
    """Return what changes a text's last place, which is in the network's own class."""

    def change(source):
        first, found, last = source.text.partition("class Written")[2].rpartition(before)
        assert found, source.text
        return replace(source, text=source.text.replace(f"{first}{found}{last}", f"{first}{after}{last}"))

    return change


def rounded_down(source):
    """Return the source whose eight bits are rounded down."""
    assert ".round(" in source.text
    return replace(source, text=source.text.replace(".round(", ".floor("))


def another_zero_point(source):
    """Return the source with a zero point by which large values are clipped."""
    (name,) = (name for name, array in source.weights.items() if array.dtype == np.uint8)
    return replace(source, weights={**source.weights, name: source.weights[name] + np.uint8(100)})


def weights_changed(source):
    changed = {name: array * array.dtype.type(1.0001) for name, array in source.weights.items()}
    return replace(source, weights=changed)


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize(
    "nodes",
    [LOGARITHMS, ROUNDINGS, CUT, WITHIN, ITS_OWN],
    ids=["logarithms", "roundings", "cut", "within", "its own"],
)
def test_source_is_proven_with_the_values_of_onnx_runtime(nodes, target, tmp_path):
    found = steered(saved(nodes, tmp_path), target)
    assert (found.passed, found.judged_by) == (True, "steps")
    number = {id(CUT): 3, id(WITHIN): 2, id(ITS_OWN): 2}.get(id(nodes), 1)
    count = "1 rounding or logarithm" if number == 1 else f"{number} roundings and logarithms"
    assert f"given ONNX Runtime's values in {count}" in found.why


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize(
    ("nodes", "change"),
    [
        (LOGARITHMS, weights_changed),  # before the step
        (LOGARITHMS, text_changed("        return ", "        return 1.0001 * ")),  # behind it
        (ROUNDINGS, weights_changed),
        (ROUNDINGS, another_zero_point),
        (ROUNDINGS, rounded_down),
        (ROUNDINGS, text_changed("        return ", "        return 1.0001 * ")),
        (WITHIN, weights_changed),
        (WITHIN, rounded_down),
        (WITHIN, text_changed("        return ", "        return 1.0001 * ")),
        (ITS_OWN, weights_changed),
    ],
)
def test_no_fault_is_called_equal(nodes, change, target, tmp_path):
    assert not steered(saved(nodes, tmp_path), target, change).passed


def test_logarithms_of_sums_that_are_nearly_zero_are_written_for_mindspore(tmp_path):
    pytest.importorskip("mindspore")
    done = convert_to_source(saved(LOGARITHMS, tmp_path, 20000), tmp_path / "net", "mindspore")
    assert done.passed, done.lines()
    assert "steps" in {trial.judged_by for trial in done.trials}


@pytest.mark.parametrize(("nodes", "passed"), [(ROUNDINGS, True), (CUT, True), (LOGARITHMS, False)])
def test_a_difference_may_come_of_a_rounding_and_of_no_logarithm(nodes, passed, tmp_path):
    """-2074 in ONNX Runtime was -2074.0002 in the source, and Floor made -2075 of it."""
    verdict = SourceTrial((), 5e-3, "float64", False, "further away than noise")
    assert steered(saved(nodes, tmp_path), "pytorch", verdict=verdict).passed == passed


def test_a_value_that_is_nearer_takes_the_place_of_another(tmp_path):
    """The zero point within a quantised LSTM was taken for that of the layer behind it, 0.7 % away."""
    torch = pytest.importorskip("torch")

    def run():
        return [(torch.round(torch.tensor(35.2)) + torch.round(torch.tensor(35.4))).numpy()]

    steps = NodeSteps([np.float32(70)], [NodeStep("round", np.float32(35.4))])
    assert [float(each) for each in steps.beside(None, "pytorch", run)] == [70.0, np.float32(35.4)]


def looped(folder):
    """Return the path of a Scan whose state is brought to eight bits in every step."""
    step = [
        make("DynamicQuantizeLinear", ["h"], ["whole", "step", "nought"]),
        make("DequantizeLinear", ["whole", "step", "nought"], ["again"]),
        make("MatMul", ["again", "w"], ["sum"]),
        make("Add", ["sum", "part"], ["both"]),
        make("Tanh", ["both"], ["next"]),
        make("Identity", ["next"], ["given"]),
    ]
    value = onnx.helper.make_tensor_value_info
    body = onnx.helper.make_graph(
        step,
        "step",
        [value("h", FLOAT, [2, 64]), value("part", FLOAT, [2, 64])],
        [value("next", FLOAT, [2, 64]), value("given", FLOAT, [2, 64])],
    )
    nodes = [make("Scan", ["first", "x"], ["last", "y"], body=body, num_scan_inputs=1)]
    random = np.random.default_rng(0)
    weights = {"w": random.standard_normal((64, 64)) / 4, "first": np.ones((2, 64))}
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [value("x", FLOAT, [6, 2, 64])],
        [value("y", FLOAT, [6, 2, 64])],
        [onnx.numpy_helper.from_array(array.astype("f"), name) for name, array in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "net.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        (lambda source: source, True),
        (rounded_down, False),
        (weights_changed, False),
        (text_changed("tanh(", "1.0001 * tanh("), False),
    ],
)
def test_roundings_within_a_loop_take_the_values_of_float64(change, passed, tmp_path):
    """A quantised LSTM was right, and for MindSpore called different."""
    path = looped(tmp_path)
    model = read_model(path)
    source = written(onnx.load(path), "mindspore")
    write(path.parent, change(source))
    network = load(path.parent, "written", "mindspore")
    feed = {"x": np.random.default_rng(1).standard_normal((6, 2, 64)).astype("f")}
    exact = InDouble(model, source)
    one = in_double(feed, UnoptimisedRuntime.of(path).run(feed), exact, graph_in_double(path))
    assert one is not None
    verdict = SourceTrial((), 5e-3, "float64", False, "further away than noise")
    found = proven_by_exact_steps(verdict, network, "mindspore", feed, exact, one)
    assert found.passed == passed
    assert found.judged_by == ("steps" if passed else "float64")
