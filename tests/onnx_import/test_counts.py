"""Inputs that count places: their numbers are drawn in range, and what is empty is as ONNX Runtime has it."""

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.reading import model_of
from triport.converters.onnx_import.targets import TARGETS
from triport.parity.imported.convert import convert_to_source
from triport.parity.imported.feeds import feed_of
from triport.parity.imported.references import graph_in_double
from triport.parity.judge.difference import difference

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.standard_normal((2, 12, 4)).astype("f"),
    "r": RANDOM.standard_normal((2, 12, 3)).astype("f"),
    "b": RANDOM.standard_normal((2, 24)).astype("f"),
    "h": RANDOM.standard_normal((2, 3, 3)).astype("f"),
}
LSTM = (
    "float[6, 3, 4] x, int32[3] n",
    "float y, float last",
    """y, last = LSTM <hidden_size = 3, direction = "bidirectional"> (x, w, r, b, n, h, h)""",
)
TOP = ("float[n, 6] x, int64[1] k", "float y", "y, i = TopK <axis = 1> (x, k)")
REVERSED = ("float[t, 3, 4] x, int64[3] n", "float y", "y = ReverseSequence (x, n)")
SCAN = (
    "float[5, n, 4] x, float[n, 4] first",
    "float last, float every",
    """last, every = Scan <num_scan_inputs = 1, scan_input_directions = [1], scan_output_directions = [1],
    body = step (float[n, 4] state, float[n, 4] row) => (float[n, 4] after, float[n, 4] made)
    { half = Mul (state, state) after = Sub (half, row) made = Sin (after) }> (first, x)""",
)


def model(inputs, outputs, nodes):
    text = f'<ir_version: 8, opset_import: ["": 14]> net ({inputs}) => ({outputs}) {{ {nodes} }}'
    proto = onnx.parser.parse_model(text)
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in WEIGHTS.items() if name in read
    )
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    return proto


@pytest.mark.parametrize(
    ("case", "name", "sizes", "least", "most"),
    [(LSTM, "n", {}, 0, 6), (TOP, "k", {"n": 2}, 1, 6), (REVERSED, "n", {"t": 5}, 1, 5)],
)
def test_counts_are_drawn_in_range(case, name, sizes, least, most, tmp_path):
    graph = model_of(model(*case), tmp_path / "net.onnx").graph
    drawn = {int(n) for seed in range(40) for n in feed_of(graph, sizes, seed)[name].reshape(-1)}
    assert drawn == set(range(least, most + 1))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", [LSTM, TOP, REVERSED, SCAN], ids=["LSTM", "TopK", "ReverseSequence", "Scan"])
def test_what_counts_is_converted(case, target, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    onnx.save(model(*case), tmp_path / "net.onnx")
    done = convert_to_source(tmp_path / "net.onnx", tmp_path / "net", target)
    assert done.passed, done.lines()


@pytest.mark.parametrize("target", TARGETS)
def test_a_sequence_of_no_length_has_no_state(target, tmp_path):
    """ONNX Runtime gives zeros for it, whatever its first state is."""
    x, lengths = RANDOM.standard_normal((6, 3, 4)).astype("f"), np.array([6, 0, 2], "i4")
    every, last = outputs_of(written(model(*LSTM), target), [x, lengths], tmp_path)
    assert not last[:, 1].any() and not every[:, :, 1].any()
    assert last[:, [0, 2]].all()


def test_a_scan_that_runs_backwards_is_run_in_float64(tmp_path):
    path, random = tmp_path / "net.onnx", np.random.default_rng(1)
    onnx.save(model(*SCAN), path)
    feed = {"x": random.standard_normal((5, 2, 4)).astype("f"), "first": random.random((2, 4)).astype("f")}
    state, made = feed["first"].astype(np.float64), []
    for row in feed["x"][::-1]:
        state = state * state - row
        made.insert(0, np.sin(state))
    last, every = graph_in_double(path)[0](feed)
    assert difference(last, state) < 1e-14
    assert difference(every, np.stack(made)) < 1e-14
