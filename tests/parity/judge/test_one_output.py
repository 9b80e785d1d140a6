"""A network that gives one output is told by all rows that were run."""

from types import SimpleNamespace

import numpy as np
import pytest

from triport.parity.one_output import gives_one_output
from triport.reference_models.network import RowAxes


@pytest.mark.parametrize(
    ("others", "is_one"), [([1.0, 1.0], True), ([1.0, 1 + 1e-9], True), ([1.0, 1.001], False)]
)
def test_one_output_is_told_by_all_rows(others, is_one):
    rows = RowAxes({"x": 0}, {"y": 0})
    further = [SimpleNamespace(rows=rows, outputs={"y": np.float64([[value]])}) for value in others]
    assert gives_one_output({"y": np.ones((2, 1))}, further, {"y": 1e-6}) is is_one
    assert not gives_one_output({"y": np.ones((2, 1))}, [], {"y": 1e-6})
