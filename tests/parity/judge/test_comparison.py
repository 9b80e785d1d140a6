import numpy as np
import pytest

from triport.parity.judge.comparison import ComparisonError, compare


def test_known_values():
    reference = np.array([[1.0, -4.0, 2.0], [0.5, 3.0, 0.0]])
    candidate = np.array([[1.0, -4.0, 0.0], [0.5, 3.0, 0.0]])
    result = compare(reference, candidate, 0.4)
    assert (result.max_abs, result.max_rel, result.needed_tolerance) == (2.0, 0.5, 0.5)
    assert result.top1_agreement == 0.5
    assert not result.passed


def test_needed_tolerance_is_the_smallest_that_passes():
    random = np.random.default_rng(0)
    reference = random.standard_normal((4, 10))
    candidate = (reference + 1e-4 * random.standard_normal((4, 10))).astype(np.float32)
    needed = compare(reference, candidate, 0.0).needed_tolerance
    assert compare(reference, candidate, needed).passed
    assert not compare(reference, candidate, np.nextafter(needed, 0)).passed


def test_equal_logits_pass_at_zero_tolerance():
    logits = np.ones((2, 3), np.float32)
    assert compare(logits, logits, 0.0).passed


def test_difference_from_zero_reference_fails():
    assert not compare(np.zeros((1, 2)), np.full((1, 2), 1e-9), 1.0).passed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["reference", "candidate", "both"])
def test_nan_and_inf_fail_whatever_the_tolerance(value, where):
    reference, candidate = np.ones((2, 3)), np.ones((2, 3))
    if where != "candidate":
        reference[1, 2] = value
    if where != "reference":
        candidate[1, 2] = value
    assert not compare(reference, candidate, np.inf).passed


def test_shape_mismatch():
    with pytest.raises(ComparisonError, match=r"\(2, 10\), the candidate \(2, 11\)"):
        compare(np.zeros((2, 10)), np.zeros((2, 11)), 1.0)


def test_nothing_to_compare():
    with pytest.raises(ComparisonError, match="cannot be compared"):
        compare(np.zeros((0, 10)), np.zeros((0, 10)), 1.0)
