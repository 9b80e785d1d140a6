"""Values of a Cell that a comparison on ordinary numbers never sees, and differences that are no faults.

Each operator has edges: negative labels, sigmoids that are flat, quotients that round, scores that tie.
The file must be right there, the comparison must look there, and what only rounds otherwise, or what
MindSpore's own kernels approximate, must not be called a fault of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.mindir.conftest import make_builder, run_mindspore, run_onnx
from triport.converters.mindir.errors import ConverterFaultError, UnsupportedOperatorsError
from triport.converters.mindir.export import mindir_bytes_from_cell, onnx_from_mindir
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.operators import activation
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs.convert import AnyConversion, convert_cell, result_of
from triport.parity.graphs.proof import compare

Build = Callable[[str], Any]
FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Make a Cell of an expression of x."""
    return make_builder(tmp_path_factory.mktemp("values"))


def check_values(cell: Any, x: np.ndarray, atol: float = 1e-5) -> None:
    """Compare the converted graph with MindSpore on the given numbers."""
    content = mindir_bytes_from_cell(cell, InputSpec(x.shape, str(x.dtype)))
    model = onnx_from_mindir(content, free_batch=False)
    for found, expected in zip(run_onnx(model, x), run_mindspore(cell, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)


def convert(cell: Any, spec: InputSpec, path: Path) -> AnyConversion:
    return result_of(lambda: convert_cell(cell, [spec], path))


def compare_nodes(
    cell: Any, nodes: Sequence[onnx.NodeProto], shape: tuple[int, ...], path: Path, **more: Any
) -> Any:
    """Write a graph of our own from input to output, and compare it with a Cell."""
    elem_type = more.get("elem_type", FLOAT)
    output = helper.make_tensor_value_info("output", FLOAT, more.get("output", shape))
    tensors = [numpy_helper.from_array(array, name) for name, array in more.get("constants", {}).items()]
    constants = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors]
    graph = helper.make_graph(
        [*constants, *nodes], "own", [helper.make_tensor_value_info("input", elem_type, shape)], [output]
    )
    onnx.save(helper.make_model_gen_version(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return compare(path, [TensorType(elem_type, shape)], lambda: cell, is_batch_free=False)


@pytest.mark.field(
    case="one-hot of a label that is to be ignored",
    source="onnx/onnx#4154, tensorflow/tensorflow#11727",
    outcome="A label outside the range marks nothing, -1 included, as in MindSpore.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "ops.one_hot(x, 4, ms.Tensor(1.0), ms.Tensor(0.0))",
        "ops.one_hot(x, 4, ms.Tensor(2.0), ms.Tensor(-1.0), axis=0)",
        "nn.Embedding(4, 3, use_one_hot=True); layer(x)",
        "mint.nn.functional.one_hot(x.astype(ms.int64), 7)",
    ],
)
def test_one_hot(build: Build, expression: str) -> None:
    check_values(build(expression), np.array([-2, -1, 0, 3, 4, 6], np.int32))


@pytest.mark.field(
    case="logarithm of a sigmoid that saturates",
    source="mindspore-ai/mindspore#390, microsoft/onnxruntime#22557",
    outcome="Far below zero it is what MindSpore gives, not minus infinity.",
)
@pytest.mark.parametrize(
    "expression",
    [
        "ops.logsigmoid(x)",
        "ops.log(ops.sigmoid(x))",
        "ops.log2(ops.sigmoid(x))",
        "ops.log(ops.sigmoid(x) + 1e-12)",
        "ops.log(ops.clamp(ops.sigmoid(x), 1e-10, 1.0))",
    ],
)
def test_log_sigmoid(build: Build, expression: str) -> None:
    x = np.array([0, -10, -15, -17, -18, -20, -50, 3, 15, 50], np.float32)
    check_values(build(expression), x, atol=1e-4)


@pytest.mark.field(
    case="quotients that round to a whole number",
    source="pytorch/pytorch#64578 (floor division and remainder), NumPy's floor_divide",
    outcome="3 // 0.3 is 9 and -2147483648 // 3 is rounded down, as in MindSpore.",
)
@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("x // 0.3", [3, 1.5, 6, -3, -1.5, 0.6]),
        ("x % 0.3", [3, 1.5, 6, -87, -89, 0.6]),
        ("ops.floor_div(x, ms.Tensor(0.1))", [0.5, 1, 3, -0.5]),
        ("x // 3", np.array([-(2**31), 2**31 - 1, -7, 7, 0], np.int32)),
        ("x // -3", np.array([-(2**31), 2**31 - 1, -7, 7, 0], np.int32)),
        ("x[::-1] // x", np.array([-7, 7, -2, 2, 5, -5], np.int32)),
        ("ops.trunc(x)", np.array([-7, 7], np.int32)),
        ("ops.isclose(1 / x, 1 / x)", [0, 1, -2]),
        ("ops.addcdiv(x, x, x + 1)", [0, 1, 2]),
    ],
)
def test_quotients(build: Build, expression: str, numbers: Any) -> None:
    check_values(
        build(expression), np.asarray(numbers, None if isinstance(numbers, np.ndarray) else np.float32)
    )


