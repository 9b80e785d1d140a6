"""Parity fails when one name is wrong: in every model, for the smallest faults a name table can have."""

from collections import defaultdict
from functools import lru_cache

import pytest

from triport.converters.networks import registered
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.parity.batches import logits_of, random_batch
from triport.parity.judge.comparison import compare
from triport.parity.judge.tolerance import FLOAT32
from triport.parity.noise import noise_of
from triport.parity.runtimes import mindspore as mindspore_runner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import all_models

QUICK = {
    "res2net_digits",
    "resnet18_mindcv",
    "resnetv2_50",
    "regnet_y_200mf",
    "efficientnet_lite0",
}
# smaller than the models' own sizes, for speed: no fault here depends on the size
SIZES_PX = {"inception_v4": 139, "res2net_digits": 32}
MUTATIONS = ["none", "two rows", "gamma and moving_variance", "two convolutions"]


def twins(spec, kind):
    """Return the paths of two layers of one kind and shape, from the middle of the network."""
    groups = defaultdict(list)
    for layer in spec.layers():
        if layer.kind == kind:
            groups[layer.shape, layer.bias].append(layer.path)
    paths = max(groups.values(), key=len)
    middle = len(paths) // 2
    return paths[middle - 1], paths[middle]


def swapped_names(spec, mutation):
    """Return pairs of canonical names to exchange in the name table."""
    norms = twins(spec, "norm")
    if mutation == "two rows":
        leaves = ("weight", "bias", "running_mean", "running_var")
        return [tuple(f"{path}.{leaf}" for path in norms) for leaf in leaves]
    if mutation == "gamma and moving_variance":
        return [(f"{norms[0]}.weight", f"{norms[0]}.running_var")]
    if mutation == "two convolutions":
        return [tuple(f"{path}.weight" for path in twins(spec, "conv"))]
    return []


@lru_cache(maxsize=1)
def expectation(spec):
    """Return what every mutation of a model is judged by: parameters, batch, reference, tolerance."""
    parameters = random_parameters(spec, 10)
    batch = random_batch(spec, batch_size=2, size_px=SIZES_PX.get(spec.name, 64))
    reference = logits_of(PyTorchRunner(of_model(spec, 10), parameters, dtype="float64"), batch)
    noise = noise_of(
        PyTorchRunner(of_model(spec, 10), parameters),
        {INPUT: batch},
        0,
        {LOGITS: reference},
    )[LOGITS].size
    return parameters, batch, reference, FLOAT32.tolerance_of(noise)


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize(
    "spec",
    [
        spec if spec.name in QUICK else pytest.param(spec, marks=pytest.mark.slow)
        for spec in all_models().values()
    ],
    ids=lambda spec: spec.name,
)
def test_a_wrong_name_is_not_equal(mutation, spec, monkeypatch):
    names = registered.name_map

    def mutated(spec, dialect):
        found = dict(names(spec, dialect))
        for a, b in swapped_names(spec, mutation):
            found[a], found[b] = found[b], found[a]
        return found

    monkeypatch.setattr(registered, "name_map", mutated)
    parameters, batch, reference, tolerance = expectation(spec)
    logits = logits_of(mindspore_runner.MindSporeRunner(of_model(spec, 10), parameters), batch)
    found = compare(reference, logits, tolerance)
    assert found.passed == (mutation == "none"), found
    if mutation != "none":
        assert found.max_rel > 10 * tolerance
