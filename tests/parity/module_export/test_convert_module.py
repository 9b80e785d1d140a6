"""Any torch.nn.Module to ONNX: what is proven, what is refused, and which exporter is taken."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from tests.parity.module_export import networks
from triport.converters.request import ConvertRequest
from triport.converters.torch_export import exporters, write
from triport.converters.torch_export.exporters import DYNAMO, EXPORTERS, TORCHSCRIPT, NotExportedError
from triport.converters.torch_export.network import ModuleError
from triport.parity.module_export.convert import ConvertModuleError, convert_module
from triport.reference_models.errors import TriportError

NETWORKS = "tests/parity/module_export/networks.py"


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def without_dynamo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first use takes 5 to 10 s."""
    monkeypatch.setitem(EXPORTERS, DYNAMO, refuse)


def refuse(*given: Any, **options: Any) -> Any:
    raise NotExportedError("not asked")


def convert(module: Any, path: Path, *inputs: str, **options: Any) -> Any:
    return convert_module(
        module, type(module).__name__, ConvertRequest("onnx", path, inputs=inputs, **options)
    )


def run(path: Path, *arrays: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([one.name for one in session.get_inputs()], arrays, strict=True)))


def names_in(path: Path) -> set[str]:
    return {tensor.name for tensor in onnx.load(path).graph.initializer}


def test_convolutional(tmp_path: Path, without_dynamo: None) -> None:
    module, path = networks.Convolutional(), tmp_path / "net.onnx"
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    done = convert(module, path, "1x3x12x12")
    assert (done.passed, done.exporter, done.verdict.verdict) == (True, TORCHSCRIPT, "equal")
    assert done.free == (("N", (1, 3)),)
    assert done.warnings == ("Convolutional was in training mode; it was put into evaluation mode",)
    assert names_in(path) == {name for name in before if not name.endswith("num_batches_tracked")}
    assert {reason for _, reason in done.dropped} == {"counts training batches; the graph has no use for it"}
    assert [node.op_type for node in onnx.load(path).graph.node].count("BatchNormalization") == 2
    # the Module is what it was
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    x = np.random.default_rng(1).normal(size=(5, 3, 12, 12)).astype("float32")
    np.testing.assert_allclose(run(path, x)[0], module(torch.from_numpy(x)).detach(), atol=1e-6)


def test_recurrent(tmp_path: Path, without_dynamo: None) -> None:
    path = tmp_path / "net.onnx"
    done = convert(networks.Recurrent(), path, "2x7:int64")
    assert done.verdict.verdict == "equal"
    assert done.inputs == ("tokens (N, 7) int64",)
    assert list(done.outputs) == [
        "output_0 (N, 7, 12)",
        "output_1 (4, N, 6)",
        "output_2 (4, N, 6)",
    ]
    assert any("whole numbers from 0 to 49" in note for note in done.warnings)


def test_two_inputs_and_named_outputs(tmp_path: Path, without_dynamo: None) -> None:
    path = tmp_path / "net.onnx"
    done = convert(networks.TwoInputs(), path, "b=1x3", "a=1x4")
    assert done.verdict.verdict == "equal"
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["b", "a"]
    assert [value.name for value in model.graph.output] == ["scores", "pair.sum", "pair.largest"]
    assert done.left_out == (("loss", "None"),)


def test_shared_equal_and_unused_parameters(tmp_path: Path, without_dynamo: None) -> None:
    path = tmp_path / "net.onnx"
    done = convert(networks.Shared(), path, "1x4")
    assert done.verdict.verdict == "equal"
    assert dict(done.dropped) == {
        "second.weight": "is the same parameter as first.weight",
        "unused": "does not reach an output: changing it changes nothing",
    }
    assert {"ones", "same", "table"} <= names_in(path)


def test_parameters_keep_their_names(tmp_path: Path, without_dynamo: None) -> None:
    path = tmp_path / "net.onnx"
    done = convert(networks.SameNames(), path, "1x4")
    assert done.verdict.verdict == "equal"
    assert names_in(path) >= {"x", "output", "mul", "add"}
    assert (done.inputs, done.outputs) == (("x_1 (N, 4) float32",), ("output_1 (N, 4)",))


