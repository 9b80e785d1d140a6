import numpy as np
import pytest

from triport.parity.judge.tolerance import CALIBRATIONS, FLOAT32, share_of, within, worst_of


@pytest.mark.parametrize(
    ("noise", "precision", "tolerance"),
    [
        (1e-6, "float32", 8e-6),
        (0.0, "float32", 16 * 2.0**-24),
        (np.nan, "float32", 16 * 2.0**-24),
        (np.inf, "float32", 16 * 2.0**-24),
        (3e-2, "float16", 12e-2),
        (0.0, "O2", 8 * 2.0**-11),
        (0.0, "bfloat16", 8 * 2.0**-8),
    ],
)
def test_tolerance(noise, precision, tolerance):
    assert CALIBRATIONS[precision].tolerance_of(noise) == pytest.approx(tolerance)


def test_a_least_of_its_own():
    assert FLOAT32.tolerance_of(0.0, 0.0) == 0.0
    assert FLOAT32.tolerance_of(np.inf, 1e-3) == 1e-3
    assert FLOAT32.tolerance_of(1.0, 1e-3) == 8.0


@pytest.mark.parametrize(
    ("errors", "expected"),
    [([1e-6, 2e-6], True), ([1e-6, 2.1e-6], False), ([np.nan, 0.0], False), ([np.inf, 0.0], False)],
)
def test_within(errors, expected):
    assert within(errors, [1e-6, 2e-6]) == expected


@pytest.mark.parametrize(
    ("errors", "allowed", "expected"),
    [
        ([1e-6, 1e-6], [1e-5, 1e-6], 1),
        ([0.0, 1e-9], [0.0, 1e-6], 1),
        ([np.nan, 1e-6], [1e-6, 1e-5], 0),
        ([1e-6, np.nan], [1e-5, 1e-6], 1),
        ([1e-6, 1e-9], [1e-5, 0.0], 1),
    ],
)
def test_what_is_out_decides_and_else_what_needs_most(errors, allowed, expected):
    assert worst_of(errors, allowed) == expected


def test_share_of_nothing():
    assert share_of(0.0, 0.0) == 0.0
    assert share_of(1e-9, 0.0) == np.inf
