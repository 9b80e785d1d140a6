"""Sentences that say "equal", "same", "damaged" or "published": each with an input that made one untrue."""

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

from tests.field.digits_weights import HEAD, digits, state_dict
from triport.converters.convert import ConvertRequest, convert
from triport.parity.imagenet.pair import mcnemar_exact
from triport.parity.imagenet.report import pair_verdict
from triport.publishing.registered.publish import _notes
from triport.reference_models.spec import all_models, get_model

torch = importlib.import_module("torch")
BN = "bn1.running_var"


def saved(path: Path, state: Any) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.field(
    case="inspect A B --no-head of two files whose heads differ",
    source="asked of every sentence, which input makes it false: 'Equal, bit for bit.'",
    outcome="Equal in what was compared, and the head is named as not compared.",
)
def test_heads_that_differ_are_not_equal_bit_for_bit(tmp_path: Path, run_cli: Any) -> None:
    first = saved(tmp_path / "a.pth", state_dict())
    second = saved(tmp_path / "b.pth", state_dict(fc__weight=state_dict()[HEAD] * 3))
    done = run_cli("inspect", first, second, "--no-head")
    assert done.exit_code == 0
    assert done.stdout.endswith("Equal, bit for bit, in what was compared.\n")
    assert f"{second}: 2 entries were not compared, fc.weight the first (the head" in done.stdout
    assert json.loads(run_cli("inspect", first, second, "--no-head", "--json", "-").stdout)["whole"] is False


@pytest.mark.field(
    case="inspect A B of two training checkpoints whose optimizer states differ",
    source="asked of every sentence, which input makes it false: 'Equal, bit for bit.'",
    outcome="Equal in what was compared, and what each file has besides is counted.",
)
def test_training_states_that_differ_are_not_equal_bit_for_bit(tmp_path: Path, run_cli: Any) -> None:
    files = [
        saved(
            tmp_path / f"{value}.pth",
            {"state_dict": state_dict(), "optimizer": {"state": {0: {"exp_avg": torch.full((3,), value)}}}},
        )
        for value in (0.0, 1.0)
    ]
    done = run_cli("inspect", *files)
    assert done.exit_code == 0
    assert done.stdout.endswith("Equal, bit for bit, in what was compared.\n")
    for file in files:
        assert f"{file}: 1 entry was not compared, optimizer the first (training state)" in done.stdout
    plain = saved(tmp_path / "plain.pth", state_dict())
    again = saved(tmp_path / "again.pth", state_dict())
    assert run_cli("inspect", plain, again).stdout.endswith("Equal, bit for bit.\n")


@pytest.mark.field(
    case="inspect A B of a file and its copy in float64",
    source="asked of every sentence, which input makes it false: 'but bits do: 0 and -0, or other bits'",
    outcome="Different, by the types alone: no value differs, and nothing is said of -0 and NaN.",
)
def test_equal_values_of_another_type_have_no_other_zeros(tmp_path: Path, run_cli: Any) -> None:
    doubles = {name: tensor.double() for name, tensor in state_dict().items()}
    done = run_cli("inspect", saved(tmp_path / "a.pth", state_dict()), saved(tmp_path / "b.pth", doubles))
    assert done.exit_code == 1
    assert "fc.bias  float32 against float64: no value differs\n" in done.stdout
    assert "bits do" not in done.stdout


@pytest.mark.field(
    case="diagnose of a file and its copy in float16",
    source="found by trying: 'all 187 tensors are equal', and a line below 'weights differ, above'",
    outcome="Two lines of one table do not contradict each other.",
)
@pytest.mark.slow
def test_diagnose_does_not_point_to_weights_that_are_equal(tmp_path: Path, run_cli: Any) -> None:
    first = saved(tmp_path / "a.pth", state_dict())
    half = {name: torch.from_numpy(array).half() for name, array in digits().items()}
    done = run_cli("diagnose", first, saved(tmp_path / "half.pth", half))
    assert done.exit_code == 1
    assert "weights differ, above" not in done.stdout
    assert "neither file holds or states one; what both compute says nothing of them" in done.stdout
    assert "It is the precision" in done.stdout


@pytest.mark.field(
    case="one tensor of 0 and one of 0.5 throughout",
    source="asked of every sentence, which input makes it false: 'all values of 2 weight tensors are one and "
    "the same'",
    outcome="Each has one value throughout; that the two share it is not said.",
)
def test_two_constant_tensors_do_not_share_a_value(tmp_path: Path, run_cli: Any) -> None:
    state = state_dict()
    first, second = [name for name, tensor in state.items() if tensor.ndim == 4][:2]
    state[first].zero_()
    state[second].fill_(0.5)
    shown = run_cli("inspect", saved(tmp_path / "x.pth", state), "--stats").stdout
    assert f"2 weight tensors have one value throughout, {first} the first" in shown


