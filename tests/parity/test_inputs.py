"""What is run besides the main batch, and how it is judged."""

from dataclasses import replace

import numpy as np
import pytest

from triport.converters.networks.registered import of_model
from triport.parity.further import FurtherReference, Judged, Main, computed, expected_of
from triport.parity.inputs import Further, further_inputs, other_size_of
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.spec import get_model

NETWORK = of_model(get_model("res2net_digits"))
BATCH = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
FURTHER = Further({"input": BATCH}, ("a", "b"), (0, 1), "two")


@pytest.mark.parametrize(
    ("size", "precision", "shapes"),
    [
        (1, "float32", [(3, 32), (1, 33)]),
        (2, "float32", [(1, 32), (3, 32), (1, 33)]),
        (3, "float32", [(1, 32), (3, 32), (1, 33)]),
        (3, "float16", [(1, 32), (1, 33)]),
        (8, "float16", [(1, 32), (3, 32), (1, 33)]),
        (2, "int8", [(1, 32), (3, 32)]),
    ],
)
def test_one_image_three_and_another_size(size, precision, shapes):
    found = further_inputs(NETWORK, {"input": np.resize(BATCH, (size, 3, 32, 32))}, precision, 0)
    assert [(len(one.feed["input"]), one.feed["input"].shape[-1]) for one in found] == shapes
    for one in found:
        assert len(one.feed["input"]) == len(one.images) == len(one.rows)


def test_the_images_reach_where_noise_does_not():
    one, three, _ = further_inputs(NETWORK, {"input": BATCH}, "float32", 0)
    np.testing.assert_array_equal(one.feed["input"][0], BATCH[0])
    np.testing.assert_array_equal(three.feed["input"][0], BATCH[0])
    assert np.ptp(three.feed["input"][1]) == 0 != three.feed["input"][1].flat[0]
    assert (
        three.feed["input"][2].min() < -20 * BATCH.max() and three.feed["input"][2].max() > 20 * BATCH.max()
    )
    assert three.own == [1, 2]


@pytest.mark.parametrize(("size", "other"), [(224, 99), (299, 131), (32, 33), (33, 35), (64, 65), (160, 71)])
def test_the_other_size_is_odd_and_small_where_that_leaves_enough(size, other):
    assert other_size_of(size) == other


@pytest.fixture(scope="module")
def runners(subject):
    spec, classes, parameters = subject
    return PyTorchRunner(of_model(spec, classes), parameters, dtype="float64"), PyTorchRunner(
        of_model(spec, classes), parameters
    )


def test_each_image_is_judged_by_its_own_noise(runners):
    exact, rounded = runners
    _, three, _ = further_inputs(NETWORK, {"input": BATCH}, "float32", 0)
    outputs = exact.run({"input": BATCH})
    main = Main(outputs, {"logits": 1e-6}, NETWORK.rows)
    expected = expected_of(three, exact, rounded, main, FLOAT32, None, 0)
    judged = [one["logits"] for one in expected.judged]
    assert judged[0] == Judged(np.abs(outputs["logits"]).max(), 1e-6)
    assert judged[2].largest > 10 * judged[1].largest
    found = expected.verdict(computed(rounded, three))
    assert found.passed and found.input == "3 images of 32 px"
    wrong = rounded.run(three.feed)
    wrong["logits"][1] += 1e-4  # much for one colour, nothing beside the logits of large values
    found = expected.verdict(wrong)
    assert [image.passed for image in found.images] == [True, False, True]
    assert found.worst.what == "one of a single colour"


def test_what_fails_or_has_another_shape_is_no_pass():
    allowed = {"logits": Judged(1.0, 1e-6)}
    expected = FurtherReference(FURTHER, {"logits": np.ones((2, 10))}, (allowed, allowed), NETWORK.rows)
    assert expected.verdict("it fails: out of luck").failed == "it fails: out of luck"
    assert expected.verdict({"logits": np.ones((1, 10))}).failed == "it returns 1 x 10, not 2 x 10"
    assert not expected.verdict({"logits": np.full((2, 10), np.nan)}).passed


def test_a_runner_that_fails_is_a_finding_and_one_that_takes_no_such_size_is_not_run():
    class Runner:
        def takes(self, shapes):
            return shapes["input"][-1] == 32

        def run(self, feed):
            raise RuntimeError("out of luck\nand more")

    assert computed(Runner(), FURTHER) == "it fails: out of luck"
    assert computed(Runner(), replace(FURTHER, feed={"input": BATCH[..., :31]})) is None
