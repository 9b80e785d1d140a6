"""Sentences of `inspect`, `parity` and `diagnose` that said more, or other things, than was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.field.digits_weights import state_dict
from triport.converters.convert import ConvertRequest, convert
from triport.parity.diagnosis.conclusion import conclusion_of
from triport.parity.diagnosis.finding import Finding
from triport.parity.further import FurtherResult, ImageResult
from triport.parity.localise.folded import FoldedDifference

torch = importlib.import_module("torch")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "a.onnx"
    convert(None, ConvertRequest("onnx", path))
    return path


def changed(graph: Path, path: Path, change: Any) -> Path:
    model = onnx.load(graph)
    change(model.graph)
    onnx.save(model, path)
    return path


def with_a_dead_branch(graph: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(np.float32([np.nan]), "dead.c"))
    graph.node.append(helper.make_node("Mul", ["input", "dead.c"], ["dead.out"]))


def with_one_image_at_a_time(graph: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


@pytest.mark.field(
    case="two graphs of which one has a branch that reaches no output, or takes one image at a time",
    source="asked of every sentence, which input makes it false: 'Equal, bit for bit.'",
    outcome="Equal in what was compared, and what was not is named.",
)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_a_dead_branch, "dead.c the first (no output of the graph depends on it)"),
        (with_a_dead_branch, "1 node that no output depends on was not compared"),
        (with_one_image_at_a_time, "other shapes, which was not judged: "),
        (lambda graph: None, ""),
    ],
    ids=["a tensor", "a node", "a shape", "nothing"],
)
def test_what_reaches_no_output(graph: Path, tmp_path: Path, change: Any, says: str, run_cli: Any) -> None:
    other = changed(graph, tmp_path / "b.onnx", change)
    done = run_cli("inspect", graph, other)
    assert done.exit_code == 0
    assert says in done.stdout.replace("\n", " ")
    assert done.stdout.endswith("Equal, bit for bit.\n" if not says else ", in what was compared.\n")
    found = json.loads(run_cli("inspect", graph, other, "--json", "-").stdout)
    assert (found["equal"], found["whole"]) == (True, not says)


@pytest.mark.field(
    case="parity of two graphs of which one has a branch that reaches no output",
    source="asked of every sentence, which input makes it false: 'neither weights nor graph differ'",
    outcome="Equal in what was judged, and what reaches no output is named as not compared.",
)
def test_parity_of_what_reaches_no_output(graph: Path, tmp_path: Path, run_cli: Any) -> None:
    other = changed(graph, tmp_path / "b.onnx", with_a_dead_branch)
    done = run_cli("parity", graph, other, "--runtimes", "onnx")
    said = done.stdout.replace("\n", " ")
    assert done.exit_code == 0, done.output
    assert "neither weights nor graph" not in said
    assert "b.onnx: 1 entry was not compared, dead.c the first (no output of the graph depends on it)" in said
    assert "b.onnx: 1 node that no output depends on was not compared" in said
    assert said.rstrip().endswith("; not everything was judged")


@pytest.mark.field(
    case="a file with all of a model's parameters and one tensor more, or in another float type",
    source="found by trying: '187 of 187 parameters agree, 1 do not'",
    outcome="How many of the model's parameters agree, and how many tensors are not among them.",
)
def test_a_tensor_too_many(tmp_path: Path, run_cli: Any) -> None:
    state = {**state_dict(), "layer5.weight": torch.ones(3)}
    torch.save(state, tmp_path / "x.pth")
    done = run_cli("parity", tmp_path / "x.pth")
    assert "187 of 187 parameters agree; 1 tensor of the file is not among them\n" in done.stderr
    state["fc.bias"] = state["fc.bias"].half()
    torch.save(state, tmp_path / "x.pth")
    done = run_cli("parity", tmp_path / "x.pth")
    assert "186 of 187 parameters agree, 1 do not; 1 tensor of the file is not among them\n" in done.stderr


@pytest.mark.field(
    case="diagnose of two files that both have NaN in the same place",
    source="asked of every sentence, which input makes it false: 'It is the weights: NaN or Inf stand in'",
    outcome="Refused: what both have is no difference, and nothing else can be compared.",
)
def test_no_number_in_both(tmp_path: Path, run_cli: Any) -> None:
    state = state_dict()
    state["fc.bias"][3] = float("nan")
    for name in ("a", "b"):
        torch.save(state, tmp_path / f"{name}.pth")
    done = run_cli("diagnose", tmp_path / "a.pth", tmp_path / "b.pth")
    assert done.exit_code == 2
    assert "both have the same NaN or Inf, first in fc.bias" in done.stderr
    assert "It is the weights" not in done.stdout


def sides_of(needed: float, allowed: float, *, layers: bool, failed: str = "", is_one: bool = False) -> Any:
    """Return what a diagnosis concludes from; modules differ in `layers`."""
    further = FurtherResult("1 image", (1, 3, 8, 8), (ImageResult("the first", needed, allowed),), failed)
    pair = SimpleNamespace(
        comparison=SimpleNamespace(needed_tolerance=needed, tolerance=allowed),
        further=(further,),
        notes=(),
        passed=needed <= allowed and not layers and not failed,
    )
    report = SimpleNamespace(pairs=(pair,), is_one=is_one)
    return SimpleNamespace(computed=SimpleNamespace(reports=(report,)))


@pytest.mark.field(
    case="diagnose of a file whose channels are in another order, so that modules differ and no output does",
    source="found by trying: 'the outputs are not equal: they differ by 3.1e-16, and noise allows 9.5e-07'",
    outcome="What differs is named, not as a cause, and the outputs are called equal.",
)
def test_modules_that_differ_where_outputs_do_not() -> None:
    found = [Finding("weights", False, "1 of 9 tensors differs"), Finding("graph", True, "one graph")]
    equal = "the outputs are equal: they differ by 3.1e-16 of the largest, and noise allows 9.5e-07."
    said = conclusion_of(sides_of(3.1e-16, 9.5e-7, layers=True), found)
    assert said.startswith("What differs is the weights, and nothing else")
    assert said.endswith(equal)
    said = conclusion_of(sides_of(3.1e-4, 9.5e-7, layers=True), found)
    assert said.startswith("It is the weights, and nothing else")
    assert "the outputs are not equal: they differ by 3.1e-04" in said
    said = conclusion_of(sides_of(3.1e-16, 9.5e-7, layers=False, failed="it fails: no memory"), found)
    assert said.startswith("It is the weights")
    assert said.endswith("the outputs cannot be compared with 1 image: it fails: no memory.")
    # what no output shows may still be the cause, where it is of another kind
    found[0] = Finding("preprocessing", False, "images are prepared otherwise: size 32 and 64")
    assert conclusion_of(sides_of(0, 9.5e-7, layers=False), found).startswith("It is the preprocessing")


@pytest.mark.field(
    case="a network whose head is 0: whatever is before it, all outputs are equal",
    source="asked of every sentence, which input makes it false: 'Equal: 1 model, 4 comparisons'",
    outcome="Equal, and it is said that every input gives one output, so that little was judged.",
)
def test_one_output_for_every_input(tmp_path: Path, run_cli: Any) -> None:
    state = state_dict()
    state["fc.weight"].zero_()
    torch.save(state, tmp_path / "x.pth")
    done = run_cli("parity", tmp_path / "x.pth", "--runtimes", "pytorch", "--json", tmp_path / "x.json")
    assert done.exit_code == 0
    assert "every input that was run gives one output" in done.stdout.replace("\n", " ")
    assert json.loads((tmp_path / "x.json").read_text())["models"][0]["gives_one_output"] is True


@pytest.mark.field(
    case="a file whose logits are all 0, beside one whose are not",
    source="found by trying: 'is off by inf of the largest logit'",
    outcome="No share of 0 is told: no tolerance would do, in words.",
)
def test_beside_a_file_that_returns_nothing_but_0(tmp_path: Path, run_cli: Any) -> None:
    state = state_dict()
    torch.save(state, tmp_path / "b.pth")
    zeros = {name: torch.zeros_like(state[name]) for name in ("fc.weight", "fc.bias")}
    torch.save(state | zeros, tmp_path / "a.pth")
    done = run_cli("parity", tmp_path / "a.pth", tmp_path / "b.pth", "--runtimes", "pytorch")
    assert done.exit_code == 1
    assert "b.pth beside a.pth is off by more than any tolerance, allowed 9.5e-07" in done.stdout
    assert "by inf" not in done.stdout
    folded = FoldedDifference("fc", "bias", np.nan, np.nan, 1, 10, ((3, np.nan),))
    assert str(folded) == "fc: folded bias has NaN or Inf on one side, in 1 of 10 channels: 3"
