"""Which publishers' own architectures load a model's weights: the record, and their code where it is.

The slow tests need timm, torchvision or MindCV, and are skipped without them.
"""

import importlib

import numpy as np
import pytest

from triport.converters.names import COUNTER_LEAF, canonical_shapes, name_map
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import all_models

RECORDS = [(spec, one) for spec in all_models().values() for one in spec.architectures]
SAME = 1e-5


def name_of(record):
    spec, one = record
    return f"{spec.name}-{one.publisher}-{one.name}"


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_an_architecture_has_names_that_the_model_has(record):
    spec, one = record
    assert one.dialect in {dialect.name for dialect in spec.dialects}
    assert bool(one.why) is not one.same_function


@pytest.mark.parametrize("spec", all_models().values(), ids=lambda spec: spec.name)
def test_a_model_has_an_architecture_of_its_publisher(spec):
    """And no publisher has two that compute what the model does."""
    for publisher in ("timm", "torchvision", "mindcv"):
        same = [one for one in spec.architectures if one.publisher == publisher and one.same_function]
        assert len(same) <= 1
    # resnext101_32x4d is torchvision's graph, and torchvision has every other size of it
    in_no_package = spec.publisher in ("triport", "mindspore-models", "mindspore-tutorial")
    absent = in_no_package or spec.name == "resnext101_32x4d"
    assert absent or spec.publisher in {one.publisher for one in spec.architectures if one.same_function}


@pytest.mark.slow
@pytest.mark.parametrize("record", [one for one in RECORDS if one[1].publisher != "mindcv"], ids=name_of)
def test_the_publishers_code_loads_it_and_computes_what_is_recorded(record):
    spec, one = record
    torch = pytest.importorskip("torch")
    if one.publisher == "timm":
        theirs = pytest.importorskip("timm").create_model(one.name)
    else:
        pytest.importorskip("torchvision")
        theirs = getattr(importlib.import_module("torchvision.models"), one.name)(weights=None)
    parameters = random_parameters(spec, spec.num_classes, 0)
    names = name_map(spec, next(d for d in spec.dialects if d.name == one.dialect and d.runtime == "pytorch"))
    ours = spec.build_torch()
    ours.load_state_dict({name: torch.tensor(value) for name, value in parameters.items()}, strict=False)
    state = {names[name]: torch.tensor(value) for name, value in parameters.items()}
    result = theirs.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    assert all(name.endswith(COUNTER_LEAF) for name in result.missing_keys)
    size = (1, 3, spec.input_size_px, spec.input_size_px)
    images = torch.tensor(np.random.default_rng(0).standard_normal(size).astype(np.float32))
    with torch.no_grad():
        mine, other = ours.eval()(images), theirs.eval()(images)
    difference = float((mine - other).abs().max() / mine.abs().max())
    assert (difference < SAME) is one.same_function


@pytest.mark.slow
@pytest.mark.parametrize("record", [one for one in RECORDS if one[1].publisher == "mindcv"], ids=name_of)
def test_mindcvs_code_has_the_names_and_shapes(record):
    spec, one = record
    models = pytest.importorskip("mindcv").models
    arguments = {"num_classes": spec.num_classes} if "res2net" in one.name else {}
    theirs = models.model_entrypoint(one.name)(pretrained=False, **arguments)
    names = name_map(spec, next(d for d in spec.dialects if d.name == one.dialect))
    wanted = {(names[name], shape) for name, shape in canonical_shapes(spec).items()}
    assert {(parameter.name, tuple(parameter.shape)) for parameter in theirs.get_parameters()} == wanted