@pytest.mark.field(
    case="whole numbers divided by an input",
    source="pytorch/pytorch#64578",
    outcome="Compared: no divisor of the comparison is 0, and they have both signs.",
)
def test_integer_division_is_compared(build: Build, tmp_path: Path) -> None:
    done = convert(
        build("x[:, :1] // x[:, 1:], x[:, :1] % x[:, 1:]"), InputSpec((4, 2), "int32"), tmp_path / "x.onnx"
    )
    assert (done.comparison.verdict, done.batch) == ("equal", "free")


@pytest.mark.field(
    case="a file that is wrong only at the edges",
    source="onnx/onnx#4154, microsoft/onnxruntime#22557",
    outcome="Not equal: the comparison feeds labels outside the range and numbers where sigmoids are flat.",
)
def test_the_comparison_reaches_the_edges(build: Build, tmp_path: Path) -> None:
    nodes = [helper.make_node("Sigmoid", ["input"], ["s"]), helper.make_node("Log", ["s"], ["output"])]
    found = compare_nodes(build("ops.logsigmoid(x)"), nodes, (3, 6), tmp_path / "log.onnx")
    assert (found.verdict, found.feed) == ("not equal", "numbers around 30")
    nodes = [
        helper.make_node("Cast", ["input"], ["labels"], to=onnx.TensorProto.INT64),
        helper.make_node("OneHot", ["labels", "depth", "choice"], ["output"]),
    ]
    found = compare_nodes(
        build("ops.one_hot(x, 4, ms.Tensor(1.0), ms.Tensor(0.0))"),
        nodes,
        (20,),
        tmp_path / "one_hot.onnx",
        output=(20, 4),
        elem_type=onnx.TensorProto.INT32,
        constants={"depth": np.array([4]), "choice": np.array([0, 1], np.float32)},
    )
    assert found.verdict == "not equal"


HALF = (
    "nn.SequentialCell(nn.Conv2d(1, 6, 5, pad_mode='valid', has_bias=True), nn.ReLU(), nn.Flatten(), "
    "nn.Dense(384, 10){})"
)


@pytest.mark.field(
    case="float32 in and out, float16 in between",
    source="microsoft/onnxruntime#14189, microsoft/onnxconverter-common#252",
    outcome="Equal within what the float16 inside was measured to round; a fault of 1e-2 is one.",
)
@pytest.mark.parametrize("level", ["O2", pytest.param("O3", marks=pytest.mark.slow), "a layer"])
def test_mixed_precision(build: Build, tmp_path: Path, level: str) -> None:
    import mindspore

    cell = build(HALF.format(""))
    if level == "a layer":
        cell[-1].to_float(mindspore.float16)
    else:
        cell = mindspore.amp.auto_mixed_precision(cell, level)
    path = tmp_path / "x.onnx"
    done = convert(cell, InputSpec((2, 1, 12, 12)), path)
    assert (done.comparison.verdict, done.batch) == ("equal", "free")
    assert done.comparison.tolerance is not None and 5e-6 < done.comparison.tolerance < 5e-3
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("0.weight"):
            tensor.raw_data = (
                (numpy_helper.to_array(tensor) * np.float32(1.01))
                .astype(numpy_helper.to_array(tensor).dtype)
                .tobytes()
            )
    onnx.save(model, path)
    found = compare(path, [TensorType(FLOAT, (2, 1, 12, 12))], lambda: cell, is_batch_free=False)
    assert found.verdict == "not equal"


