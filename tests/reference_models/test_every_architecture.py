"""Every model's record against both networks that are built from it.

Parametrised by discovery: a new family folder is tested before anyone remembers to. Networks are
built without values (PyTorch's meta device, MindSpore's no_init_parameters), so all of them are cheap.
"""

import datetime
import math
import re
from collections import Counter
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import pytest

from triport.converters.environment import import_mindspore
from triport.converters.names import canonical_shapes, name_map, reference_dialect
from triport.reference_models.spec import RUNTIMES, Dialect, ModelSpec, OtherGraph, all_models

MODELS = all_models()
ROOT = Path(__file__).parents[2]
FAMILIES = sorted({spec.family for spec in MODELS.values()})
SMALLEST = [
    min((s for s in MODELS.values() if s.family == family), key=lambda s: s.num_parameters).name
    for family in FAMILIES
]
EVERY_MODEL = pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
SMALLEST_MODELS_OR_SLOW = pytest.mark.parametrize(
    "spec",
    [pytest.param(spec, marks=() if name in SMALLEST else pytest.mark.slow) for name, spec in MODELS.items()],
    ids=MODELS,
)
FILES = ["__init__.py", "net_mindspore.py", "net_torch.py", "spec.py"]


@dataclass(frozen=True)
class Built:
    """What a framework says of a network: names and shapes in order, and the trainable values."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    num_parameters: int


@cache
def built_in_pytorch(spec, num_classes=None):
    import torch

    with torch.device("meta"):
        net = spec.build_torch(num_classes)
    shapes = tuple((name, tuple(value.shape)) for name, value in net.state_dict().items())
    return Built(shapes, sum(parameter.numel() for parameter in net.parameters()))


@cache
def built_in_mindspore(spec, num_classes=None):
    import_mindspore()
    from mindspore.nn.utils import no_init_parameters

    with no_init_parameters():
        net = spec.build_mindspore(num_classes)
    shapes = tuple((parameter.name, tuple(parameter.shape)) for parameter in net.get_parameters())
    return Built(shapes, sum(parameter.size for parameter in net.trainable_params()))


def expected_shapes(spec, runtime, num_classes=None):
    """Return what the record says that `runtime` has: names, counters included, and shapes."""
    shapes = canonical_shapes(spec, num_classes)
    names = name_map(spec, reference_dialect(spec, runtime))
    return [(theirs, shapes.get(canonical, ())) for canonical, theirs in names.items()]


def is_statistic(name):
    return name.endswith(("running_mean", "running_var"))


@pytest.mark.parametrize("family", FAMILIES)
def test_family_has_its_four_files(family):
    folder = ROOT / "triport" / "reference_models" / family
    assert [name for name in FILES if not (folder / name).is_file()] == []


@EVERY_MODEL
def test_record_is_the_pytorch_definition(spec):
    assert list(built_in_pytorch(spec).shapes) == expected_shapes(spec, "pytorch")


@EVERY_MODEL
def test_record_is_the_mindspore_definition(spec):
    # in any order: MindSpore lists a BatchNorm's statistics before its scale
    assert sorted(built_in_mindspore(spec).shapes) == sorted(expected_shapes(spec, "mindspore"))


@EVERY_MODEL
def test_parameter_count_is_that_of_layout_and_networks(spec):
    in_layout = sum(
        math.prod(shape) for name, shape in canonical_shapes(spec).items() if not is_statistic(name)
    )
    assert in_layout == spec.num_parameters
    assert built_in_pytorch(spec).num_parameters == spec.num_parameters
    assert built_in_mindspore(spec).num_parameters == spec.num_parameters


@pytest.mark.parametrize("num_classes", [10, 1000, 1001])
@EVERY_MODEL
def test_any_number_of_classes_in_the_record(spec, num_classes):
    shapes = list(canonical_shapes(spec, num_classes).values())
    assert shapes[-1] == (num_classes,)
    assert shapes[-2][0] == num_classes
    assert shapes[:-2] == list(canonical_shapes(spec).values())[:-2]


@pytest.mark.parametrize("num_classes", [10, 1000, 1001])
@SMALLEST_MODELS_OR_SLOW
def test_any_number_of_classes_in_the_networks(spec, num_classes):
    assert list(built_in_pytorch(spec, num_classes).shapes) == expected_shapes(spec, "pytorch", num_classes)
    assert sorted(built_in_mindspore(spec, num_classes).shapes) == sorted(
        expected_shapes(spec, "mindspore", num_classes)
    )


@SMALLEST_MODELS_OR_SLOW
def test_pytorch_takes_images_of_the_input_size(spec):
    import torch

    with torch.device("meta"):
        net = spec.build_torch(10).eval()
        images = torch.empty(2, 3, spec.input_size_px, spec.input_size_px)
    assert net(images).shape == (2, 10)


@EVERY_MODEL
def test_dialects(spec):
    keys = Counter((dialect.name, dialect.runtime) for dialect in spec.dialects)
    assert max(keys.values()) == 1
    assert reference_dialect(spec, "mindspore").runtime == "mindspore"
    assert not reference_dialect(spec, "pytorch").rows, "the first PyTorch dialect is canonical"
    for dialect in spec.dialects:
        assert dialect.runtime in RUNTIMES
        names = name_map(spec, dialect)
        assert len(set(names.values())) == len(names)


@EVERY_MODEL
def test_published_weights_are_complete(spec):
    for weights in spec.weights:
        assert re.fullmatch(r"\w+\.[\w-]+", weights.name)
        assert weights.dialect in {dialect.name for dialect in spec.dialects}
        assert weights.url == "" or can_be_found(weights.url)
        assert weights.accuracies, f"{weights.name} has no published accuracy"
        for accuracy in weights.accuracies:
            assert 1 < accuracy.top1_percent < 100, "in percent"
            assert accuracy.top5_percent is None or accuracy.top1_percent < accuracy.top5_percent < 100
            assert can_be_found(accuracy.source)
            assert accuracy.context.strip() == accuracy.context != ""
            assert is_iso_date(accuracy.date), accuracy.date
        if weights.num_parameters_millions is not None:
            # MindCV counts the statistics of the BatchNorms as well, others print one decimal
            published = weights.num_parameters_millions * 1e6
            assert published == pytest.approx(spec.num_parameters, rel=0.01, abs=0.05e6)


@EVERY_MODEL
def test_preprocessing_is_complete(spec):
    crops = {weights.preprocess.crop_px for weights in spec.weights}
    assert not crops or spec.input_size_px in crops
    for weights in spec.weights:
        preprocess = weights.preprocess
        assert 0 < preprocess.crop_px <= preprocess.resize_px
        assert preprocess.interpolation in ("bilinear", "bicubic")
        assert preprocess.library in ("pil", "mindspore", "opencv")
        assert all(0 < value < 1 for value in (*preprocess.mean, *preprocess.std))


def test_names_of_models_and_weights_are_unique():
    names = Counter([*MODELS, *(weights.name for spec in MODELS.values() for weights in spec.weights)])
    assert [name for name, count in names.items() if count > 1] == []


@EVERY_MODEL
def test_same_weights_as_is_mutual_and_true(spec):
    for other in spec.same_weights_as:
        theirs = MODELS[other.model]
        assert spec.name in {back.model for back in theirs.same_weights_as}
        assert canonical_shapes(theirs) == canonical_shapes(spec)
        assert theirs.config != spec.config, "the same graph is one model"
        assert other.why


def can_be_found(place):
    """Tell whether `place` is a web address or a file of this repository."""
    return place.startswith("https://") or (ROOT / place).is_file()


def is_iso_date(text):
    formats = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d"}
    try:
        moment = datetime.datetime.strptime(text, formats[len(text)])
    except (KeyError, ValueError):
        return False
    return moment <= datetime.datetime.now()


RESNET = MODELS["resnet18"]
WEIGHTS = RESNET.weights[0]


def with_layout(change):
    class Changed(ModelSpec):
        def layers(self, num_classes=None):
            return change(list(RESNET.layers(num_classes)))

    return Changed(**{field.name: getattr(RESNET, field.name) for field in fields(RESNET)})


def with_accuracy(**changes):
    return replace(
        RESNET, weights=(replace(WEIGHTS, accuracies=(replace(WEIGHTS.accuracies[0], **changes),)),)
    )


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (test_record_is_the_pytorch_definition, with_layout(lambda layers: (*layers[1::-1], *layers[2:]))),
        (test_record_is_the_pytorch_definition, with_layout(lambda layers: tuple(layers[:-1]))),
        (
            test_record_is_the_mindspore_definition,
            with_layout(lambda layers: (layers[0]._replace(bias=True), *layers[1:])),
        ),
        (
            test_parameter_count_is_that_of_layout_and_networks,
            with_layout(lambda layers: (layers[0]._replace(bias=True), *layers[1:])),
        ),
        (
            test_dialects,
            replace(RESNET, dialects=(RESNET.dialects[0], Dialect("other", "pytorch", {"{a}": "{a}"}))),
        ),
        (test_published_weights_are_complete, replace(RESNET, weights=(replace(WEIGHTS, dialect="none"),))),
        (test_published_weights_are_complete, replace(RESNET, weights=(replace(WEIGHTS, accuracies=()),))),
        (test_published_weights_are_complete, with_accuracy(top1_percent=0.697)),
        (test_published_weights_are_complete, with_accuracy(top1_percent=697.58)),
        (test_published_weights_are_complete, with_accuracy(source="a paper")),
        (test_published_weights_are_complete, with_accuracy(date="June 2022")),
        (test_preprocessing_is_complete, replace(RESNET, input_size_px=299)),
        (
            test_same_weights_as_is_mutual_and_true,
            replace(RESNET, same_weights_as=(OtherGraph("resnet34", "no reason", 0.02),)),
        ),
    ],
)
def test_the_checks_find_a_broken_record(check, broken):
    with pytest.raises((AssertionError, ValueError)):
        check(broken)
