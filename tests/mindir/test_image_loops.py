"""Code that takes the images of a batch one by one, and the graph that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from tests.mindir.conftest import run_mindspore, run_onnx
from triport.converters.mindir.batch_facts import learn_batch_axes
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.errors import UnsupportedOperatorsError
from triport.converters.mindir.graph import Graph, MindirNode, Monad, TensorType
from triport.converters.mindir.image_loops import IMAGE_LOOP
from triport.converters.mindir.tracing import Tracer
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs.batch_proof import name_difference

FLOAT = onnx.TensorProto.FLOAT

Build = Callable[[str], Any]
SIZES = (1, 2, 3, 7)
EACH = "for i in range(x.shape[0])"


def each(body: str, join: str = "stack") -> str:
    return f"ops.{join}([{body} {EACH}])"


def long(*values: str) -> list[Any]:
    """Return what not every run tries: MindSpore compiles each of them again and again."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


FOLDED = {
    "images added to a list": "out = []; for one in x: out.append(one * 2 + 1); ops.stack(out)",
    "masks with -inf": "y = ops.split(x, 1); out = []; "
    "for i, mask in enumerate(x > 0): out.append(ops.select(mask, y[i].squeeze(0), float('-inf'))); "
    "ops.stack(out)",
    "concatenated": each("ops.tanh(x[i : i + 1])", "cat"),
    "several rows of each": each("x[i] * 2", "cat"),
    "stacked behind": "ops.stack([one * 2 for one in x], 1)",
    "concatenated behind": "ops.cat([one * 2 for one in x], 1)",
    "rows assigned": f"y = ops.zeros_like(x); {EACH}: y[i] = ops.tanh(x[i]); y",
    "its own rows assigned": f"y = x + 1; {EACH}: y[i] = ops.select(x[i] > 0, y[i], float('-inf')); y",
    "a loop after a loop": "y = ops.stack([one * 2 for one in x]); ops.stack([ops.relu(one) for one in y])",
    "beside what all images are": each("x[i] - x.mean(0)"),
    "beside the last image": each("x[i] * x[-1]"),
    "one part of each": each("x[i, 1:, 2] * 2"),
    "unstacked": "ops.stack([ops.tanh(one) for one in ops.unstack(x)])",
}
RULES = {
    "Conv, BatchNormalization and MaxPool": "nn.SequentialCell("
    "nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2)); " + each("layer(x[i][None, None])", "cat"),
    "Gemm": "nn.Dense(4, 5); " + each("layer(x[i])"),
    "MatMul and Transpose": each("ops.matmul(x[i], x[i].T)"),
    "a matrix of all images": each("ops.matmul(x.sum(0).T, x[i])"),
    "Softmax": each("ops.softmax(x[i], 0)"),
    "LayerNormalization": "nn.LayerNorm((4,)); " + each("layer(x[i])"),
    "ReduceSum and ReduceMax": each("x[i].sum(-1) + x[i].max()"),
    "Reshape": each("x[i].reshape(2, -1)"),
    "Tile and Expand": each("ops.tile(x[i][:1], (2, 3)) + x[i][:, :1].broadcast_to((3, 12))[:2]"),
    "Pad": each("ops.pad(x[i], (1, 2))"),
    "Concat with a constant": each("ops.cat([x[i], ops.ones((1, 4))], 0)"),
    "Gather of a part": each("x[i][:, ms.Tensor([2, 0])]"),
    "Gather of a table": "nn.Embedding(9, 2); " + each("layer(ops.abs(x[i]).astype(ms.int32))"),
    "ArgMax and Cast": each("ops.argmax(x[i], 1).astype(ms.float32)"),
    "TopK": each("ops.topk(x[i], 2)[0]"),
    "Split": each("ops.split(x[i], 2, 1)[1]"),
    "Clip": each("ops.clamp(x[i], -0.5, 0.5)"),
    "fewer axes beside more": each("x[i] + x[i][0] * x[i].mean()"),
}


def unrolled(size: int, written: str) -> Graph:
    """Return a graph that takes its images apart, writes into a value, and joins what it has of each."""
    x, row = TensorType(FLOAT, (size, 3)), TensorType(FLOAT, (3,))
    cuts = [
        MindirNode(f"row{i}", "StridedSlice", {}, ("x", f"b{i}", f"b{i + 1}", "b1", *"00001"), row, "")
        for i in range(size)
    ]
    branches = [MindirNode(f"of{i}", "Neg", {}, (f"row{i}",), row, "") for i in range(size)]
    write = MindirNode("write", "InplaceAddExt", {}, (written, "z", "1", "u"), x, "")
    parts = tuple(node.id for node in branches)
    end = [
        MindirNode("parts", "MakeTuple", {}, parts, (row,) * size, ""),
        MindirNode("joined", "Stack", {"axis": 0}, ("parts",), x, ""),
        MindirNode("sum", "Add", {}, ("joined", "write"), x, ""),
    ]
    constants = {"0": 0, "1": 1, "u": Monad(), **{f"b{i}": (i,) for i in range(size + 1)}}
    inputs = dict.fromkeys("xyz", x)
    return Graph("main", inputs, {}, constants, (*cuts, *branches, write, *end), ("sum",))