@pytest.mark.field(
    case="a fault of 1e-3 in a float32 net",
    source="microsoft/onnxruntime#14189 (the counterpart)",
    outcome="Not equal: the measured noise of float32 does not excuse it.",
)
def test_a_fault_in_float32(build: Build, tmp_path: Path) -> None:
    cell, path = build(HALF.format(", nn.Tanh()")), tmp_path / "x.onnx"
    assert convert(cell, InputSpec((2, 1, 12, 12)), path).comparison.verdict == "equal"
    model = onnx.load(path)
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("0.weight"))
    weight.raw_data = (numpy_helper.to_array(weight) * np.float32(1.001)).tobytes()
    onnx.save(model, path)
    found = compare(path, [TensorType(FLOAT, (2, 1, 12, 12))], lambda: cell, is_batch_free=False)
    assert found.verdict == "not equal"


@pytest.mark.field(
    case="kernels that MindSpore approximates",
    source="onnx/onnx#2057, microsoft/onnxruntime#28292",
    outcome="Equal, and it is said that MindSpore rounds; another coefficient of the cubic is a fault.",
)
@pytest.mark.parametrize(
    ("expression", "what"),
    [
        pytest.param(
            "ops.interpolate(x, size=(13, 11), mode='bicubic')",
            "cubic interpolation with phases rounded",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "ops.interpolate(x, size=(14, 12), mode='bicubic', align_corners=True)",
            "cubic interpolation",
            marks=pytest.mark.slow,
        ),
        ("ops.tanh(x * 5)", "tanh by a quotient of polynomials"),
    ],
)
def test_approximate_kernels(build: Build, tmp_path: Path, expression: str, what: str) -> None:
    cell, path = build(expression), tmp_path / "x.onnx"
    done = convert(cell, InputSpec((2, 3, 9, 7)), path)
    assert done.comparison.verdict == "equal"
    assert what in done.comparison.note
    model = onnx.load(path)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "cubic_coeff_a":
                attribute.f -= 0.01
        node.op_type = "Atan" if node.op_type == "Tanh" else node.op_type
    onnx.save(model, path)
    found = compare(path, [TensorType(FLOAT, (2, 3, 9, 7))], lambda: cell, is_batch_free=False)
    assert found.verdict == "not equal"


@pytest.mark.field(
    case="an exp whose argument is a little off",
    source="found by trying, beside the exp of MindSpore's own kernel",
    outcome="Not equal: what MindSpore approximates does not excuse a fault of its size.",
)
@pytest.mark.parametrize("factor", [1.0, 1.00002, 0.99998])
def test_exp_of_another_argument(build: Build, tmp_path: Path, factor: float) -> None:
    nodes = [helper.make_node("Mul", ["input", "k"], ["m"]), helper.make_node("Exp", ["m"], ["output"])]
    constants = {"k": np.array(factor, np.float32)}
    found = compare_nodes(build("ops.exp(x)"), nodes, (4, 50), tmp_path / "x.onnx", constants=constants)
    assert found.verdict == ("equal" if factor == 1 else "not equal")


@pytest.mark.field(
    case="MindSpore's exp inside softplus, and its -inf where the file does not overflow",
    source="found by trying: ops.softplus, and ops.logsigmoid below -88, of MindSpore 2.10",
    outcome="Equal: the file is compared where MindSpore gives numbers, and their scale is that of all.",
)
@pytest.mark.parametrize("expression", ["ops.softplus(x)", "ops.logsigmoid(x)", "ops.logsigmoid(x * 100)"])
def test_softplus_and_logsigmoid(build: Build, tmp_path: Path, expression: str) -> None:
    done = convert(build(expression), InputSpec((2, 10)), tmp_path / "x.onnx")
    assert done.comparison.verdict == "equal"


