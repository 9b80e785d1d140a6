"""Two files that should be equal: what differs is broken on purpose, and must be named."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from examples.lost_accuracy import one_layer_in_float16
from tests.few_are_quick import one_in
from tests.parity.onnx_files import copied, saved
from triport import convert
from triport.converters.convert import read_parameters
from triport.converters.formats import write_checkpoint
from triport.converters.formats.tensors import ArrayTensor
from triport.converters.identification.identify import IdentifyError
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.converters.onnx_export.optimize import optimized
from triport.parity.files import localise
from triport.parity.localise.folded import compare_folded
from triport.parity.localise.report import json_of, lines_of
from triport.parity.localise.units import units_of
from triport.parity.options import Options
from triport.parity.reports.junit import junit_of
from triport.parity.reports.page import page_of, repeat_of
from triport.parity.subjects.asked import subjects_of
from triport.parity.subjects.loading import check
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
CONV = "layer2.0.convs.1"
NORM = "layer2.0.bns.1"


def verdict_on(first, second):
    subjects = subjects_of([str(first), str(second)], every=False, weights=None, seed=0)
    reports = [check(subject, Options(("pytorch",))) for subject in subjects]
    (found,) = localise(subjects, reports, device="cpu", seed=0, progress=lambda step: None)
    return found, reports


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC)


@pytest.fixture(scope="module")
def checkpoint(parameters, tmp_path_factory):
    return written(tmp_path_factory.mktemp("files") / "a.pth", parameters)


@pytest.fixture(scope="module")
def model(parameters):
    return FROM_TORCH.export(SPEC, 10, parameters)


def written(path, parameters):
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in parameters.items()}, {})
    return path


def scrambled(model):
    """Return the model, BatchNorm folded, with numbers for names and its initializers in another order."""
    model = copied(optimized(model))
    graph = model.graph
    names = {}
    kept = {value.name for value in [*graph.input, *graph.output]}
    for node in graph.node:
        node.name = ""
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                if name and name not in kept:
                    tensors[index] = names.setdefault(name, f"t{len(names)}")
    tensors = sorted(graph.initializer, key=lambda tensor: hash(tensor.raw_data))
    for tensor in tensors:
        tensor.name = names[tensor.name]
    tensors = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in tensors]
    del graph.initializer[:], graph.value_info[:], model.metadata_props[:]
    graph.initializer.extend(tensors)
    onnx.checker.check_model(model, full_check=True)
    return model


def change(model, find, by):
    """Change the values of the one initializer that `find` accepts."""
    (tensor,) = (tensor for tensor in model.graph.initializer if find(tensor))
    array = numpy_helper.to_array(tensor).copy()
    by(array)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def folded_weight(model, layer=CONV):
    """Return what finds the initializer that is `layer`'s folded weight, by its values."""
    (unit,) = (unit for unit in units_of(model) if layer in unit.modules)
    expected = unit.folded()

    def find(tensor):
        array = numpy_helper.to_array(tensor)
        return array.shape == expected.shape and np.allclose(array, expected, rtol=1e-5)

    return find


def test_equal_files(checkpoint, model, tmp_path):
    found, reports = verdict_on(checkpoint, saved(tmp_path / "b.onnx", model))
    assert (found.cause, found.how, found.passed) == ("neither", "by name", True)
    assert all(report.passed for report in reports)
    assert found.compared == len(random_parameters(SPEC))
    assert lines_of(found).startswith("Between the files neither weights nor graph differ")


def test_one_weight_that_is_off(checkpoint, parameters, tmp_path):
    wrong = {name: array.copy() for name, array in parameters.items()}
    wrong[f"{CONV}.weight"][3, 1, 0, 0] *= np.float32(1.1)
    found, reports = verdict_on(checkpoint, written(tmp_path / "b.pth", wrong))
    assert (found.cause, found.passed) == ("weights", False)
    (difference,) = found.weights
    assert (difference.name, difference.values) == (f"{CONV}.weight", 1)
    expected = abs(0.1 * parameters[f"{CONV}.weight"][3, 1, 0, 0])
    assert difference.max_abs == pytest.approx(expected, rel=1e-4)
    assert all(report.passed for report in reports)  # each is right by itself