@pytest.mark.field(
    case="a variance above 65504 in a file that was rounded to float16",
    source="asked of every sentence, which input makes it false: 'The training diverged, or the file is "
    "damaged'",
    outcome="Refused, and the range of float16 is named as a cause.",
)
def test_overflow_of_float16_is_named(tmp_path: Path, run_cli: Any) -> None:
    values = {**digits(), BN: np.full_like(digits()[BN], 7e4)}
    with np.errstate(over="ignore"):
        half = {name: torch.from_numpy(array.astype(np.float16)) for name, array in values.items()}
    shown = run_cli("inspect", saved(tmp_path / "half.pth", half)).stdout
    assert "a value was beyond 65504 when it was stored as float16" in shown
    spoiled = state_dict(bn1__running_var=torch.full_like(state_dict()[BN], float("inf")))
    shown = run_cli("inspect", saved(tmp_path / "whole.pth", spoiled)).stdout
    assert "The training diverged, or the file is damaged" in shown


def graph(path: Path, opset: int, node: onnx.NodeProto) -> Path:
    """Write a convolution followed by a node that makes "y" of "c"."""
    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    x, y = (
        helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", ["n", 3, 8, 8]), ("y", None))
    )
    convolution = helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3])
    model = helper.make_model(
        helper.make_graph([convolution, node], "g", [x], [y], [weight]),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("mine", 1)],
        ir_version=8,
    )
    onnx.save(model, path)
    return path


@pytest.mark.field(
    case="an operator of another domain with an attribute called alpha that is a whole number",
    source="asked of every sentence, which input makes it false: 'of another kind than ONNX gives it: the "
    "file is damaged'",
    outcome="Read: a name means something in ONNX's own operators only; other values are a difference.",
)
def test_attributes_of_other_domains_are_their_own(tmp_path: Path, run_cli: Any) -> None:
    first, same, other = (
        graph(
            tmp_path / f"{name}.onnx", 13, helper.make_node("Act", ["c"], ["y"], domain="mine", alpha=alpha)
        )
        for name, alpha in (("first", 1), ("same", 1), ("other", 2))
    )
    assert run_cli("inspect", first, same).stdout.endswith("Equal, bit for bit.\n")
    done = run_cli("inspect", first, other)
    assert done.exit_code == 1 and "Weights equal; graphs differ" in done.stdout


@pytest.mark.field(
    case="Cast of opset 5, whose `to` is a text",
    source="ONNX's own schema: Cast 1 has to as a string, Cast 6 as a number; it was called damaged",
    outcome="Read; FLOAT and DOUBLE are a difference.",
)
def test_cast_of_the_first_opsets(tmp_path: Path, run_cli: Any) -> None:
    first, same, other = (
        graph(tmp_path / f"{name}.onnx", 5, helper.make_node("Cast", ["c"], ["y"], to=to))
        for name, to in (("first", "FLOAT"), ("same", "FLOAT"), ("other", "DOUBLE"))
    )
    assert run_cli("inspect", first, same).stdout.endswith("Equal, bit for bit.\n")
    done = run_cli("inspect", first, other)
    assert done.exit_code == 1 and "Weights equal; graphs differ" in done.stdout


@pytest.mark.field(
    case="safetensors whose header has __metadata__: null, or another writer's key beside a tensor's dtype",
    source="found by trying: the safetensors library loads both, and triport called both damaged",
    outcome="null is no metadata; the unknown key is refused by its name, and not called damage.",
)
def test_headers_that_the_library_reads(tmp_path: Path, run_cli: Any) -> None:
    load, save = (getattr(importlib.import_module("safetensors.torch"), name) for name in ("load", "save"))
    content = save(dict(state_dict()))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])

    def with_header(name: str, changed: dict[str, Any]) -> Path:
        text = json.dumps(changed).encode()
        made = len(text).to_bytes(8, "little") + text + content[8 + length :]
        assert len(load(made)) == len(digits())
        (tmp_path / name).write_bytes(made)
        return tmp_path / name

    done = run_cli("inspect", with_header("null.safetensors", {"__metadata__": None, **header}))
    assert done.exit_code == 0 and "res2net_digits" in done.stdout
    noted = {**header, HEAD: {**header[HEAD], "note": "x"}}
    done = run_cli("inspect", with_header("noted.safetensors", noted))
    assert done.exit_code == 2
    assert "states 'note' too" in done.output and "damaged" not in done.output


