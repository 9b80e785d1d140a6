"""Files that lost something on the way, each with one known cause: the diagnosis names it and no other."""

import html
import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import triport
from examples.lost_accuracy import (
    bgr,
    classes_in_another_order,
    one_layer_in_float16,
    one_layer_in_int8,
    other_epsilon,
    other_preprocessing,
)
from tests.few_are_quick import one_in

DIGITS = "examples/digits/val"


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    path = tmp_path_factory.mktemp("right") / "right.onnx"
    triport.convert(triport.SHIPPED, to="onnx", output=path)
    return path


CAUSES = {
    other_epsilon: ("graph", "epsilon 0.001 at conv1.1"),
    bgr: ("weights", "conv1.0.weight has its three input channels in the reverse order"),
    one_layer_in_float16: ("precision", "computes the layer layer2.0.conv1 in float16"),
    one_layer_in_int8: ("precision", "layer3.0.conv1.weight was rounded to int8"),
    other_preprocessing: ("preprocessing", "mean 0.5/0.5/0.5 and 0.485/0.456/0.406"),
    classes_in_another_order: ("classes", "output 1 is the first file's 7, output 7 is the first file's 1"),
}


@pytest.mark.parametrize(
    "damage", [bgr, *(pytest.param(one, marks=pytest.mark.slow) for one in CAUSES if one is not bgr)]
)
def test_the_cause_is_named_and_no_other(right, damage, tmp_path, run_cli):
    aspect, words = CAUSES[damage]
    model = onnx.load(right)
    damage(model)
    wrong = tmp_path / "wrong.onnx"
    onnx.save(model, wrong)
    page, report = tmp_path / "why.html", tmp_path / "why.json"
    done = run_cli("diagnose", right, wrong, "--html", page, "--json", report)
    assert done.exit_code == 1
    last = done.stdout.rstrip().splitlines()[-1]
    assert words in last
    assert "and nothing else that was compared" in last
    assert words in html.unescape(page.read_text())
    assert json.loads(report.read_text())["causes"] == [aspect]


@pytest.mark.slow
def test_a_file_that_computes_in_float16_as_a_whole(right, tmp_path):
    """All its layers are counted: the first alone reads a cast, the others follow it."""
    half = tmp_path / "half.onnx"
    triport.convert(triport.SHIPPED, to="onnx", output=half, dtype="float16")
    found = triport.diagnose(right, half)
    layers = sum(
        node.op_type in ("Conv", "Gemm", "BatchNormalization") for node in onnx.load(half).graph.node
    )
    assert found.causes == ("precision",)
    assert f"half.onnx computes in float16 as a whole, in all its {layers} layers" in found.conclusion
    (precision,) = (one for one in found.findings if one.aspect == "precision")
    assert precision.figures["layers"] == layers


@pytest.mark.parametrize(
    ("dtype", "reverse", "words"),
    one_in(
        3,
        [
            ("bfloat16", False, "all 187 tensors were rounded to bfloat16."),
            ("float16", False, "all 187 tensors were rounded to float16."),
            ("float16", True, "all 187 tensors were rounded to float16 in the first file."),
        ],
    ),
)
def test_a_checkpoint_in_lower_precision(right, tmp_path, dtype, reverse, words):
    """Its values are what it is asked about, so it is run in float32 with them."""
    half = tmp_path / "half.pth"
    triport.convert(triport.SHIPPED, to="pytorch", output=half, dtype=dtype)
    found = triport.diagnose(*((half, right) if reverse else (right, half)))
    assert found.causes == ("precision",)
    assert words in found.conclusion and "outputs are not equal" in found.conclusion


