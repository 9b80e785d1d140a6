"""A Cell's graph without its parameters' values: the same graph, and nothing of the values in it."""

import re

import numpy as np
import pytest

from triport.converters.mindir.export import (
    ExportError,
    exported_mindir,
    mindir_without_values,
    onnx_from_mindir,
)
from triport.converters.mindir.graph import MindirError
from triport.converters.mindir.reader import read_mindir
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")
SHAPE = (1, 3, DIGITS.input_size_px, DIGITS.input_size_px)


def digits():
    return DIGITS.build_mindspore(DIGITS.num_classes).set_train(False)


def without_numbers(node):
    """Return a node as text; MindSpore counts on in a process, and names what it makes by these numbers."""
    return re.sub(r"\d+", "", str(node))


@pytest.fixture(scope="module")
def without():
    return mindir_without_values(digits(), SHAPE)


def test_it_is_the_graph_that_a_file_has(without):
    with exported_mindir(digits(), SHAPE) as path:
        whole = read_mindir(path)
        in_full = onnx_from_mindir(path).graph
    graph = read_mindir(without, has_values=False)
    assert [str(node) for node in graph.nodes] == [str(node) for node in whole.nodes]
    made = onnx_from_mindir(without, has_values=False).graph
    assert [without_numbers(node) for node in made.node] == [without_numbers(node) for node in in_full.node]
    initializers = {one.name for one in in_full.initializer}
    assert {value.name for value in made.input[1:]} | {one.name for one in made.initializer} == initializers


def test_no_value_of_a_parameter_is_in_it(without):
    cell = digits()
    for parameter in cell.get_parameters():
        parameter.set_data(parameter.value() * 0 + 0.3456789)
    with exported_mindir(cell, SHAPE) as path:
        in_full = path.read_bytes()
    value = np.float32(0.3456789).tobytes() * 4
    assert value in in_full
    assert value not in mindir_without_values(cell, SHAPE)
    assert len(without) < len(in_full) / 2


def test_read_as_if_it_had_values_it_is_damaged(without):
    with pytest.raises(MindirError, match="bytes, found 0: damaged"):
        read_mindir(without)


def test_what_nobody_has_read_is_not_zero(without):
    graph = read_mindir(without, has_values=False)
    tensors = [parameter.tensor for parameter in graph.parameters.values()]
    assert tensors and all(one.data == b"" and one.type.shape for one in tensors)
    assert not [
        one for one in onnx_from_mindir(without, has_values=False).graph.initializer if len(one.dims) > 1
    ]


def test_a_cell_that_cannot_be_exported_says_so(tmp_path):
    from mindspore import nn

    class Refuses(nn.Cell):
        def construct(self, x):
            raise ValueError("not today")

    with pytest.raises(ExportError, match="cannot export Refuses"):
        mindir_without_values(Refuses(), SHAPE)


def test_mindspore_is_left_as_it_was(without):
    import mindspore

    before = mindspore.get_context("mode"), mindspore.get_context("jit_syntax_level")
    mindir_without_values(digits(), SHAPE)
    assert (mindspore.get_context("mode"), mindspore.get_context("jit_syntax_level")) == before