def test_what_a_module_keeps_is_no_constant(tmp_path: Path, without_dynamo: None) -> None:
    module, path = networks.Keeps().eval(), tmp_path / "net.onnx"
    module(torch.ones(1, 4))
    done = convert(module, path, "1x4")
    assert (done.verdict.verdict, done.dropped) == ("equal", ())
    assert "bias" in names_in(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (networks.Keeps, ["1x4"]),
        (networks.SameNames, ["1x4"]),
        (networks.Convolutional, ["1x3x12x12"]),
        (networks.Recurrent, ["2x7:int64"]),
        (networks.TwoInputs, ["a=1x4", "b=1x3"]),
        (networks.Shared, ["1x4"]),
    ],
)
def test_by_dynamo(kind: Any, inputs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPORTERS, TORCHSCRIPT, refuse)
    done = convert(kind(), tmp_path / "net.onnx", *inputs)
    assert (done.exporter, done.verdict.verdict, done.free) == (DYNAMO, "equal", (("N", (1, 3)),))
    assert any("opset 18: dynamo writes none of 17" in note for note in done.warnings)


@pytest.mark.slow
def test_a_hard_coded_batch_is_found(tmp_path: Path) -> None:
    done = convert(networks.HardCoded(), tmp_path / "net.onnx", "1x8")
    assert (done.passed, done.free) == (True, ())
    assert done.inputs == ("x (1, 8) float32",)
    why = "where it is free no graph is right (torchscript not equal, dynamo not equal)"
    assert done.fixed == (("N", why),)
    assert "cannot run it on N=1" in done.attempts[0].why


@pytest.mark.slow
def test_a_branch_that_a_value_decides(tmp_path: Path) -> None:
    done = convert(networks.Branch(), tmp_path / "net.onnx", "1x8")
    assert not done.passed
    assert {attempt.verdict for attempt in done.attempts} == {"not equal", "not exported"}
    assert any("a value of a tensor decides at networks.py, line" in note for note in done.warnings)
    assert list(tmp_path.iterdir()) == []


def test_a_branch_that_is_not_taken_is_said(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.Rare(), tmp_path / "net.onnx", "1x8")
    assert done.passed
    assert any("decides at networks.py" in n and "was True on every input" in n for n in done.warnings)


def test_a_module_that_is_random(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="gives other outputs for the same inputs"):
        convert(networks.Random(), tmp_path / "net.onnx", "1x8")


def test_a_module_without_float64(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.Narrow(), tmp_path / "net.onnx", "1x8")
    assert (done.verdict.verdict, done.reference) == ("equal", "pytorch-float32")
    assert any("does not run in float64" in note for note in done.warnings)


def test_a_module_that_is_not_all_in_float64(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.PartlyNarrow(), tmp_path / "net.onnx", "1x8")
    assert (done.verdict.verdict, done.reference) == ("equal", "pytorch-float64")
    assert any("float32 or less even where" in n and "networks.py, line" in n for n in done.warnings)


def test_a_step_in_float16_is_judged_by_its_noise(tmp_path: Path) -> None:
    done = convert(networks.HalfWithin(), tmp_path / "net.onnx", "1x8")
    assert (done.passed, done.verdict.verdict) == (True, "equal")
    assert any("computes some steps in float16 (networks.py, line" in note for note in done.warnings)


@pytest.mark.slow
def test_a_decomposition_that_large_numbers_break_is_refused(tmp_path: Path) -> None:
    done = convert(networks.LogCumulated(), tmp_path / "net.onnx", "1x8")
    assert not done.passed
    assert any("numbers of the size" in attempt.why for attempt in done.attempts)


def test_noise_that_hides_everything_is_said(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.Chaotic(), tmp_path / "net.onnx", "1x8")
    assert done.verdict.verdict == "too noisy to see"
    assert any("could not be seen there" in note for note in done.warnings)


def test_a_module_of_one_batch_size(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.BatchOfOne(), tmp_path / "net.onnx", "1x8")
    assert (done.verdict.verdict, done.free) == ("equal", ())
    assert "itself does not run: ValueError: one image at a time" in dict(done.fixed)["N"]


def with_fault(change: Callable[[ir.Model], None]) -> Callable[..., Any]:
    """Return the TorchScript exporter with a fault planted in its graph."""

    def export(*given: Any, **options: Any) -> Any:
        exported = exporters.export_torchscript(*given, **options)
        change(exported.model)
        return exported

    return export


