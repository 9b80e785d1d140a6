"""What the MindSpore that is installed exports becomes ONNX that computes what this MindSpore computes.

Whichever primitives it writes: tests/mindir/ has a case for each primitive that the newest MindSpore writes.
"""

import numpy as np
import pytest

from tests.mindir.conftest import (
    check_model,
    largest_difference,
    make_builder,
    make_input,
    run_mindspore,
    run_onnx,
    with_kernels_of_mindspore,
)
from tests.versions.mindir_cells import CELLS
from triport.converters.mindir.export import mindir_bytes_from_cell, onnx_from_mindir


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_graph_computes_the_same(cell, tmp_path):
    net = make_builder(tmp_path)(cell.expression)
    model = onnx_from_mindir(mindir_bytes_from_cell(net, cell.shape))
    check_model(model)
    x = make_input(cell.shape)
    expected, found = run_mindspore(net, x), run_onnx(with_kernels_of_mindspore(model), x)
    assert [value.shape for value in found] == [value.shape for value in expected]
    assert max(np.ptp(value.astype(float)) for value in expected) > 0
    assert max(map(largest_difference, found, expected)) <= 1e-6
