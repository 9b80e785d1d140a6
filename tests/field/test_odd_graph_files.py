"""ONNX files whose weights, bodies or opsets are not where a reader looks first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from tests.field.digits_weights import HEAD, assert_delivers, assert_refused
from triport.converters.convert import SHIPPED

VAL = Path(__file__).parents[2] / "examples" / "digits" / "val"


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small trained model as triport writes it."""
    from click.testing import CliRunner

    from triport.cli import main

    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    done = CliRunner().invoke(main, ["convert", str(SHIPPED), "--to", "onnx", "-o", str(path)])
    assert done.exit_code == 0, done.output
    return path


def changed(exported: Path, folder: Path, change: Callable[[ModelProto], None]) -> Path:
    model = onnx.load(exported)
    change(model)
    path = folder / "x.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def stored_under_another_name(model: ModelProto) -> None:
    next(one for one in model.graph.initializer if one.name == HEAD).name = "w0"
    model.graph.node.insert(0, helper.make_node("Identity", ["w0"], [HEAD]))


def read_under_another_name(model: ModelProto) -> None:
    for node in model.graph.node:
        node.input[:] = ["fc_copy" if name == HEAD else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Identity", [HEAD], ["fc_between"]))
    model.graph.node.insert(1, helper.make_node("Identity", ["fc_between"], ["fc_copy"]))


@pytest.mark.field(
    case="a parameter that an Identity node gives another name",
    source="found by an adversary, beside pytorch/pytorch#95867: one of the two names is no parameter's",
    outcome="The parameter by its own name; the other is listed as another name of it.",
)
@pytest.mark.parametrize("change", [stored_under_another_name, read_under_another_name])
def test_two_names_of_one_parameter(
    exported: Path, tmp_path: Path, run_cli: Any, change: Callable[[ModelProto], None]
) -> None:
    said = assert_delivers(run_cli, changed(exported, tmp_path, change))
    assert "another name of 'fc.weight'" in said


def another_factor(model: ModelProto) -> None:
    """Give the head's weights another name through Identity nodes, and read their negative."""
    read_under_another_name(model)
    next(n for n in model.graph.node if n.output[0] == "fc_copy").op_type = "Neg"


@pytest.mark.field(
    case="a parameter that reaches its layer through a node that changes it",
    source="found by an adversary: the counterpart, with Neg for Identity",
    outcome="Refused: another graph.",
)
def test_another_function_between(exported: Path, tmp_path: Path, run_cli: Any) -> None:
    assert_refused(run_cli, changed(exported, tmp_path, another_factor), "another graph")


def behind_an_if(model: ModelProto) -> None:
    head = next(node for node in model.graph.node if node.op_type == "Gemm")
    result = head.output[0]
    bodies = {}
    for branch, factor in (("then_branch", 1.0), ("else_branch", 2.0)):
        node = helper.make_node("Gemm", head.input, [branch], transB=1, alpha=factor)
        bodies[branch] = helper.make_graph(
            [node], branch, [], [helper.make_tensor_value_info(branch, onnx.TensorProto.FLOAT, None)]
        )
    position = list(model.graph.node).index(head)
    model.graph.node.remove(head)
    model.graph.node.insert(position, helper.make_node("If", ["always"], [result], **bodies))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))


@pytest.mark.field(
    case="a graph whose last layer is in the branches of an If",
    source="found by an adversary: it was said that no output depends on the input",
    outcome="Refused: the bodies are not read, and what to do.",
)
def test_the_head_in_branches(exported: Path, tmp_path: Path, run_cli: Any) -> None:
    message = assert_refused(run_cli, changed(exported, tmp_path, behind_an_if), "the bodies of its If nodes")
    assert "no network" not in message


