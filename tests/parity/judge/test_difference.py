import numpy as np
import pytest

from triport.parity.judge.difference import difference, relative, without

RIGHT = np.array([[1.0, -4.0, 2.0], [0.5, 3.0, 0.0]], np.float32)


def changed(value, at=(0, 0)):
    array = RIGHT.copy()
    array[at] = value
    return array


def test_it_is_relative_to_the_largest_right_value():
    assert difference(changed(3.0), RIGHT) == 0.5
    assert difference(RIGHT, changed(8.0)) == 7 / 8


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_odd_numbers_must_stand_in_the_same_places(value):
    assert difference(changed(value), RIGHT) == np.inf
    assert difference(RIGHT, changed(value)) == np.inf
    assert difference(changed(value), changed(value, (1, 1))) == np.inf
    assert difference(changed(value), changed(value)) == 0.0


def test_what_is_beside_odd_numbers_is_compared():
    right = changed(np.inf)
    found = right.copy()
    found[1, 1] += 1
    assert difference(found, right) == 0.25


def test_infinity_of_the_other_sign_differs():
    assert difference(changed(np.inf), changed(-np.inf)) == np.inf


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1), (6,), (0, 3)])
def test_another_shape_differs(shape):
    assert difference(np.resize(RIGHT, shape), RIGHT) == np.inf


def test_anything_differs_from_zeros():
    zeros = np.zeros_like(RIGHT)
    assert difference(zeros, zeros) == 0.0
    assert difference(zeros + np.float32(1e-38), zeros) == np.inf


@pytest.mark.parametrize(
    ("apart", "largest", "expected"),
    [(1.0, 4.0, 0.25), (0.0, 0.0, 0.0), (1.0, 0.0, np.inf), (np.nan, 1.0, np.inf), (np.inf, 1.0, np.inf)],
)
def test_relative(apart, largest, expected):
    assert relative(apart, largest) == expected


def test_without_keeps_the_dtype():
    kept = without(changed(np.nan), np.isnan(changed(np.nan)))
    assert kept.dtype == np.float32 and kept[0, 0] == 0