def test_another_eps_is_the_graph(checkpoint, model, tmp_path):
    wrong = copied(model)
    (node,) = (node for node in wrong.graph.node if f"{NORM}.weight" in node.input)
    (epsilon,) = (attribute for attribute in node.attribute if attribute.name == "epsilon")
    epsilon.f = 1e-3
    found, _ = verdict_on(checkpoint, saved(tmp_path / "b.onnx", wrong))
    assert (found.cause, found.weights, found.passed) == ("graph", (), False)
    assert (
        f"the first difference is in {NORM} (BatchNorm2d): its input is right, its output is not"
        in found.graph[0]
    )


def test_folded_and_scrambled_is_equal(checkpoint, model, tmp_path):
    found, reports = verdict_on(checkpoint, saved(tmp_path / "b.onnx", scrambled(model)))
    assert (found.cause, found.how, found.passed) == ("neither", "by structure", True)
    assert found.compared == 38
    assert [pair.candidate for pair in reports[1].pairs] == ["onnxruntime (given file)"]
    assert reports[1].passed


def test_a_foreign_file_with_a_branch_that_reaches_no_output(checkpoint, model, tmp_path):
    other = scrambled(model)
    other.graph.node.append(onnx.helper.make_node("Relu", ["input"], ["dead"]))
    found, _ = verdict_on(checkpoint, saved(tmp_path / "b.onnx", other))
    assert found.cause == "neither" and found.how == "by structure"
    assert "b.onnx: 1 node that no output depends on was not compared" in found.not_judged


def test_folded_and_scrambled_with_a_channel_that_is_off(checkpoint, model, tmp_path):
    wrong = scrambled(model)

    def by(array):
        array[1] *= np.float32(1.01)

    change(wrong, folded_weight(model), by)
    found, reports = verdict_on(saved(tmp_path / "b.onnx", wrong), checkpoint)
    assert (found.cause, found.passed) == ("weights", False)
    (difference,) = found.weights
    assert (difference.layer, difference.what) == (f"{CONV} + {NORM}", "weight")
    assert [channel for channel, _ in difference.channels] == [1]
    assert 0.001 < difference.relative <= 0.0101
    assert not reports[0].passed
    assert "was not judged" in found.not_judged
    assert json.loads(json.dumps(json_of(found)))["weights"][0]["layer"] == f"{CONV} + {NORM}"
    page, junit = page_of(reports, localised=[found]), junit_of(reports, [found])
    for text in (page, junit):
        assert f"{CONV} + {NORM}: folded weight differs by" in text
    assert "Parity: NOT equal" in page and 'name="files" tests="1" failures="1"' in junit


@pytest.mark.parametrize(
    "rows", one_in(3, [None, 1, 3]), ids=lambda rows: f"{rows} rows" if rows else "any rows"
)
def test_folded_and_scrambled_with_another_graph(rows, checkpoint, model, tmp_path):
    wrong = scrambled(model)
    for value in (*wrong.graph.input, *wrong.graph.output) if rows else ():
        value.type.tensor_type.shape.dim[0].dim_value = rows
    find = folded_weight(model)
    (name,) = (tensor.name for tensor in wrong.graph.initializer if find(tensor))
    (conv,) = (node for node in wrong.graph.node if name in node.input)
    (relu,) = (node for node in wrong.graph.node if conv.output[0] in node.input)
    assert relu.op_type == "Relu"
    relu.op_type = "Sigmoid"
    found, _ = verdict_on(checkpoint, saved(tmp_path / "b.onnx", wrong))
    assert (found.cause, found.weights) == ("graph", ())
    # the sigmoid goes into the last convolution of the block, whose output is the first wrong one
    assert "the first difference is in layer2.0.bn3" in found.graph[0]
    assert f"what feeds it: layer2.0.bn1, layer2.0.bns.0, {NORM}, layer2.0.bns.2" in found.graph[0]


