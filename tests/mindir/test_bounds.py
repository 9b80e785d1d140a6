"""Bounds that elements are sorted into: in order they are counted, and else MindSpore finds another place."""

import numpy as np
import pytest

from tests.mindir.conftest import make_builder, run_mindspore, run_onnx
from triport.converters.mindir.errors import UnsupportedOperatorsError
from triport.converters.mindir.export import mindir_bytes_from_cell, onnx_from_mindir

SHAPE = (4, 3)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return make_builder(tmp_path_factory.mktemp("bounds"))


@pytest.mark.parametrize("bounds", ["x[0]", "x[0] * 2 - x[1]", "ms.Tensor([2.0, -1.0, 0.0])"])
def test_bounds_that_may_not_ascend_are_refused(build, bounds):
    content = mindir_bytes_from_cell(build(f"ops.searchsorted({bounds}, x)"), SHAPE)
    with pytest.raises(UnsupportedOperatorsError, match=r"bounds do not ascend.*\s+sort them"):
        onnx_from_mindir(content, free_batch=False)


@pytest.mark.parametrize("bounds", ["ms.Tensor([-1.0, 0.0, 0.0, 2.0])", "ops.sort(x[0])[0]"])
def test_bounds_in_order_are_counted(build, bounds):
    cell = build(f"ops.searchsorted({bounds}, x, right=True)")
    model = onnx_from_mindir(mindir_bytes_from_cell(cell, SHAPE), free_batch=False)
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    for found, expected in zip(run_onnx(model, x), run_mindspore(cell, x), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_where_bounds_were_before_they_were_sorted_is_refused(build):
    content = mindir_bytes_from_cell(build("ops.searchsorted(ops.sort(x[0])[1], x.astype(ms.int32))"), SHAPE)
    with pytest.raises(UnsupportedOperatorsError, match="bounds do not ascend"):
        onnx_from_mindir(content, free_batch=False)
