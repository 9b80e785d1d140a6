"""Model, dialect and number of classes are found from names and shapes alone."""

import pytest

from tests.converters.checkpoints import Hollow, dialect_of, hollow_checkpoint
from triport.converters.formats import Checkpoint
from triport.converters.identification.identify import IdentifyError, candidates, identify
from triport.converters.provenance import MODEL_KEY
from triport.reference_models.spec import all_models, get_model

MODELS = list(all_models().values())
NAMINGS = [(spec, dialect) for spec in MODELS for dialect in spec.dialects]


@pytest.mark.parametrize(("spec", "dialect"), NAMINGS, ids=lambda value: value.name)
@pytest.mark.parametrize("num_classes", [10, 1000, 1001])
def test_every_model_is_found(spec, dialect, num_classes):
    checkpoint = hollow_checkpoint(spec, dialect, num_classes)
    found = {one.spec.name: one for one in candidates(checkpoint)}
    assert set(found) == {
        spec.name,
        *(other.model for other in spec.same_weights_as if _reads(other.model, dialect)),
    }
    assert found[spec.name].num_classes == num_classes
    assert found[spec.name].dialect.runtime == dialect.runtime
    assert identify(checkpoint, spec.name).spec is spec


def _reads(model, dialect):
    return any((d.name, d.runtime) == (dialect.name, dialect.runtime) for d in get_model(model).dialects)


@pytest.mark.parametrize(
    ("model", "dialect", "expected"),
    [
        ("resnet50", "torchvision", "resnet50"),
        ("resnet50", "mindcv", "resnet50_mindcv"),
        ("resnet50_mindcv", "mindcv", "resnet50_mindcv"),
        ("res2net50", "mindcv", "res2net50"),
        ("res2net50_v1b", "timm", "res2net50_v1b"),
        ("regnet_x_800mf", "mindcv-structural", "regnet_x_800mf"),
        ("tf_efficientnet_lite1", "efficientnet-lite-pytorch", "tf_efficientnet_lite1"),
    ],
)
def test_the_publisher_of_the_names_decides_between_graphs(model, dialect, expected):
    spec = get_model(model)
    assert identify(hollow_checkpoint(spec, dialect_of(spec, dialect))).spec.name == expected


def test_weights_that_fit_two_graphs_are_not_guessed():
    spec = get_model("tf_efficientnet_lite0")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "timm"))
    with pytest.raises(IdentifyError, match=r"--model .*efficientnet_lite0"):
        identify(checkpoint)
    checkpoint.metadata[MODEL_KEY] = "efficientnet_lite0"
    assert identify(checkpoint).spec.name == "efficientnet_lite0"


def test_counters_may_be_missing():
    spec = get_model("resnet18")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "torchvision"))
    for name in [name for name in checkpoint.tensors if name.endswith("num_batches_tracked")]:
        del checkpoint.tensors[name]
    assert identify(checkpoint).spec is spec


def test_constants_of_a_graph_are_dropped_with_a_reason():
    spec = get_model("res2net50")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "timm"))
    tensors = {name: t for name, t in checkpoint.tensors.items() if not name.endswith("num_batches_tracked")}
    tensors["pads"] = Hollow((8,), "int64")
    found = identify(Checkpoint(checkpoint.path, "onnx", "onnx", tensors))
    assert found.dropped == (("pads", "a constant of the graph, not a parameter"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.pop("layer1.0.conv1.weight"),
            r"layer1.0.conv1.weight: missing, expected \(64, 64, 3, 3\)",
        ),
        (
            lambda t: t.update(extra=Hollow((3, 4))),
            r"extra: \(3, 4\) float32, which resnet18\w* does not have",
        ),
        (lambda t: t.update({"bn1.gamma": Hollow((65,))}), r"bn1.gamma: shape \(65,\), expected \(64,\)"),
        (
            lambda t: t.update({"bn1.gamma": Hollow((64,), "float16")}),
            "bn1.gamma: dtype float16, expected float32",
        ),
    ],
)
@pytest.mark.parametrize("model", [None, "resnet18"])
def test_what_does_not_fit_is_named(change, message, model):
    spec = get_model("resnet18")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "mindcv"))
    change(checkpoint.tensors)
    with pytest.raises(IdentifyError, match=f"(?s)Closest is resnet18.*10[12] of 102.*{message}"):
        identify(checkpoint, model)


def test_another_model_than_said():
    spec = get_model("res2net50")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "mindcv"))
    with pytest.raises(IdentifyError, match="is not a checkpoint of inception_v4"):
        identify(checkpoint, "inception_v4")


def test_nothing_known():
    checkpoint = Checkpoint(hollow_checkpoint(MODELS[0], MODELS[0].dialects[0]).path, "ckpt", "mindspore", {})
    checkpoint.tensors["something.weight"] = Hollow((3, 3))
    with pytest.raises(IdentifyError, match=r"fits no known model.*something.weight"):
        identify(checkpoint)
