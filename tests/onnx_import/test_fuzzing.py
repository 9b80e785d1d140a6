"""Mutated graphs: a few of them here, many by `python fuzz/mutated.py`; and that a broken promise is seen."""

import functools
import random
from pathlib import Path

import numpy as np
import onnx
import pytest

from fuzz.graph_seeds import graph_seeds
from fuzz.imported import BrokenPromiseError, check_text, source
from fuzz.mutated import mutate
from triport.converters.networks.imported import written_source
from triport.converters.onnx_import.reading import ImportRefusedError

FOUND = Path(__file__).parent.parent / "data/fuzz"
SEEDS = graph_seeds()


@pytest.mark.parametrize("index", range(len(SEEDS)))
def test_seeds_are_written(index):
    """Fuzzing from graphs that are refused would prove little."""
    assert source(SEEDS[index]) == "written"


@pytest.mark.parametrize("index", range(len(SEEDS)))
def test_mutated_graphs_are_refused_or_harmless(index):
    generator = random.Random(index)
    verdicts = {source(mutate(SEEDS[index], generator)) for _ in range(12)}
    assert verdicts <= {"written", "refused"}


def test_a_long_row_is_not_written_out_while_shapes_are_inferred():
    """A size of 2**31 - 1 in a graph of 100 bytes took over 1 GB: onnx keeps a record of each element."""
    node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2**31 - 1]) for name in ("x", "y")
    )
    graph = onnx.helper.make_graph([node], "graph", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    assert source(onnx.helper.make_model(graph, opset_imports=opset).SerializeToString()) == "written"


def test_a_long_row_within_a_branch_is_not_written_out():
    """Inference did not come back from a branch that states 2**63 - 1 elements of a sum's operand."""
    helper = onnx.helper
    info = functools.partial(helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    branches = {
        "then_branch": helper.make_graph([], "then", [], [info("a", shape=[4])]),
        "else_branch": helper.make_graph(
            [helper.make_node("Add", ["b"], ["c"])], "else", [], [info("b", shape=[2**63 - 1])]
        ),
    }
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "sum"], ["is_more"]),
        helper.make_node("If", ["is_more"], ["y"], **branches),
    ]
    graph = helper.make_graph(nodes, "graph", [info("x", shape=None)], [info("y", shape=None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    assert source(model.SerializeToString()) == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from os import path",
        "canary()",
        "x = torch.load('x')",
        "x = torch.hub.load('x')",
        "x = torch.nothing(1)",
        "x.__class__",
        "x = lambda: 1",
        "x.__reduce__()",
        "with x: pass",
        "eval('1')",
        "1 + 1",
        "del x",
        "async def f(): pass",
        "é = 1",
    ],
)
def test_text_that_no_template_has_is_found(text):
    with pytest.raises(BrokenPromiseError):
        check_text(text, "pytorch")


def test_a_name_that_passes_the_first_check_is_stopped_by_the_next(monkeypatch):
    from triport.converters.onnx_import import expressions, state

    for module in (expressions, state):
        monkeypatch.setattr(module, "is_identifier", lambda text: True)
    with pytest.raises((BrokenPromiseError, ValueError), match="name"):
        source(product_with("a,canary()"))


def product_with(name):
    weight = onnx.numpy_helper.from_array(np.ones(4, "f4"), name)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4])
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])
    node = onnx.helper.make_node("Mul", ["x", name], ["y"])
    graph = onnx.helper.make_graph([node], "graph", [value], [output], [weight])
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"perm", b"prem", "attribute prem is not translated"),
        (b"Transpose", b"Transpone", "Transpone has no translation"),
    ],
)
def test_a_damaged_node_is_a_refusal_that_says_so(before, after, reason, tmp_path):
    data = SEEDS[2]
    assert before in data
    (tmp_path / "x.onnx").write_bytes(data.replace(before, after))
    with pytest.raises(ImportRefusedError, match=rf"x\.onnx: .*{reason}"):
        written_source(tmp_path / "x.onnx", "pytorch", "x")


@pytest.mark.parametrize("name", [b"conv.bias", b"bn.w", b"graph", b"fuzz", b"pool"])
def test_a_name_that_is_no_text_is_refused_or_passed_over(name):
    data = SEEDS[0].replace(name, b"\xc7" + name[1:])
    assert data != SEEDS[0]
    assert source(data) in ("refused", "written")


@pytest.mark.parametrize("path", sorted(FOUND.glob("source-*")), ids=lambda path: path.name)
def test_what_the_fuzzer_found_is_written_or_refused(path):
    assert source(path.read_bytes()) in ("refused", "written")


def test_a_fault_of_triport_on_a_sound_graph_keeps_its_traceback(tmp_path, monkeypatch):
    from triport.converters.networks import imported

    def faulty(*_):
        raise IndexError("ours")

    monkeypatch.setattr(imported, "source_of", faulty)
    (tmp_path / "x.onnx").write_bytes(SEEDS[1])
    with pytest.raises(IndexError, match="ours"):
        written_source(tmp_path / "x.onnx", "pytorch", "x")


def test_names_of_a_file_reach_no_terminal_through_a_library(tmp_path, capfd, caplog):
    data = SEEDS[2].replace(b"shape", b"\x1b[2Jx").replace(b"new", b"n\x1bw", 1)
    (tmp_path / "x.onnx").write_bytes(data)
    try:
        written_source(tmp_path / "x.onnx", "pytorch", "x")
    except ImportRefusedError as error:
        assert "\x1b" not in str(error)
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err + caplog.text