@pytest.mark.field(
    case="operators of an opset that nobody knows, or that the file does not name",
    source="found by an adversary: opset 99, 0, -1 and none were compared as if they were 17",
    outcome="The weights are converted, and the output says that the graph was not compared and why.",
)
@pytest.mark.parametrize("opset", [99, 0, -1, None])
def test_unknown_opsets(exported: Path, tmp_path: Path, run_cli: Any, opset: int | None) -> None:
    def change(model: ModelProto) -> None:
        if opset is None:
            del model.opset_import[:]
        else:
            model.opset_import[0].version = opset

    said = " ".join(assert_delivers(run_cli, changed(exported, tmp_path, change)).split())
    assert "the graph was not compared: its operators are of" in said


@pytest.mark.field(
    case="BatchNormalization of an opset before 7, without is_test",
    source="onnx/onnx Changelog: BatchNormalization-6 trains where is_test is left out",
    outcome="Refused as another graph; with is_test=1 it is the model's.",
)
@pytest.mark.parametrize("is_test", [False, True])
def test_old_batch_normalization(exported: Path, tmp_path: Path, run_cli: Any, is_test: bool) -> None:
    def change(model: ModelProto) -> None:
        model.opset_import[0].version = 6
        for node in model.graph.node:
            if node.op_type == "BatchNormalization":
                del node.attribute[:]
                node.attribute.append(helper.make_attribute("epsilon", 1e-5))
                node.attribute.extend([helper.make_attribute("is_test", 1)] if is_test else [])

    path = changed(exported, tmp_path, change)
    if is_test:
        assert_delivers(run_cli, path)
    else:
        assert_refused(run_cli, path, "another graph", "training mode")


CHANGES: dict[str, tuple[str, str, Any]] = {
    "epsilon": ("BatchNormalization", "epsilon", 1e-3),
    "dilations": ("Conv", "dilations", [2, 2]),
    "pads": ("Conv", "pads", [2, 2, 0, 0]),
    "ceil_mode": ("AveragePool", "ceil_mode", None),
    "alpha": ("Gemm", "alpha", 0.5),
}


