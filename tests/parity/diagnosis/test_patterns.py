"""What is recognised of how a tensor changed, and what is not."""

from dataclasses import replace
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from triport.converters.comparison import Difference
from triport.converters.statements.preparation import Preparation
from triport.parity.diagnosis import preparation
from triport.parity.diagnosis.patterns import order_of_rows, pattern_of
from triport.parity.diagnosis.weights import ChangedTensor, changed_weights, sentence_of
from triport.reference_models.spec import get_model

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
        (KERNEL.astype(np.float16), KERNEL, "precision", "was rounded to float16 in the first file"),
        (KERNEL, to_bfloat16(KERNEL), "precision", "bfloat16"),
        (KERNEL, KERNEL.astype(ml_dtypes.bfloat16), "precision", "bfloat16"),
        (KERNEL.astype(ml_dtypes.bfloat16), KERNEL, "precision", "was rounded to bfloat16 in the first file"),
        (KERNEL, (KERNEL.view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32), "precision", "bfloat16"),
        (KERNEL, on_grid(KERNEL, 1), "precision", "one step for the whole tensor"),
        (KERNEL, on_grid(KERNEL, 8), "precision", "a step for each channel"),
        (KERNEL, KERNEL[:, ::-1], "weights", "BGR"),
        (KERNEL, KERNEL.swapaxes(2, 3), "weights", "height and the width"),
        (KERNEL, KERNEL[:, :, ::-1, ::-1], "weights", "180 degrees"),
        (KERNEL, KERNEL[::-1], "weights", "output channels in another order"),
        (SQUARE, SQUARE.T, "weights", "transposed"),
        (KERNEL, np.float32(1.25) * KERNEL, "weights", "1.25 times"),
        (KERNEL, KERNEL / np.float32(255), "weights", "is 1/255 times the first file's: one takes pixels"),
        (SQUARE, SQUARE / np.float32(255), "weights", "is 0.003921569 times the first file's"),
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
    assert "output 1 is the first file's 2, output 2 is" in found.words


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


COLUMN = KERNEL[:, :1, :1, :1]
ONES = np.ones(64, np.float32)
NEXT = COLUMN.copy()
NEXT[0] = np.nextafter(NEXT[0], np.float32(9))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # the factor that fits all values but one is 1
        (COLUMN, NEXT),
        # one value of each row is on any grid, and so are two that have one size
        (COLUMN, np.float32(1.004) * COLUMN + np.linspace(0, 1e-3, 8, dtype=np.float32).reshape(8, 1, 1, 1)),
        (np.stack([ONES, -ONES]), np.stack([np.float32(1.004) * ONES, np.float32(-1.005) * ONES])),
        # bfloat16 has 1 itself, so that rounding leaves it there
        (ONES, np.where(np.arange(64) < 7, np.float32(1 + 2**-7), ONES)),
        # a counter of batches
        (np.array([5005], np.int64), np.array([5004], np.int64)),
    ],
    ids=["one value", "a value in each row", "two values", "a neighbour", "a counter"],
)
def test_what_any_values_would_show_is_no_pattern(first, second):
    assert pattern_of(first, second) is None


def test_a_value_that_nothing_starts_with_is_not_called_initial():
    assert pattern_of(KERNEL, np.full_like(KERNEL, 0.37)).words == "is 0.37 everywhere"


def test_equal_rows_have_no_order():
    assert order_of_rows(np.ones((3, 2)), np.ones((3, 2))) is None


class _Stored:
    """A tensor of a file, as the comparison has it."""

    def __init__(self, array):
        self.shape, self._array = array.shape, array

    def numpy(self):
        return self._array


def test_parameters_that_took_each_others_place():
    """Gamma and beta exchanged: both are of one shape, and any loader takes them."""
    mine = {name: RANDOM.standard_normal(8).astype(np.float32) for name in ("bn1.weight", "bn1.bias")}
    theirs = {"bn1.weight": mine["bn1.bias"], "bn1.bias": mine["bn1.weight"]}
    stored = [{name: _Stored(array) for name, array in side.items()} for side in (mine, theirs)]
    fit = SimpleNamespace(spec=get_model("res2net_digits"))
    sides = SimpleNamespace(tensors=SimpleNamespace(mine=stored[0], theirs=stored[1]), fits=(fit, fit))
    changed = changed_weights(sides, tuple(Difference(name, "value", "", "", 1.0, 8) for name in mine))

    assert "bn1.weight has the values that bn1.bias has in the first file" in sentence_of(changed, 187, 2)
    assert "2 of 187 tensors differ:" in sentence_of(changed, 187, 2)
    assert "1 of 187 tensors differs:" in sentence_of(changed[:1], 187, 1)


def test_a_part_of_what_differs_is_not_called_all_of_it():
    """Weights, precision and classes each speak of their own tensors, and say of how many."""
    statistics = [
        ChangedTensor(Difference(f"{n}.running_mean", "value", "f", "f", 1.0, 8), None) for n in "ab"
    ]

    alone = (
        "2 of 187 tensors differ: BatchNorm's running statistics differ in 2 tensors and no other weight does"
    )
    assert sentence_of(statistics, 187, 2) == alone
    others = "2 of the 3 tensors that differ: BatchNorm's running statistics differ in 2 tensors"
    assert sentence_of(statistics, 187, 3) == others


def test_several_tensors_are_spoken_of_as_several():
    pattern = pattern_of(KERNEL, np.zeros_like(KERNEL))
    changed = [ChangedTensor(Difference(name, "value", "", ""), pattern) for name in ("a.running_mean", "b")]

    assert "a.running_mean and 1 more are 0 everywhere: they may have their initial" in sentence_of(
        changed, 9, 2
    )
    assert "b is 0 everywhere: it may have its initial value" in str(changed[1])


def test_pixels_that_are_not_normalised_are_said_to_be():
    known = get_model("res2net_digits").weights[0].preprocess
    found = [
        Preparation(one, "stated", "the file")
        for one in (known, replace(known, mean=(0, 0, 0), std=(1, 1, 1)))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "preparations", lambda sides: found)
        said = preparation.preparation_finding(SimpleNamespace(names=("a.onnx", "b.onnx"))).sentence

    assert said.endswith("; for b.onnx pixels are not normalised")