@pytest.mark.parametrize(("written", "is_folded"), [("y", True), ("x", False)])
def test_what_is_written_in_place_before_the_end_of_a_loop(written: str, is_folded: bool) -> None:
    learnt = learn_batch_axes(unrolled(2, written), unrolled(5, written), 2, 5)
    assert (learnt is not None) == is_folded
    if learnt is not None:
        assert [node.primitive for node in learnt.nodes] == ["InplaceAddExt", IMAGE_LOOP, "Add"]


def learn(cell: Any, shape: tuple[int, ...]) -> tuple[Tracer, Any]:
    tracer = Tracer(lambda: cell, [InputSpec(shape)], 17)
    return tracer, tracer.learn(tracer.read(shape[0]))


QUICK = ("rows assigned",)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(expression, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, expression in (FOLDED | RULES).items()
    ],
)
def test_the_graph_is_for_any_number_of_images(build_cell: Build, expression: str) -> None:
    cell = build_cell(expression)
    tracer, learnt = learn(cell, (2, 3, 4))
    assert any(node.primitive == IMAGE_LOOP for node in learnt.nodes)
    model = onnx_from_graph(learnt)
    assert name_difference(model, tracer(7, True)) == ""
    for size in SIZES:
        x = np.random.default_rng(size).normal(size=(size, 3, 4)).astype(np.float32)
        (found,), expected = run_onnx(model, x), run_mindspore(cell, x)[0]
        (unrolled_one,) = run_onnx(onnx_from_graph(tracer.read(size), free_batch=False), x)
        assert found.shape == unrolled_one.shape == expected.shape
        np.testing.assert_allclose(found, unrolled_one, rtol=1e-6, atol=1e-6, err_msg=f"{size} images")
        # tanh and exp of MindSpore's CPU are up to 1e-4 off
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{size} images")


@pytest.mark.parametrize(
    "expression",
    [
        each("x[i] * (i + 2.5)"),
        "s = x[0] * 0; out = []; for one in x: s = ops.tanh(s) + one; out.append(s); ops.stack(out)",
        f"y = x + 1; {EACH}: y[i] = y[i] + y[0]; y",
        *long(
            each("x[i] * i"),
            each("x[i] * x.shape[0]"),
            each("x[x.shape[0] - 1 - i]"),
            each("x[i] * x[i - 1]"),
            each("x[i] * (2 if i < 4 else 3)"),
            each("x[i] + ops.arange(9.0)[i]"),
            "y = x + 1; for i in range(1, x.shape[0]): y[i] = y[i] + y[i - 1]; y",
            f"y = x + 1; {EACH}: y[i] = y.sum(0); y",
            f"y = x + 1; {EACH}: y[i, 0] = x[i, 0]; y",
            "ops.stack([x[0] * 2, x[1] * 2])",
        ),
    ],
)
def test_what_is_not_the_same_of_each_image_is_not_folded(build_cell: Build, expression: str) -> None:
    _, learnt = learn(build_cell(expression), (2, 3, 4))
    assert learnt is None or not any(node.primitive == IMAGE_LOOP for node in learnt.nodes)


@pytest.mark.slow
def test_of_one_image_the_loop_is_told_by_other_sizes(build_cell: Build) -> None:
    cell = build_cell(each("ops.tanh(x[i])"))
    _, learnt = learn(cell, (1, 3, 4))
    x = np.random.default_rng(0).normal(size=(4, 3, 4)).astype(np.float32)
    (found,) = run_onnx(onnx_from_graph(learnt), x)
    np.testing.assert_allclose(found, run_mindspore(cell, x)[0], rtol=1e-4)


@pytest.mark.slow
def test_two_results_of_a_loop(build_cell: Build) -> None:
    cell = build_cell("ops.stack([one * 2 for one in x]), ops.stack([one.sum(0) for one in x])")
    _, learnt = learn(cell, (2, 3, 4))
    model = onnx_from_graph(learnt)
    for size in SIZES:
        x = np.random.default_rng(size).normal(size=(size, 3, 4)).astype(np.float32)
        for found, expected in zip(run_onnx(model, x), run_mindspore(cell, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_operator_without_a_rule_is_named(build_cell: Build) -> None:
    _, learnt = learn(build_cell(each("ops.cumsum(x[i], 0)")), (2, 3, 4))
    with pytest.raises(UnsupportedOperatorsError, match="ONNX's CumSum is computed of each image"):
        onnx_from_graph(learnt)
