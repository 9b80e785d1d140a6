"""Inputs that are written, outputs that come back from elsewhere, and what of them is refused."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from triport.converters.networks.registered import of_model
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[3]
NET = "res2net_digits"


@pytest.fixture(scope="module")
def parameters():
    spec = get_model(NET)
    return random_parameters(spec, spec.num_classes)


@pytest.fixture(scope="module")
def net():
    spec = get_model(NET)
    return of_model(spec, spec.num_classes)


@pytest.fixture(scope="module")
def made(tmp_path_factory, net, parameters):
    """x.npz as the command writes it, and y.npz of PyTorch in float32, with all modules."""
    from click.testing import CliRunner

    from triport.cli import main

    folder = tmp_path_factory.mktemp("recorded")
    found = CliRunner().invoke(main, ["parity", NET, "--save-inputs", str(folder / "x.npz")])
    assert found.exit_code == 0, found.output
    saved, runner = np.load(folder / "x.npz"), PyTorchRunner(net, parameters)
    outputs = {"made_for": saved["made_for"], "runtime": np.array("a phone")}
    for batch in saved["batches"]:
        outputs[f"{batch}/logits"] = runner.run({"input": saved[f"{batch}/input"]})["logits"]
    runner.trace(
        {"input": saved["main/input"]},
        lambda call: outputs.__setitem__(f"main/modules/{call.name}", np.array(call.output)),
    )
    np.savez(folder / "y.npz", **outputs)
    return folder


@pytest.fixture
def outputs(made):
    """What y.npz holds, to be changed."""
    with np.load(made / "y.npz") as file:
        return dict(file)


@pytest.fixture
def judged(made, tmp_path, run_cli):
    """`parity` on changed outputs; `inputs` is another x.npz."""

    def judge(arrays, *words, inputs=None, net=NET):
        np.savez(tmp_path / "y.npz", **arrays)
        return run_cli(
            "parity", net, "--inputs", inputs or made / "x.npz", "--outputs", tmp_path / "y.npz", *words
        )

    return judge


def without_modules(outputs):
    return {name: array for name, array in outputs.items() if "/modules/" not in name}


def test_the_same_outputs_are_equal(outputs, judged):
    found = judged(outputs)
    assert found.exit_code == 0, found.output
    assert "recorded (y.npz, a phone)" in found.stdout and "on another machine" in found.stdout
    assert "all 147 modules within their own noise" in found.stdout
    assert "3 images of 32 px (the first, one of a single colour, one of large values)" in found.stdout


def test_the_report_says_of_which_files(outputs, judged, made):
    found = judged(without_modules(outputs), "--json", "-")
    (report,) = json.loads(found.stdout)["models"]
    (pair,) = report["pairs"]
    assert pair["passed"] and pair["versions"] == {"recorded by": "a phone"}
    assert {Path(path).name for path in report["files"]} == {"x.npz", "y.npz"}
    assert report["inputs"].startswith("noise in ") and report["seed"] == 0
    assert "layers" not in pair


@pytest.mark.parametrize("scale", [1e-2, 1e-4])
def test_outputs_that_are_off(scale, outputs, judged):
    outputs = without_modules(outputs)
    outputs["main/logits"] = outputs["main/logits"] * (1 + scale)
    found = judged(outputs)
    assert found.exit_code == 1 and "DIFFERS" in found.stdout


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(value, outputs, judged):
    outputs = without_modules(outputs)
    outputs["main/logits"][0, 3] = value
    assert judged(outputs).exit_code == 1


def test_a_further_batch_that_is_off(outputs, judged):
    """One image of three: the main batch is right."""
    outputs = without_modules(outputs)
    outputs["further2/logits"][1] += 0.01
    found = judged(outputs)
    assert found.exit_code == 1
    assert "with 3 images of 32 px: one of a single colour by" in found.stdout


def test_rows_in_another_order(outputs, judged):
    outputs = without_modules(outputs)
    outputs["main/logits"] = outputs["main/logits"][::-1]
    assert judged(outputs).exit_code == 1


@pytest.mark.parametrize("dtype", ["<f8", ">f4"])
def test_other_types_of_the_same_values(dtype, outputs, judged):
    outputs = without_modules(outputs)
    outputs["main/logits"] = outputs["main/logits"].astype(dtype)
    assert judged(outputs).exit_code == 0


def test_float16_is_judged_by_its_own_noise(outputs, judged):
    outputs = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in without_modules(outputs).items()
    }
    del outputs["further2/logits"]
    assert judged(outputs).exit_code == 1
    assert judged(outputs, "--precision", "float16").exit_code == 0


def test_batches_that_were_not_run_are_named(outputs, judged):
    """A network that takes two images and no other number."""
    outputs = {name: array for name, array in outputs.items() if not name.startswith("further")}
    found = judged(without_modules(outputs))
    assert found.exit_code == 0
    assert "has no outputs for 1 image of 32 px (the first); 3 images of 32 px" in found.stdout
    assert "also run" not in found.stdout


# --- modules


def test_the_first_module_that_is_wrong_is_named(outputs, judged):
    """A fault in one BatchNorm, and in all that follows it, as a real one would be."""
    names = list(outputs)
    at = names.index("main/modules/layer2.0.bn1")
    for name in names[at:]:
        outputs[name] = outputs[name] * np.float32(1.01)
    outputs["main/logits"] = outputs["main/logits"] * np.float32(1.01)
    found = judged(outputs)
    assert found.exit_code == 1
    assert (
        "the first difference is in layer2.0.bn1 (BatchNorm2d): its input is right, its output is not"
        in found.stdout
    )


def test_what_a_module_was_given_may_not_be_known(outputs, judged):
    """With few modules recorded, the fault is between the last right one and the first wrong one."""
    kept = ["conv1.0", "layer1.0.bn3", "layer4.0.bn3"]
    few = without_modules(outputs)
    few |= {f"main/modules/{name}": outputs[f"main/modules/{name}"] for name in kept}
    few["main/modules/layer4.0.bn3"] = few["main/modules/layer4.0.bn3"] + 1
    few["main/logits"] = few["main/logits"] * 2
    found = judged(few, "--json", "-")
    assert found.exit_code == 1
    layers = json.loads(found.stdout)["models"][0]["pairs"][0]["layers"]
    assert layers["first"] == {"module": "layer4.0.bn3", "inside": None, "after": "layer1.0.bn3"}
    assert [one["input_error"] for one in layers["modules"]] == [0.0, None, None]
    text = judged(few).stdout
    assert "its output is wrong, and what it was given is not known" in text
    assert "the last that is right is layer1.0.bn3" in text


def test_modules_that_the_network_has_not_are_named(outputs, judged):
    outputs = without_modules(outputs)
    outputs["main/modules/layer9.\x1b[31m"] = np.zeros(3, np.float32)
    found = judged(outputs)
    assert r"the network has no module layer9.\x1b[31m" in found.stdout
    assert "\x1b" not in found.stdout
    # nothing was compared where modules were to be
    assert found.exit_code == 1


def test_a_module_of_another_shape(outputs, judged):
    outputs["main/modules/layer1.0.bn1"] = outputs["main/modules/layer1.0.bn1"][:1]
    found = judged(outputs)
    assert found.exit_code == 2
    assert "'main/modules/layer1.0.bn1': expected the shape" in found.stderr


# --- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y.pop("main/logits"), "1 output is missing\n  main/logits"),
        (lambda y: y.update(logits=y["main/logits"]), "1 array is no output of"),
        (lambda y: y.update({"further7/logits": y["main/logits"]}), "1 array is no output of"),
        (lambda y: y.update({"main/logits": y["main/logits"][:1]}), r"shape \(1, 10\)|\(2, 10\)"),
        (lambda y: y.update({"main/logits": y["main/logits"].T}), r"\(10, 2\)"),
        (lambda y: y.update({"main/logits": y["main/logits"].astype(str)}), "expected numbers"),
        (lambda y: y.update({"main/logits": y["main/logits"].astype(complex)}), "expected numbers"),
        (lambda y: y.update(made_for=np.array("0" * 64)), "is of other inputs or weights than"),
        (lambda y: y.update(made_for=np.zeros(3)), "'made_for': expected a text"),
        (lambda y: y.update({"main/logits": np.array([None])}), "holds Python objects"),
    ],
)
def test_outputs_that_are_refused(change, message, outputs, judged):
    outputs = without_modules(outputs)
    change(outputs)
    found = judged(outputs)
    assert found.exit_code == 2, found.output
    assert re.search(message, found.stderr), found.stderr
    assert "Traceback" not in found.output


def test_outputs_that_do_not_say_what_they_are_of(outputs, judged):
    outputs = without_modules(outputs)
    del outputs["made_for"], outputs["runtime"]
    found = judged(outputs)
    assert found.exit_code == 0
    assert "does not repeat made_for of" in found.stdout


def test_another_seed_or_other_weights_are_refused(outputs, judged, tmp_path):
    found = judged(outputs, "--seed", 1)
    assert found.exit_code == 2 and "was written with seed 0, not 1: add --seed 0" in found.stderr
    found = judged(outputs, "--weights", ROOT / "examples/digits/res2net_digits.ckpt")
    assert found.exit_code == 2 and "was written for other weights (random seed 0)" in found.stderr
    found = judged(outputs, net="resnet18")
    assert found.exit_code == 2 and "was written for res2net_digits, not for resnet18" in found.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x["main/input"].__setitem__((0, 0, 0, 0), 9),
            "its inputs were changed since it was written",
        ),
        (lambda x: x.update(about=np.array(str(x["about"]).replace("noise", "nose"))), "was changed since"),
        (lambda x: x.update(about=np.array("[" * 100_000)), "is no file that `parity --save-inputs`"),
        (lambda x: x.update(about=np.array("{}")), "is no file that `parity --save-inputs`"),
        (lambda x: x.pop("about"), "has no 'about'"),
        (lambda x: x.pop("main/input"), "has no main/input"),
        (lambda x: x.update({"main/input": x["main/input"][:, :2]}), r"expected \(.*\) float32, found"),
        (lambda x: x.update({"main/input": x["main/input"].astype(np.float64)}), "found .* float64"),
        (lambda x: x.update({"main/input": np.array([None])}), "holds Python objects"),
    ],
)
def test_inputs_that_were_changed(change, message, made, outputs, judged, tmp_path):
    with np.load(made / "x.npz") as file:
        inputs = dict(file)
    change(inputs)
    np.savez(tmp_path / "x.npz", **inputs)
    found = judged(outputs, inputs=tmp_path / "x.npz")
    assert found.exit_code == 2 and "Traceback" not in found.output
    assert re.search(message, found.stderr), found.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--inputs", "x.npz"], "--inputs and --outputs go together"),
        (["--outputs", "y.npz"], "--inputs and --outputs go together"),
        (["--inputs", "x.npz", "--outputs", "y.npz", "--save-inputs", "z.npz"], "give one of them"),
        (["--inputs", "x.npz", "--outputs", "y.npz", "--size", "32"], "--size: does not go with --outputs"),
        (["--inputs", "x.npz", "--outputs", "y.npz", "--steps", "2"], "--steps: does not go with --outputs"),
        (["--inputs", "x.npz", "--outputs", "y.npz", "--isolate"], "--isolate feeds every module apart"),
        (["--inputs", "none.npz", "--outputs", "y.npz"], "none.npz: cannot be read"),
        (["--save-inputs", "z.npz", "--layers"], "--layers: does not go with --save-inputs"),
        (["--save-inputs", "z.npz", "--batch-size", "1,2"], "several --batch-size or --size"),
        (["--save-inputs", "z.npz", "resnet18"], "one network's inputs and outputs are recorded"),
        (["--save-inputs", "z.npz", "--html", "z.html"], "there is no report to write"),
        (["--save-inputs", "nowhere/z.npz"], "the folder .* does not exist"),
        (["--runtimes", "recorded"], "recorded cannot run it"),
    ],
)
def test_options_that_do_not_go_together(words, message, run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_cli("parity", NET, *words)
    assert found.exit_code == 2 and "Traceback" not in found.output
    assert re.search(message, found.stderr), found.stderr
    assert not list(tmp_path.iterdir())


def test_runtimes_that_are_named_run_on_the_same_inputs(outputs, judged):
    found = judged(without_modules(outputs), "--runtimes", "pytorch", "--json", "-")
    pairs = json.loads(found.stdout)["models"][0]["pairs"]
    assert [pair["candidate"] for pair in pairs] == ["pytorch", "recorded (y.npz, a phone)"]
    assert found.exit_code == 0


# --- the program of the examples


@pytest.mark.slow
def test_the_example_runs_the_file_that_convert_writes(run_cli, tmp_path):
    weights = ROOT / "examples/digits/res2net_digits.ckpt"
    spec = importlib.util.spec_from_file_location("run_recorded", ROOT / "examples/run_recorded.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    x, y, net = (tmp_path / name for name in ("x.npz", "y.npz", "net.onnx"))
    words = ("parity", NET, "--weights", weights)
    saved = run_cli(*words, "--save-inputs", x)
    assert saved.exit_code == 0
    assert f"`convert {weights} --to onnx` writes it as ONNX" in saved.stdout
    assert f" parity {NET} --weights {weights} --inputs {x} --outputs y.npz\n" in saved.stdout
    assert run_cli("convert", weights, "--to", "onnx", "-o", net).exit_code == 0
    example.main(str(net), str(x), str(y))
    found = run_cli(*words, "--inputs", x, "--outputs", y)
    assert found.exit_code == 0, found.output
    assert "recorded (y.npz, onnxruntime " in found.stdout
