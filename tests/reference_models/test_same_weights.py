"""What the records say of two graphs of the same weights is what the benchmark measures."""

import pytest

from benchmarks.same_weights import relative_difference
from triport.reference_models.spec import all_models, get_model

QUICK = {"resnet18", "efficientnet_lite0"}
# each pair once: the record is the same on both sides
PAIRS = [
    (spec, other)
    for spec in all_models().values()
    for other in spec.same_weights_as
    if spec.name < other.model
]


@pytest.mark.parametrize(
    ("spec", "other"),
    [
        pytest.param(spec, other, marks=() if spec.name in QUICK else pytest.mark.slow, id=spec.name)
        for spec, other in PAIRS
    ],
)
def test_recorded_difference_is_measured(spec, other):
    measured = relative_difference(spec, get_model(other.model))
    assert measured == pytest.approx(other.relative_difference, rel=0.1, abs=0.0006)