def test_a_stride_on_the_other_convolution_is_the_structure(parameters, model):
    wrong = optimized(model)
    strided = [n for n in wrong.graph.node if n.op_type == "Conv" and list(_strides(n).ints) == [2, 2]]
    _strides(strided[-1]).ints[:] = [1, 1]
    found = compare_folded(units_of(model), units_of(wrong))
    assert found.parts == "layer4.0.convs.2 + layer4.0.bns.2"
    assert found.strange == len(found.unmatched) == 1
    assert found.differences == ()


def _strides(node):
    return next(attribute for attribute in node.attribute if attribute.name == "strides")


def test_swapped_channels_are_the_structure(model):
    """Res2Net's split in another order: the same layers with the same weights, fed other channels."""
    wrong = copied(model)
    slices = [node for node in wrong.graph.node if node.op_type == "Slice"]
    first, second = [node for node in slices if node.input[0] == slices[0].input[0]][:2]
    first.output[0], second.output[0] = second.output[0], first.output[0]
    found = compare_folded(units_of(model), units_of(wrong))
    assert found.parts == "layer1.0.conv3 + layer1.0.bn3"  # where they meet again, in another order


@pytest.mark.slow
def test_files_of_two_models(checkpoint, tmp_path):
    path = written(tmp_path / "b.pth", random_parameters(get_model("resnet18")))
    found, _ = verdict_on(checkpoint, path)
    assert (found.cause, found.passed) == ("another model", False)
    assert "not of one model and as many classes" in lines_of(found)


def test_a_foreign_file_of_another_model(checkpoint, tmp_path):
    other = replace(get_model("resnet18"), input_size_px=32)
    path = saved(tmp_path / "b.onnx", scrambled(FROM_TORCH.export(other, 10, random_parameters(other, 10))))
    with pytest.raises(IdentifyError, match="its layers are not those of res2net_digits"):
        verdict_on(checkpoint, path)


def test_two_foreign_files(model, tmp_path):
    path = saved(tmp_path / "b.onnx", scrambled(model))
    with pytest.raises(IdentifyError, match="BatchNorm is folded into the convolutions"):
        subjects_of([str(path), str(path)], every=False, weights=None, seed=0)


def test_the_file_that_convert_optimizes(checkpoint, tmp_path):
    path = tmp_path / "b.onnx"
    convert(checkpoint, to="onnx", output=path, optimize=True)
    found, _ = verdict_on(checkpoint, path)
    assert (found.cause, found.how) == ("neither", "by structure")
    assert read_parameters(checkpoint).spec is SPEC


def test_files_that_differ_by_less_than_the_logits_show_are_not_called_equal(
    checkpoint, parameters, tmp_path, run_cli
):
    weight = parameters[f"{CONV}.weight"].copy()
    weight.flat[0] = np.nextafter(weight.flat[0], np.float32(np.inf))
    other = written(tmp_path / "b.pth", {**parameters, f"{CONV}.weight": weight})
    page = tmp_path / "report.html"
    found = run_cli("parity", checkpoint, other, "--runtimes", "pytorch", "--html", page)
    assert found.exit_code == 1
    assert found.stdout.splitlines()[-1].startswith(
        "NOT equal: the files differ, and the logits are within tolerance"
    )
    assert "NOT equal: the files differ" in page.read_text()


def test_the_command_that_repeats_a_foreign_graph_names_both_files(checkpoint, model, tmp_path):
    path = saved(tmp_path / "b.onnx", scrambled(model))
    found, reports = verdict_on(checkpoint, path)
    assert found.passed
    assert f"parity {path} {checkpoint} --batch-size 2" in repeat_of(reports[1])
    assert f"parity {checkpoint} --batch-size 2" in repeat_of(reports[0])


def test_casts_are_no_other_structure(model):
    """A layer between casts keeps its BatchNorm: its weights are rounded, and nothing else differs."""
    half = copied(model)
    one_layer_in_float16(half)
    found = compare_folded(units_of(model), units_of(half))
    assert (found.unmatched, found.strange, found.parts) == ((), 0, None)
    assert [one.layer.split(" + ")[0] for one in found.differences] == ["layer2.0.conv1"]
    assert found.differences[0].relative < 1e-3
