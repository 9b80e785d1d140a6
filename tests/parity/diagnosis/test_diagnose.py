"""Files that lost something on the way, each with one known cause: the diagnosis names it and no other."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import triport

DIGITS = "examples/digits/val"


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    path = tmp_path_factory.mktemp("right") / "right.onnx"
    triport.convert(triport.SHIPPED, to="onnx", output=path)
    return path


def changed(model, name, change):
    tensor = next(one for one in model.graph.initializer if one.name == name)
    tensor.CopyFrom(
        numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor))), name)
    )


def other_epsilon(model):
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "BatchNormalization" and attribute.name == "epsilon":
                attribute.f = 1e-3


def bgr(model):
    changed(model, "conv1.0.weight", lambda array: array[:, ::-1])


def one_layer_in_float16(model):
    nodes = model.graph.node
    place = next(index for index, node in enumerate(nodes) if "layer2.0.conv1.weight" in node.input)
    conv = nodes[place]
    for name in conv.input[1:]:
        changed(model, name, lambda array: array.astype(np.float16))
    given, made = conv.input[0], conv.output[0]
    conv.input[0], conv.output[0] = "half_in", "half_out"
    nodes.insert(place, helper.make_node("Cast", [given], ["half_in"], to=TensorProto.FLOAT16))
    nodes.insert(place + 2, helper.make_node("Cast", ["half_out"], [made], to=TensorProto.FLOAT))


def one_layer_in_int8(model):
    def rounded(array):
        step = np.abs(array).max() / 127
        return (np.round(array / step) * step).astype(np.float32)

    changed(model, "layer3.0.conv1.weight", rounded)


def other_mean(model):
    for one in model.metadata_props:
        if one.key == "triport.preprocessing":
            one.value = json.dumps({**json.loads(one.value), "mean": [0.485, 0.456, 0.406]})


def other_order_of_classes(model):
    order = [1, 0, *range(2, 10)]
    changed(model, "fc.weight", lambda array: array[order])
    changed(model, "fc.bias", lambda array: array[order])


CAUSES = {
    other_epsilon: ("graph", "epsilon 0.001 at conv1.1"),
    bgr: ("weights", "conv1.0.weight has its three input channels in the reverse order"),
    one_layer_in_float16: ("precision", "computes the layer layer2.0.conv1 in float16"),
    one_layer_in_int8: ("precision", "layer3.0.conv1.weight was rounded to int8"),
    other_mean: ("preprocessing", "mean 0.5/0.5/0.5 and 0.485/0.456/0.406"),
    other_order_of_classes: ("classes", "class 0 is 1 of the first file"),
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
    assert words in page.read_text()
    assert json.loads(report.read_text())["causes"] == [aspect]


def test_equal_files_of_two_formats(right, run_cli):
    done = run_cli("diagnose", triport.SHIPPED, right, "--json", "-")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["causes"], found["passed"]) == (0, [], True)
    assert found["conclusion"].startswith("Nothing differs between the two files: the outputs are equal")


@pytest.mark.slow
def test_what_it_costs_on_images(right, tmp_path):
    model = onnx.load(right)
    other_order_of_classes(model)
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
    assert "--limit is of --data" in done.stderr