def node_of(model: ir.Model, kind: str) -> ir.Node:
    return next(node for node in model.graph if node.op_type == kind)


def widen_epsilon(model: ir.Model) -> None:
    node_of(model, "BatchNormalization").attributes["epsilon"] = ir.AttrFloat32("epsilon", 1e-3)


def exchange_inputs(model: ir.Model) -> None:
    """Exchange the first BatchNorm's bias and running mean, which are both zero in a fresh network."""
    node = node_of(model, "BatchNormalization")
    bias, mean = node.inputs[2], node.inputs[3]
    node.replace_input_with(2, mean)
    node.replace_input_with(3, bias)


def forget_relu(model: ir.Model) -> None:
    node_of(model, "Relu").op_type = "Identity"


def scale_branch(model: ir.Model) -> None:
    """Take the cosine for the sine, in a branch that is multiplied by zero in a fresh network."""
    node = node_of(model, "Sin")
    node.op_type = "Cos"


FAULTS = [
    (networks.Convolutional, "1x3x12x12", widen_epsilon, "first (BatchNorm2d)"),
    (networks.Convolutional, "1x3x12x12", exchange_inputs, "first (BatchNorm2d)"),
    (networks.Convolutional, "1x3x12x12", forget_relu, "before second (BatchNorm2d), in what Convolutional"),
    (networks.Zero, "1x8", scale_branch, "after the last module, in what Zero.forward computes itself"),
]


@pytest.mark.parametrize(("kind", "text", "change", "where"), FAULTS)
def test_a_planted_fault_is_found_and_named(
    kind: Any,
    text: str,
    change: Any,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_dynamo: None,
) -> None:
    monkeypatch.setitem(EXPORTERS, TORCHSCRIPT, with_fault(change))
    done = convert(kind(), tmp_path / "net.onnx", text)
    assert not done.passed
    assert done.attempts[0].verdict == "not equal"
    assert done.attempts[0].parts_at.startswith(where)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_other_exporter_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPORTERS, TORCHSCRIPT, with_fault(forget_relu))
    done = convert(networks.Convolutional(), tmp_path / "net.onnx", "1x3x12x12")
    assert (done.exporter, done.verdict.verdict) == (DYNAMO, "equal")
    assert [attempt.exporter for attempt in done.attempts] == [TORCHSCRIPT, DYNAMO]
    assert any("not right" in line and "before second" in line for line in done.lines())


def test_parameters_beside_the_graph(
    tmp_path: Path, without_dynamo: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "EXTERNAL_DATA_BYTES", 1)
    monkeypatch.setattr(write, "EXTERNAL_FROM_BYTES", 32)
    module, path = networks.Convolutional(), tmp_path / "net.onnx"
    done = convert(module, path, "1x3x12x12")
    assert done.passed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    x = np.random.default_rng(1).normal(size=(2, 3, 12, 12)).astype("float32")
    np.testing.assert_allclose(run(path, x)[0], module(torch.from_numpy(x)).detach(), atol=1e-6)


def test_checkpoint(tmp_path: Path, without_dynamo: None) -> None:
    trained = networks.Shared()
    torch.nn.init.normal_(trained.ones)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    path = tmp_path / "net.onnx"
    assert convert(networks.Shared(), path, "1x4", checkpoint=tmp_path / "w.pth").passed
    values = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    np.testing.assert_array_equal(values["ones"], trained.ones.detach())