@pytest.mark.field(
    case="a file of a model of whose published weights triport knows none",
    source="timm publishes regnetx_040.pycls_in1k, and triport said that nobody has published weights of it",
    outcome="What is not known is said to be not known.",
)
def test_unknown_is_not_said_to_be_unpublished(run_cli: Any) -> None:
    assert (
        "No published weights of this model are known to triport."
        in run_cli("models", "regnet_x_4_0gf").stdout
    )
    unknown = {name for name, spec in all_models().items() if not any(one.url for one in spec.weights)}
    assert {"regnet_x_4_0gf"} <= unknown < all_models().keys()
    for model in ("regnet_x_4_0gf", "resnet18"):
        values = {
            "source": {"not_proven": None},
            "accuracy": [],
            "model": model,
            "num_classes": 1000,
            "classes_stated_by": "",
            "preprocess": {"stated_by": ""},
            "parity": {"not_run": []},
            "license": "Apache-2.0",
            "same_weights_as": [],
        }
        (note,) = [one for one in _notes(values, None) if one.startswith("no accuracy")]
        assert ("says where it is" in note) is (model not in unknown)


@pytest.mark.field(
    case="McNemar's p just below 0.05: 267 images on which one of two is right, 117 of them only A",
    source="asked of every sentence, which input makes it false: 'p = 0.05 < 0.05'",
    outcome="The figure has as many digits as its comparison needs.",
)
def test_a_rounded_p_does_not_contradict_its_bound() -> None:
    pair: Any = SimpleNamespace(
        only_a=117, only_b=150, flips=[None] * 267, images=5000, p_value=mcnemar_exact(117, 150), equal=False
    )
    assert "B is better" in pair_verdict(pair)
    assert "p = 0.0499831" in pair_verdict(pair) and "p = 0.05 <" not in pair_verdict(pair)


@pytest.mark.field(
    case="convert --no-head, whose result was said to load in the publisher's whole network",
    source="asked of every sentence, which input makes it false: 'loads in timm's regnety_004'",
    outcome="It loads in that network without its head.",
)
def test_a_backbone_loads_without_the_head(tmp_path: Path) -> None:
    from triport.converters.tables import lines_of
    from triport.parity.subjects.random_weights import random_parameters

    parameters = random_parameters(get_model("regnet_y_400mf"), 1000)
    state = {name: torch.from_numpy(np.array(array)) for name, array in parameters.items()}
    source = saved(tmp_path / "x.pth", state)
    for with_head, words in (
        (True, "regnety_004: the same"),
        (False, "regnety_004, without its head: the same"),
    ):
        request = ConvertRequest(
            to="pytorch", dialect="timm", with_head=with_head, output=tmp_path / f"{with_head}.pth"
        )
        done = convert(source, request)
        assert any(words in line for line in lines_of(done))


@pytest.mark.field(
    case="two files of which one has 0 where the other has -0",
    source="asked of every sentence, which input makes it false: '0 values differ, by up to 0'",
    outcome="Not equal, and the sentence says that bits differ and no value does.",
)
def test_bits_differ_and_values_do_not(tmp_path: Path, run_cli: Any) -> None:
    bias = torch.zeros_like(state_dict()["fc.bias"])
    files = [
        saved(tmp_path / f"{name}.pth", state_dict(fc__bias=one)) for name, one in (("a", bias), ("b", -bias))
    ]
    done = run_cli("inspect", *files)
    assert done.exit_code == 1
    assert "no value differs, but bits do: 0 and -0" in done.stdout


@pytest.mark.field(
    case="parity A B C of which B is equal to A, and C is not",
    source="asked of every sentence, which input makes it false: 'NOT equal: B beside A is off by 5.2e-07'",
    outcome="What is not equal is named first, and what is within tolerance is called that.",
)
def test_what_is_not_equal_is_named_first(tmp_path: Path, run_cli: Any) -> None:
    names = ("a", "b", "c")
    files = [saved(tmp_path / f"{name}.pth", state_dict()) for name in names[:2]]
    files.append(saved(tmp_path / "c.pth", state_dict(fc__weight=state_dict()[HEAD] * 1.2)))
    done = run_cli("parity", *files, "--runtimes", "pytorch")
    assert done.exit_code == 1
    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith("NOT equal: c.pth beside a.pth is off by ")
    assert "; within tolerance: b.pth beside a.pth is off by 0.0e+00" in verdict