@pytest.mark.field(
    case="the logarithm of a sigmoid near -1000, where MindSpore gives -inf alone",
    source="found by trying: ops.log(ops.sigmoid(x - 1000)) was called not equal, or its batch fixed",
    outcome="Not compared, with the reason, and kept; where some numbers are finite these are compared.",
)
@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("ops.log(ops.sigmoid(x - 1000))", "not compared: MindSpore gives infinities alone, as its exp"),
        ("ops.log(ops.sigmoid(x * 30 - 70))", "equal"),
        # no infinity, but logarithms of subnormal numbers
        ("ops.log(ops.sigmoid(x * 0.4 - 87))", "equal"),
        ("ops.log(x * 0)", "equal"),
    ],
)
def test_a_sigmoid_that_is_nothing(build: Build, tmp_path: Path, expression: str, verdict: str) -> None:
    done = convert(build(expression), InputSpec((2, 10)), tmp_path / "x.onnx")
    assert done.comparison.verdict.startswith(verdict)
    assert done.batch == "free"
    is_beyond = "70" in expression or "87" in expression
    assert ("exp overflows" in done.comparison.note) == is_beyond


@pytest.mark.field(
    case="a file that is wrong where the logarithm of a sigmoid overflows in other places",
    source="the counterpart: what is left to compare decides",
    outcome="Not equal.",
)
@pytest.mark.parametrize("factor", [1.0, 1.00002])
def test_a_wrong_softplus_beside_what_overflows(build: Build, tmp_path: Path, factor: float) -> None:
    nodes = [
        helper.make_node("Mul", ["input", "thirty"], ["m"]),
        helper.make_node("Sub", ["seventy", "m"], ["n"]),
        helper.make_node("Softplus", ["n"], ["p"]),
        helper.make_node("Mul", ["p", "k"], ["output"]),
    ]
    constants = {name: np.array(value, np.float32) for name, value in (("thirty", 30), ("seventy", 70))}
    constants["k"] = np.array(-factor, np.float32)
    cell = build("ops.log(ops.sigmoid(x * 30 - 70))")
    found = compare_nodes(cell, nodes, (4, 50), tmp_path / "x.onnx", constants=constants)
    assert found.verdict == ("equal" if factor == 1 else "not equal")