def test_checkpoint_of_another_module(tmp_path: Path) -> None:
    torch.save(networks.Branch().state_dict(), tmp_path / "w.pth")
    message = r"does not fit Rare\n|linear.weight: float32\[8, 8\]"
    module = networks.HardCoded()
    module.linear = torch.nn.Linear(8, 4)
    before = module.linear.weight.clone()
    with pytest.raises(TriportError, match=message):
        convert(module, tmp_path / "net.onnx", "1x8", checkpoint=tmp_path / "w.pth")
    assert torch.equal(before, module.linear.weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": ()}, "needs the shape of each of its inputs"),
        ({"inputs": ("1x8", "1x8")}, "its forward takes x, and --input is given 2 times"),
        ({"inputs": ("x=1x8", "y=1x8")}, "its forward takes x, and --input names y"),
        ({"inputs": ("1x9",)}, r"on inputs of 1x9:float32: RuntimeError: mat1 and mat2"),
        ({"inputs": ("1x8:bfloat16",)}, "NumPy has none"),
        ({"opset": 9}, "13 to 21 can be written"),
        ({"dtype": "float16"}, "leave --dtype out"),
        ({"source_runtime": "mindspore"}, "leave --from out"),
        ({"output": Path("x.pth")}, "name ends in .onnx"),
        ({"to": "mindspore"}, "which --to onnx writes as a file, and --to mindspore as source"),
    ],
)
def test_bad_usage(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    request = ConvertRequest("onnx", tmp_path / "net.onnx", inputs=("1x8",))
    with pytest.raises(TriportError, match=message):
        convert_module(networks.HardCoded(), "net", dataclasses.replace(request, **options))
    assert list(tmp_path.iterdir()) == []


def test_a_second_input_that_is_needed(tmp_path: Path) -> None:
    with pytest.raises(TriportError, match="takes a, b, and needs b as well"):
        convert(networks.TwoInputs(), tmp_path / "net.onnx", "1x4")


def test_the_default_output_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Branch.onnx").write_text("mine")
    with pytest.raises(ConvertModuleError, match="is there already"):
        convert_module(networks.Branch(), "Branch", ConvertRequest("onnx", inputs=("1x8",)))
    assert Path("Branch.onnx").read_text() == "mine"


def test_command_line(run_cli: Callable[..., Any], tmp_path: Path, without_dynamo: None) -> None:
    output = tmp_path / "net.onnx"
    words = ("--to", "onnx", "--input", "1x4", "-o", output, "--json", "-")
    result = run_cli("convert", f"{NETWORKS}:Shared()", *words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["from"], found["exporter"], found["comparison"]["verdict"]) == (
        "pytorch",
        TORCHSCRIPT,
        "equal",
    )
    assert found["free_axes"] == {"N": [1, 3]}
    assert found["exporters"] == [
        {"exporter": TORCHSCRIPT, "free": ["N"], "verdict": "equal", "why": "", "parts_at": None}
    ]
    onnx.checker.check_model(str(output), full_check=True)


def test_command_line_where_none_is_right(
    run_cli: Callable[..., Any], tmp_path: Path, without_dynamo: None
) -> None:
    output = tmp_path / "net.onnx"
    result = run_cli("convert", f"{NETWORKS}:Branch", "--to", "onnx", "--input", "1x8", "-o", output)
    assert result.exit_code == 1, result.output
    assert "no exporter's graph is right" in result.output
    assert not output.exists()


def test_nothing_else_on_stdout(
    run_cli: Callable[..., Any], tmp_path: Path, without_dynamo: None, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--to", "onnx", "--input", "1x8", "-o", tmp_path / "net.onnx", "--json", "-")
    result = run_cli("convert", f"{NETWORKS}:Unknown", *words)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["output"]) == (1, None)
    assert "'aten::diag' to ONNX" in found["exporters"][0]["why"]
    assert capfd.readouterr().out == ""


def test_command_line_where_the_code_fails(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    words = ("--to", "onnx", "--input", "1x8", "-o", tmp_path / "net.onnx")
    result = run_cli("convert", f"{NETWORKS}:Absent", *words)
    assert result.exit_code == 2
    assert "has no attribute 'Absent'" in result.output
    result = run_cli("--debug", "convert", f"{NETWORKS}:Recurrent(1)", *words)
    assert result.exit_code == 2
    assert "TypeError" in result.output
    assert "Traceback" in result.stderr


def test_not_compared(tmp_path: Path, without_dynamo: None) -> None:
    done = convert(networks.Branch(), tmp_path / "net.onnx", "1x8", check=False)
    assert done.passed
    assert done.verdict is None
    assert any("not asked for" in line for line in done.lines())


class Counting(torch.nn.Module):
    """Counts its calls in a buffer, which no output is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.tensor(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return x * 2


def test_what_a_module_writes_into_its_buffers_is_put_back(tmp_path: Path) -> None:
    module = Counting().eval()
    done = convert_module(
        module, "Net", ConvertRequest(to="onnx", output=tmp_path / "x.onnx", inputs=("2x3",))
    )
    assert done.output is not None
    assert module.calls.item() == 3