@pytest.mark.slow
def test_a_last_layer_with_other_weights_says_nothing_of_the_classes(right, tmp_path):
    """They may be in any order: the sentence that they are in one would be false of a fine-tuned model."""
    model = onnx.load(right)
    for tensor in model.graph.initializer:
        if tensor.name == "fc.weight":
            array = numpy_helper.to_array(tensor)
            tensor.raw_data = (array + np.float32(1e-2) * np.sign(array)).tobytes()
    onnx.save(model, tmp_path / "wrong.onnx")
    found = triport.diagnose(right, tmp_path / "wrong.onnx")
    assert found.causes == ("weights",)
    assert {one.aspect: one.same for one in found.findings}["classes"] is None
    assert "nothing else" not in found.conclusion


def test_values_that_are_no_numbers_are_the_cause(right, tmp_path, run_cli):
    """Such a file is what a diagnosis is asked of, though nothing can be run with it."""
    model = onnx.load(right)
    weight = next(one for one in model.graph.initializer if one.name == "layer2.0.conv1.weight")
    array = numpy_helper.to_array(weight).copy()
    array.flat[:2] = np.nan, np.inf
    weight.raw_data = array.tobytes()
    onnx.save(model, tmp_path / "wrong.onnx")
    done = run_cli("diagnose", right, tmp_path / "wrong.onnx", "--html", tmp_path / "why.html")
    assert done.exit_code == 1
    assert done.stdout.rstrip().splitlines()[-1] == (
        "It is the weights: NaN or Inf stand in 1 of 187 tensors of the second file, first in "
        "layer2.0.conv1.weight: 2 of 3328 values, and none in the first file. Nothing else was compared: "
        "such values hide what else may differ."
    )


def test_a_value_that_is_no_number_and_reaches_no_output(right, tmp_path):
    """An infinite variance makes a channel zero: all outputs are numbers, and the sentence is still true."""
    model = onnx.load(right)
    variance = next(one for one in model.graph.initializer if one.name == "layer2.0.bn1.running_var")
    array = numpy_helper.to_array(variance).copy()
    array[0] = np.inf
    variance.raw_data = array.tobytes()
    onnx.save(model, tmp_path / "wrong.onnx")
    found = triport.diagnose(right, tmp_path / "wrong.onnx")
    assert found.causes == ("weights",)
    assert "layer2.0.bn1.running_var: 1 of" in found.conclusion and "output" not in found.conclusion


def test_equal_files_of_two_formats(right, run_cli):
    done = run_cli("diagnose", triport.SHIPPED, right, "--json", "-")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["causes"], found["passed"]) == (0, [], True)
    assert found["conclusion"].startswith(
        "Nothing that was compared differs between the two files: the outputs "
    )


@pytest.mark.slow
def test_what_it_costs_on_images(right, tmp_path):
    model = onnx.load(right)
    classes_in_another_order(model)
    onnx.save(model, tmp_path / "wrong.onnx")
    found = triport.diagnose(right, tmp_path / "wrong.onnx", data=DIGITS)
    accuracy = found.findings[-1]
    assert accuracy.aspect == "accuracy"
    first, second = accuracy.figures["top1_percent"]
    # two of ten classes are taken for one another
    assert 15 < first - second < 25
    assert f"{second:.2f} %" in found.conclusion


@pytest.mark.slow
def test_preprocessing_alone_is_measured(right, tmp_path):
    model = onnx.load(right)
    for one in model.metadata_props:
        if one.key == "triport.preprocessing":
            one.value = json.dumps({**json.loads(one.value), "std": [0.1, 0.1, 0.1]})
    onnx.save(model, tmp_path / "wrong.onnx")
    found = triport.diagnose(right, tmp_path / "wrong.onnx", data=DIGITS)
    accuracy = found.findings[-1]
    assert found.causes == ("preprocessing",)
    assert accuracy.figures["preprocessing_alone_percent"] == pytest.approx(
        accuracy.figures["difference_percent"]
    )


def test_files_of_two_models_are_refused(right, tmp_path, run_cli):
    other = tmp_path / "other.txt"
    shutil.copy(__file__, other)
    done = run_cli("diagnose", right, other)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_options_of_images_need_images(right, run_cli):
    done = run_cli("diagnose", right, right, "--limit", "10")
    assert done.exit_code == 2
    assert "--limit needs --data" in done.stderr
