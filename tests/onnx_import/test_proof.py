"""What is said of an input on which the network is so far from itself that a fault would not be seen."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import onnx
import pytest

from triport.parity.imported import convert as proof
from triport.parity.imported.meant import meant
from triport.parity.imported.open_order import NOTE

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture
def waves(tmp_path):
    """Return the path of sin(400 x), which roundings of x and of 400 move by 3e-4 where x is 30."""
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Mul", ["x", "rate"], ["phase"]),
            onnx.helper.make_node("Sin", ["phase"], ["y"]),
        ],
        "waves",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 40])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 40])],
        [onnx.numpy_helper.from_array(np.float32(400), "rate")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "waves.onnx")
    return tmp_path / "waves.onnx"


def plant(monkeypatch, fault):
    """Let every source that is written return something else where three images are given."""

    def faulty(*arguments):
        source = writer(*arguments)
        before, _, returned = source.text.partition("        return ")
        expression, _, after = returned.partition("\n")
        text = f"{before}        return ({expression}) {fault}\n{after}"
        return replace(source, text=text)

    writer = proof.source_of
    monkeypatch.setattr(proof, "source_of", faulty)


def test_waves_without_a_fault_are_equal(waves, tmp_path, run_cli):
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 0, done.output


@pytest.fixture
def variance(tmp_path):
    """Return the path of mean(x^2) - mean(x)^2 of numbers near 60: float32 keeps three digits of it."""
    make = onnx.helper.make_node
    nodes = [
        make("Add", ["x", "offset"], ["far"]),
        make("Mul", ["far", "far"], ["squares"]),
        make("ReduceMean", ["squares"], ["of_squares"], axes=[1]),
        make("ReduceMean", ["far"], ["mean"], axes=[1]),
        make("Mul", ["mean", "mean"], ["of_mean"]),
        make("Sub", ["of_squares", "of_mean"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 3000])]
    outputs = [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 1])]
    offset = onnx.numpy_helper.from_array(np.full(3000, 60, np.float32), "offset")
    graph = onnx.helper.make_graph(nodes, "variance", inputs, outputs, [offset])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "variance.onnx")
    return tmp_path / "variance.onnx"


def test_where_float32_says_too_little_the_graph_in_float64_is_asked(variance, tmp_path, run_cli):
    done = run_cli("convert", variance, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 0, done.output
    assert "in float64 the graph is" in done.output


@pytest.mark.parametrize("size", [1e-8, 1e-6, 1e-4])
def test_a_fault_is_seen_in_float64_however_far_off_float32_is(
    size, variance, tmp_path, run_cli, monkeypatch
):
    plant(monkeypatch, f"* (1 + {size})")
    done = run_cli("convert", variance, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 1, done.output
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("size", [2e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3])
def test_a_fault_that_hides_in_a_wide_noise_is_never_called_equal(
    size, waves, tmp_path, run_cli, monkeypatch
):
    plant(monkeypatch, f"* (1 + {size} * (x.shape[0] == 3))")
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 1, done.output
    assert "NOT PROVEN" in done.output or "DIFFERENT" in done.output
    assert not (tmp_path / "net").exists()


def test_an_input_that_proves_nothing_is_not_called_different(waves, tmp_path, run_cli, monkeypatch):
    plant(monkeypatch, "* (1 + 5e-4 * (x.shape[0] == 3))")
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert "x [2, 40]: equal" in done.output
    assert "x [3, 40]: NOT PROVEN" in done.output
    assert "it is not proven that the results are equal" in done.output
    assert "DIFFERENT" not in done.output


@pytest.mark.parametrize("largest", [0, 1])
def test_an_order_that_the_graph_leaves_open_is_not_compared(largest, tmp_path):
    node = onnx.helper.make_node("TopK", ["x", "k"], ["values", "places"], largest=largest, sorted=0)
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["n", 40])],
        [
            onnx.helper.make_tensor_value_info("values", FLOAT, None),
            onnx.helper.make_tensor_value_info("places", onnx.TensorProto.INT64, None),
        ],
        [onnx.numpy_helper.from_array(np.array([7]), "k")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "top.onnx")
    done = proof.convert_to_source(tmp_path / "top.onnx", tmp_path / "out", "pytorch")
    assert done.passed
    assert done.notes == (NOTE,)


@pytest.mark.parametrize("scale", [0.6, 1.37, 1.7])
@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_align_corners_takes_the_length_that_the_result_has(target, mode, scale, tmp_path):
    """As the operator's text says; onnx's reference takes the length before it is cut to a whole one."""
    how = {"mode": mode, "coordinate_transformation_mode": "align_corners"}
    node = onnx.helper.make_node("Resize", ["x", "", "scales"], ["y"], "resize", **how)
    path = saved([node], ["N", 2, 8, 7], tmp_path, scales=np.array([1, 1, scale, 1.5], "f4"))
    done = proof.convert_to_source(path, tmp_path / "resize", target)
    assert {trial.judged_by for trial in done.trials} == {"runtime"}


def saved(nodes, shape, folder, **constants):
    """Write a graph from x to y as a file and return its path."""
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = folder / "graph.onnx"
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def unlikely(tmp_path):
    """Return the path of sigmoid(x - 40): its results are smaller than ONNX Runtime's Sigmoid is off."""
    nodes = [
        onnx.helper.make_node("Sub", ["x", "far"], ["low"]),
        onnx.helper.make_node("Sigmoid", ["low"], ["y"], "sigmoid"),
    ]
    return saved(nodes, ["N", 9], tmp_path, far=np.float32(40))


