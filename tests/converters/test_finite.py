"""NaN and Inf are met while a tensor is copied."""

import numpy as np
import pytest

from triport.converters.finite import FiniteTensor, NotFiniteError, count_not_finite
from triport.converters.formats import ArrayTensor


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -np.nan])
@pytest.mark.parametrize("position", [0, 1, 32767, 32768, 99_999])
def test_a_value_that_is_not_finite_is_met_while_copying(value, position):
    values = np.full(100_000, 3.4e38, np.float32)  # the filter cannot tell these from Inf: NumPy must
    tensor = FiniteTensor(ArrayTensor(values.copy()))
    assert b"".join(tensor.chunks()) == b"".join(tensor.chunks()) == values.tobytes()
    values[position] = value
    assert count_not_finite(ArrayTensor(values)) == 1
    with pytest.raises(NotFiniteError):
        list(FiniteTensor(ArrayTensor(values)).chunks())