@pytest.mark.field(
    case="one attribute of one node changed, in every family's graph",
    source="found by an adversary: 600 such files of six models, of which none was wrong without a word",
    outcome="Refused, with the attribute.",
)
@pytest.mark.parametrize("kind", CHANGES)
def test_one_attribute(exported: Path, tmp_path: Path, run_cli: Any, kind: str) -> None:
    operator, name, value = CHANGES[kind]

    def change(model: ModelProto) -> None:
        nodes = [node for node in model.graph.node if node.op_type == operator]
        node = nodes[len(nodes) // 2]
        old = next((one for one in node.attribute if one.name == name), None)
        new = 1 - (onnx.helper.get_attribute_value(old) if old else 0) if value is None else value
        if old is not None:
            node.attribute.remove(old)
        node.attribute.append(helper.make_attribute(name, new))

    assert_refused(run_cli, changed(exported, tmp_path, change), "another graph")


@pytest.mark.field(
    case="a version of ONNX's format (ir_version) that nobody knows, or none",
    source="found here: 99 passed without a word, and no runtime loads the file",
    outcome="The weights are converted, and the output says that the graph was not compared and why.",
)
@pytest.mark.parametrize("version", [99, -1, None])
def test_unknown_versions_of_the_format(
    exported: Path, tmp_path: Path, run_cli: Any, version: int | None
) -> None:
    def change(model: ModelProto) -> None:
        model.ClearField("ir_version")
        if version is not None:
            model.ir_version = version

    said = " ".join(assert_delivers(run_cli, changed(exported, tmp_path, change)).split())
    assert "the graph was not compared: it states" in said
    assert "(ir_version): those of 1 to 14 are known here" in said


@pytest.mark.field(
    case="two opsets of one domain",
    source="found here: the last one counted, without a word",
    outcome="Refused: the file contradicts itself.",
)
@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_two_opsets(exported: Path, tmp_path: Path, run_cli: Any, domain: str) -> None:
    path = changed(exported, tmp_path, lambda m: m.opset_import.append(helper.make_opsetid(domain, 9)))
    assert_refused(run_cli, path, "states opset 17 and opset 9 of ONNX itself")


def of_uint8(model: ModelProto) -> None:
    """Let the images be whole numbers, cast to float32 before the first layer."""
    name = model.graph.input[0].name
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    for node in model.graph.node:
        node.input[:] = ["images as float32" if one == name else one for one in node.input]
    cast = helper.make_node("Cast", [name], ["images as float32"], to=onnx.TensorProto.FLOAT)
    model.graph.node.insert(0, cast)


@pytest.mark.field(
    case="a known model's graph that takes images of uint8",
    source="found here: the published preprocessing was stated of what nothing can have normalised",
    outcome="A note; how images are prepared is unknown, also of what is made of the file.",
)
def test_images_of_whole_numbers(exported: Path, tmp_path: Path, run_cli: Any) -> None:
    path = changed(exported, tmp_path, of_uint8)
    assert "the graph takes images of uint8, and the model float32" in assert_delivers(run_cli, path)
    for file in (path, path.with_name("converted.safetensors")):
        found = run_cli("inspect", file, "--json", "-")
        known = json.loads(found.stdout)["preprocessing_known"]
        assert known.startswith("unknown: the graph takes images of uint8, which nothing normalises")


@pytest.mark.field(
    case="a known model's graph whose declared images have one channel",
    source="found here: the first layer reads three, so that no runtime can run the file",
    outcome="Refused: the graph is not the model's.",
)
def test_images_of_another_number_of_channels(exported: Path, tmp_path: Path, run_cli: Any) -> None:
    def change(model: ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1

    assert_refused(
        run_cli, changed(exported, tmp_path, change), "its images have 1 channel, and the model's 3"
    )


@pytest.mark.field(
    case="parameters of a branch that was cut off, which no output depends on",
    source="ONNX Runtime's 'Removing initializer ... It is not used by any node'; found here as a refusal",
    outcome="Converted, and the parameters are listed as dropped; with a use they are another network's.",
)
@pytest.mark.parametrize("kind", ["unread", "of a dead node", "returned", "added"])
def test_parameters_that_nothing_depends_on(exported: Path, tmp_path: Path, run_cli: Any, kind: str) -> None:
    def change(model: ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.ones(10, np.float32), "aux.bias"))
        if kind == "of a dead node":
            model.graph.node.append(helper.make_node("Neg", ["aux.bias"], ["dead"]))
        elif kind == "returned":
            model.graph.output.append(helper.make_tensor_value_info("aux.bias", onnx.TensorProto.FLOAT, [10]))
        elif kind == "added":
            last = next(node for node in model.graph.node if "logits" in node.output)
            last.output[0] = "before"
            model.graph.node.append(helper.make_node("Add", ["before", "aux.bias"], ["logits"]))

    path = changed(exported, tmp_path, change)
    if kind in ("returned", "added"):
        assert_refused(run_cli, path, "aux.bias: (10,) float32, which res2net_digits does not have")
    else:
        assert_delivers(run_cli, path)
        dropped = json.loads(run_cli("inspect", path, "--json", "-").stdout)
        assert dropped["model"] == "res2net_digits"


@pytest.mark.field(
    case="weights that were taken out of a graph of uint8 images, scored",
    source="found here: scored with the published preprocessing, as if it had been done before that graph",
    outcome="Refused: how images are prepared is unknown; --profile says it.",
)
def test_weights_of_a_graph_of_whole_numbers(exported: Path, tmp_path: Path, run_cli: Any) -> None:
    path = changed(exported, tmp_path, of_uint8)
    assert_delivers(run_cli, path)
    words = ("evaluate", path.with_name("converted.safetensors"), "--data", VAL)
    done = run_cli(*words)
    assert done.exit_code == 2
    assert "how its images are prepared is unknown: the graph takes images of uint8" in done.output
    done = run_cli(*words, "--profile", "res2net_digits.triport")
    assert done.exit_code == 0, done.output