def test_who_agrees_where_onnx_runtime_is_off_is_said(unlikely, tmp_path):
    done = proof.convert_to_source(unlikely, tmp_path / "out", "pytorch")
    assert done.passed
    assert {trial.judged_by for trial in done.trials} == {"reference"}
    assert {trial.agreed for trial in done.trials} == {"ONNX Runtime with Sigmoid written out"}
    assert "equal to ONNX Runtime with Sigmoid written out, not to ONNX Runtime as it is run" in "\n".join(
        done.lines()
    )


def test_the_reference_implementation_alone_proves_nothing(tmp_path, monkeypatch):
    """The source may share its mistake: where ONNX Runtime in no form agrees nothing is written."""

    def off(self, feed):
        return [1.01 * each for each in computed(self, feed)]

    computed = proof.UnoptimisedRuntime.run
    monkeypatch.setattr(proof.UnoptimisedRuntime, "run", off)
    node = onnx.helper.make_node("Exp", ["x"], ["y"], "power")
    done = proof.convert_to_source(saved([node], ["N", 5], tmp_path), tmp_path / "out", "pytorch")
    assert not done.passed and not done.is_different
    assert all("alone agrees, which is no proof" in trial.why for trial in done.trials)


@pytest.mark.parametrize(("size", "passed"), [(0, True), (1e-5, False), (1e-4, False)])
def test_where_onnx_runtime_is_off_the_graph_in_float64_proves_source_for_mindspore(
    size, passed, tmp_path, monkeypatch
):
    """Its LSTM was 5e-6 off: of PyTorch's source the graph said more, of MindSpore's nobody."""

    def off(self, feed):
        return [
            each + 1e-5 * each.max() * np.sin(np.arange(each.size, dtype="f")).reshape(each.shape)
            for each in computed(self, feed)
        ]

    computed = proof.UnoptimisedRuntime.run
    monkeypatch.setattr(proof.UnoptimisedRuntime, "run", off)
    plant(monkeypatch, f"* (1 + {size})")
    path = saved([onnx.helper.make_node("Exp", ["x"], ["y"])], ["N", 5], tmp_path)
    done = proof.convert_to_source(path, tmp_path / "out", "mindspore")
    assert done.passed == passed
    assert not passed or "graph" in {trial.judged_by for trial in done.trials}


