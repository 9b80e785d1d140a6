import numpy as np
import pytest

from triport.converters.names import canonical_shapes
from triport.parity.batches import random_batch
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("resnet18")


def test_every_parameter_and_buffer_has_its_shape_and_type():
    parameters = random_parameters(SPEC, 10)
    assert {name: array.shape for name, array in parameters.items()} == canonical_shapes(SPEC, 10)
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}


def test_no_value_is_an_initial_one():
    for array in random_parameters(SPEC, 10).values():
        assert (array != 0).all()
        assert array.size == 1 or np.ptp(array) > 0


@pytest.mark.parametrize("leaf", ["weight", "bias", "running_mean", "running_var"])
def test_equal_shapes_get_different_values(leaf):
    parameters = random_parameters(SPEC)
    assert (parameters[f"layer1.0.bn1.{leaf}"] != parameters[f"layer1.0.bn2.{leaf}"]).any()


def test_a_value_depends_on_seed_and_name_only():
    small, large = random_parameters(SPEC), random_parameters(get_model("resnet34"))
    name = "layer2.0.conv1.weight"
    np.testing.assert_array_equal(small[name], large[name])
    assert (small[name] != random_parameters(SPEC, seed=1)[name]).any()


def test_variances_are_positive():
    parameters = random_parameters(SPEC)
    assert all((parameters[name] > 0.4).all() for name in parameters if name.endswith("running_var"))


def test_batch_is_fixed_by_its_seed():
    batch = random_batch(SPEC)
    assert batch.shape == (2, 3, 224, 224) and batch.dtype == np.float32
    np.testing.assert_array_equal(batch, random_batch(SPEC))
    assert (batch != random_batch(SPEC, seed=1)).any()