@pytest.mark.field(
    case="an output of small numbers behind a sigmoid that is flat",
    source="found by trying: the last state of an LSTM with lengths, on inputs around 30",
    outcome="Equal, and the warning says which inputs, and that it is a rounding of ONNX Runtime's sigmoid.",
)
@pytest.mark.parametrize(("factor", "is_right"), [(1.0, True), (1.01, False)])
def test_a_flat_sigmoid(build: Build, tmp_path: Path, factor: float, is_right: bool) -> None:
    nodes = [
        helper.make_node("Mul", ["input", "k"], ["m"]),
        helper.make_node("Clip", ["m", "", "top"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["output"]),
    ]
    constants = {"k": np.array(factor, np.float32), "top": np.array(-9.0, np.float32)}
    cell = build("ops.sigmoid(ops.minimum(x, -9.0))")
    found = compare_nodes(cell, nodes, (4, 50), tmp_path / "x.onnx", constants=constants)
    assert found.passed == is_right
    assert ("by a rounding of 1" in found.note) == is_right


@pytest.mark.field(
    case="a file that is wrong where MindSpore overflows elsewhere",
    source="the counterpart: an infinity must not excuse another difference",
    outcome="Not equal: what is finite is compared, and infinities of another cause are no overflow.",
)
@pytest.mark.parametrize(
    "nodes",
    [
        [("Mul", ["input", "wrong"], "m"), ("Softplus", ["m"], "s"), ("Neg", ["s"], "output")],
        [("Neg", ["input"], "m"), ("Relu", ["m"], "s"), ("Neg", ["s"], "output")],
    ],
)
def test_an_overflow_excuses_nothing_else(build: Build, tmp_path: Path, nodes: Any) -> None:
    made = [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes]
    constants = {"wrong": np.array(-1.01, np.float32)} if made[0].op_type == "Mul" else {}
    cell = build("ops.logsigmoid(x * 100)" if not constants else "ops.logsigmoid(x)")
    found = compare_nodes(cell, made, (3, 200), tmp_path / "x.onnx", constants=constants)
    assert found.verdict == "not equal"


DETECT = (
    "best, index = ops.topk(ops.sigmoid(x[..., 4] * 0.001), 200, dim=-1); "
    "rows = ops.tile(index.expand_dims(-1), (1, 1, 4)); "
    "ops.cat((ops.gather_elements(x[..., :4], 1, rows), best.expand_dims(-1)), -1)"
)


@pytest.mark.field(
    case="detections in the order of scores that tie",
    source="THU-MIG/yolov10#384, THU-MIG/yolov10#388",
    outcome="Equal, and it is said that rows are exchanged; other boxes are a fault.",
)
def test_sorted_detections(build: Build, tmp_path: Path) -> None:
    cell, path, shape = build(DETECT), tmp_path / "x.onnx", (1, 2000, 5)
    done = convert(cell, InputSpec(shape), path)
    assert (done.comparison.verdict, done.batch) == ("equal", "free")
    assert "some rows lie in another order than in MindSpore" in done.comparison.note
    assert not done.comparison.note.endswith(": ")  # of inputs on which there is nothing to say
    model = onnx.load(path)
    (concat,) = (node for node in model.graph.node if node.op_type == "Concat" and "logits" in node.output)
    for op_type in ("Ceil", "Abs"):
        wrong = onnx.ModelProto()
        wrong.CopyFrom(model)
        nodes = list(wrong.graph.node)
        place = nodes.index(concat)
        nodes[place].input[0] = "wrong"
        nodes.insert(place, helper.make_node(op_type, [concat.input[0]], ["wrong"]))
        del wrong.graph.node[:]
        wrong.graph.node.extend(nodes)
        onnx.save(wrong, path)
        found = compare(path, [TensorType(FLOAT, shape)], lambda: cell, is_batch_free=False)
        assert found.verdict == "not equal"


@pytest.mark.field(
    case="batch normalisation without stored statistics",
    source="pytorch/pytorch#45333, pytorch/pytorch#75252",
    outcome="The error says that the layer normalises by the batch that it gets, and which layer.",
)
@pytest.mark.parametrize(
    "layer",
    ["mint.nn.BatchNorm2d(4, track_running_stats=False)", "nn.BatchNorm2d(4, use_batch_statistics=True)"],
)
def test_batch_statistics(build: Build, layer: str) -> None:
    with pytest.raises(UnsupportedOperatorsError, match=r"normalises by .* the\s+batch that it\s+gets"):
        onnx_from_mindir(mindir_bytes_from_cell(build(f"{layer}; layer(x) + 1"), (2, 4, 5, 5)))


@pytest.mark.field(
    case="a converter of triport that fails",
    source="pytorch/pytorch#169178 (export is not proof; faults of an exporter itself)",
    outcome="It is called triport's own fault, with what it raised as the cause, and no layer is blamed.",
)
def test_own_fault(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = mindir_bytes_from_cell(build("nn.ReLU6()"), (2, 4))

    def fail(*given: Any) -> Any:
        raise IndexError("list index out of range")

    monkeypatch.setattr(activation, "_clip", fail)
    with pytest.raises(ConverterFaultError, match="triport failed on it, IndexError") as raised:
        onnx_from_mindir(content)
    assert isinstance(raised.value.__cause__, IndexError)
    assert "change the layer" not in str(raised.value)
    # what MindSpore has just traced is not damaged
    with pytest.raises(RuntimeError, match="triport failed on it, IndexError"):
        convert_cell(build("nn.ReLU6()"), [InputSpec((2, 4))], tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.field(
    case="a runtime that refuses the inputs of the comparison",
    source="pytorch/pytorch#64578 (integer modulo by zero in ONNX Runtime)",
    outcome="It is said which of the two refuses; no log line of theirs reaches the terminal.",
)
def test_who_refuses(build: Build, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nodes = [
        helper.make_node("Mul", ["input", "zero"], ["nothing"]),
        helper.make_node("Mod", ["input", "nothing"], ["rest"]),
        helper.make_node("Cast", ["rest"], ["output"], to=FLOAT),
    ]
    found = compare_nodes(
        build("x.astype(ms.float32)"),
        nodes,
        (4,),
        tmp_path / "x.onnx",
        elem_type=onnx.TensorProto.INT32,
        constants={"zero": np.array(0, np.int32)},
    )
    assert found.verdict.startswith("not compared: ONNX Runtime cannot run it, MindSpore can: ")
    assert "\x1b" not in capfd.readouterr().err