def test_bfloat16_is_compared_with_onnx_runtime_in_float32_each_result_rounded(tmp_path):
    """ONNX Runtime has no kernel that multiplies bfloat16."""
    kind = onnx.TensorProto.BFLOAT16
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(ml_dtypes.bfloat16)
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["product"]),
        onnx.helper.make_node("Relu", ["product"], ["large"]),
        onnx.helper.make_node("Softmax", ["large"], ["y"]),
    ]
    path = saved(nodes, ["N", 8], tmp_path, w=weight)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = kind
    onnx.save(model, path)
    for target in ("pytorch", "mindspore"):
        done = proof.convert_to_source(path, tmp_path / target, target)
        assert done.passed
        assert max(trial.max_rel for trial in done.trials) < 1e-2


@pytest.fixture
def resized(tmp_path):
    """Return the path of a cubic resize, whose places float32 rounds, GELU, and a scale of a size of x."""
    make = onnx.helper.make_node
    nodes = [
        make("Resize", ["x", "", "", "sizes"], ["small"], mode="cubic", cubic_coeff_a=-0.75),
        make("Div", ["small", "root"], ["part"]),
        make("Erf", ["part"], ["erf"]),
        make("Add", ["erf", "one"], ["more"]),
        make("Mul", ["small", "more"], ["product"]),
        make("Mul", ["product", "half"], ["gelu"]),
        make("Shape", ["gelu"], ["shape"]),
        make("Slice", ["shape", "third", "fourth"], ["last"]),
        make("Cast", ["last"], ["length"], to=FLOAT),
        make("Sqrt", ["length"], ["inverse"]),
        make("Div", ["one", "inverse"], ["factor"]),
        make("Sqrt", ["factor"], ["scale"]),
        make("Mul", ["gelu", "scale"], ["y"]),
    ]
    places = {"sizes": [2, 1, 224, 224], "third": [3], "fourth": [4]}
    numbers = {"root": np.sqrt(2), "one": 1, "half": 0.5}
    constants = {name: np.array(value, np.int64) for name, value in places.items()}
    constants |= {name: np.array(value, np.float32) for name, value in numbers.items()}
    return saved(nodes, [2, 1, 240, 240], tmp_path, **constants)


@pytest.mark.parametrize(("size", "passed"), [(0, True), (3e-9, False), (1e-7, False), (1e-5, False)])
def test_numbers_that_float32_rounds_are_those_that_are_meant_in_float64(
    size, passed, resized, tmp_path, monkeypatch
):
    """The places of a resize are 3e-5 off in float32, and no rounding of the input shows it."""
    plant(monkeypatch, f"* (1 + {size})")
    done = proof.convert_to_source(resized, tmp_path / "out", "pytorch")
    assert done.passed == passed
    assert not passed or {trial.judged_by for trial in done.trials} == {"graph"}


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_another_way_to_resize_is_seen(mode, resized, tmp_path, monkeypatch):
    def faulty(*arguments):
        source = writer(*arguments)
        call = 'F.interpolate(x, (224, 224), mode="bicubic")'
        assert call in source.text
        faulty = call.replace("bicubic", mode) if mode == "bilinear" else f"{call[:-1]}, antialias=True)"
        return replace(source, text=source.text.replace(call, faulty))

    writer = proof.source_of
    monkeypatch.setattr(proof, "source_of", faulty)
    done = proof.convert_to_source(resized, tmp_path / "out", "pytorch")
    assert not done.passed and done.is_different


@pytest.mark.parametrize(
    ("number", "stands_for"),
    [(2**0.5, 2**0.5), (-(32**-0.25), -(32**-0.25)), (1e-3, float(np.float32(1e-3))), (0.25, 0.25), (0.0, 0)],
)
def test_a_root_alone_is_more_than_float32_holds(number, stands_for):
    assert meant(float(np.float32(number))) == stands_for
