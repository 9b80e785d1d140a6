"""What is recognised of how a tensor changed, and what is not."""

import numpy as np
import pytest

from triport.parity.diagnosis.patterns import order_of_rows, pattern_of

RANDOM = np.random.default_rng(5)
KERNEL = RANDOM.standard_normal((8, 3, 3, 3)).astype(np.float32)
SQUARE = RANDOM.standard_normal((6, 6)).astype(np.float32)


def on_grid(array, rows):
    flat = array.reshape(rows, -1)
    step = np.abs(flat).max(1, keepdims=True) / 127
    return (np.round(flat / step) * step).astype(np.float32).reshape(array.shape)


def to_bfloat16(array):
    return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@pytest.mark.parametrize(
    ("first", "second", "aspect", "words"),
    [
        (KERNEL, KERNEL.astype(np.float16).astype(np.float32), "precision", "float16"),
        (KERNEL, KERNEL.astype(np.float16), "precision", "float16"),
        (KERNEL, to_bfloat16(KERNEL), "precision", "bfloat16"),
        (KERNEL, on_grid(KERNEL, 1), "precision", "one step for the whole tensor"),
        (KERNEL, on_grid(KERNEL, 8), "precision", "a step for each channel"),
        (KERNEL, KERNEL[:, ::-1], "weights", "BGR"),
        (KERNEL, KERNEL.swapaxes(2, 3), "weights", "height and the width"),
        (KERNEL, KERNEL[:, :, ::-1, ::-1], "weights", "180 degrees"),
        (KERNEL, KERNEL[::-1], "weights", "output channels in another order"),
        (SQUARE, SQUARE.T, "weights", "transposed"),
        (KERNEL, np.float32(1.25) * KERNEL, "weights", "1.25 times"),
        (KERNEL, np.zeros_like(KERNEL), "weights", "0 everywhere"),
    ],
)
def test_recognised(first, second, aspect, words):
    found = pattern_of(first, np.ascontiguousarray(second))
    assert found.aspect == aspect
    assert words in found.words


def test_rows_of_the_last_layer_are_classes():
    found = pattern_of(SQUARE, SQUARE[[0, 2, 1, 3, 4, 5]], head=True)
    assert found.aspect == "classes"
    assert "class 1 is 2 of the first file, 2 is 1" in found.words


@pytest.mark.parametrize(
    "second",
    [
        KERNEL,
        KERNEL + np.float32(1e-3) * RANDOM.standard_normal(KERNEL.shape).astype(np.float32),
        KERNEL[:4],
        # three channels of which two are exchanged are no images in BGR
        KERNEL[:, [1, 0, 2]],
        # a scaled kernel of which one value is otherwise is not scaled
        np.where(np.arange(KERNEL.size).reshape(KERNEL.shape) == 7, 9, 1.25 * KERNEL).astype(np.float32),
    ],
)
def test_not_recognised(second):
    assert pattern_of(KERNEL, np.ascontiguousarray(second)) is None


def test_equal_rows_have_no_order():
    assert order_of_rows(np.ones((3, 2)), np.ones((3, 2))) is None
