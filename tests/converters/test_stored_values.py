"""A float16 graph keeps the checkpoint's values: what a wider type holds beside them is another value."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from triport.converters.convert import ConvertError, _check_stored

VALUES = np.array([1.0, 0.5, -2.0], np.float16)


def model_with(array):
    graph = onnx.GraphProto(initializer=[numpy_helper.from_array(array, "w")])
    return onnx.ModelProto(graph=graph)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_same_values_in_either_type(dtype):
    _check_stored(model_with(VALUES.astype(dtype)), {"w": VALUES})


@pytest.mark.parametrize(
    "stored",
    [
        # float16 rounds it to the very value
        VALUES.astype(np.float32) + np.float32([1e-4, 0, 0]),
        np.array([1.0, 0.5, 2.0], np.float16),
    ],
)
def test_other_values(stored):
    with pytest.raises(ConvertError, match="1 tensor is not those of the checkpoint"):
        _check_stored(model_with(stored), {"w": VALUES})
