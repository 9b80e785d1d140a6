"""Two runs that are both far from float64 where noise is wide are not called different, nor equal."""

import numpy as np
import pytest

from triport.parity.imported.judge import settled
from triport.parity.imported.result import UNPROVEN
from triport.parity.judge.tolerance import FLOAT32


class Noisy:
    """A network of one number whose float64 is 1, and further off by `noise` with each rounding."""

    arithmetic = FLOAT32

    def __init__(self, noise):
        self.noise = noise

    def __call__(self, feed, seed=None):
        return [np.array([1.0 if seed is None else 1 + self.noise * (-1) ** seed])]


@pytest.mark.parametrize(
    ("noise", "mine", "its", "judged_by"),
    [
        (1e-3, 1.1, 1.2, UNPROVEN),  # both are further off than a noise that hides faults
        (1e-3, 1.1, 1.0, "float64"),  # ONNX Runtime is near, so that the fault is the source's
        (1e-3, 1.0, 1.2, "float64"),
        (1e-3, 1.001, 1.002, UNPROVEN),  # within the noise
        (1e-8, 1.1, 1.2, "float64"),  # there is no noise to speak of
    ],
)
def test_two_runs_far_from_float64_are_not_called_different_where_noise_is_wide(noise, mine, its, judged_by):
    found, wanted = ([np.array([each], np.float32)] for each in (mine, its))
    verdict = settled(("x [1]",), found, wanted, {}, Noisy(noise), ())
    assert verdict.judged_by == judged_by
    assert not verdict.passed
