"""The table of names is a shortcut: complete where it answers, silent where it is stale or does not know."""

import pytest

from tests.converters.checkpoints import dialect_of, hollow_checkpoint
from triport.converters.identification import identify, name_index
from triport.converters.identification.name_index import find_models, key_of
from triport.converters.names import canonical_shapes, name_map
from triport.reference_models.spec import all_models, get_model

MODELS = list(all_models().values())


def shapes_of(spec, dialect, num_classes=None):
    names = name_map(spec, dialect)
    return [(names[name], shape) for name, shape in canonical_shapes(spec, num_classes).items()]


@pytest.fixture
def fresh():
    name_index._table.cache_clear()
    yield
    name_index._table.cache_clear()


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_the_table_names_every_model_that_fits(spec):
    """What is named for a model's names holds all models whose names and shapes are the same."""
    for dialect in spec.dialects:
        wanted = shapes_of(spec, dialect, 7)
        same = {
            other.name
            for other in MODELS
            for theirs in other.dialects
            if len(canonical_shapes(other)) == len(wanted)
            and sorted(shapes_of(other, theirs, 7)) == sorted(wanted)
        }
        assert same <= {found.name for found in find_models(wanted)}


def test_only_the_family_in_question_is_looked_at():
    spec = get_model("resnet50")
    found = find_models(shapes_of(spec, dialect_of(spec, "mindcv")))
    assert [one.name for one in found][:2] == ["resnet50", "resnet50_mindcv"]
    assert all(one.family == "resnet" and one.name.startswith("resnet50") for one in found)


def test_names_that_are_not_in_it():
    assert find_models([("w", (1, 2, 3, 4))]) is None


def test_the_order_of_the_tensors_does_not_matter():
    shapes = shapes_of(MODELS[0], MODELS[0].dialects[0])
    assert key_of(shapes) == key_of(reversed(shapes))


def test_shapes_matter_but_not_the_number_of_classes():
    shapes = [("conv.weight", (64, 3, 7, 7)), ("fc.weight", (10, 64)), ("fc.bias", (10,))]
    assert key_of(shapes) == key_of([shapes[0], ("fc.weight", (9, 64)), ("fc.bias", (9,))])
    assert key_of(shapes) != key_of([("conv.weight", (64, 3, 3, 3)), *shapes[1:]])


@pytest.mark.parametrize("text", ["", "{}", '{"made_from": "0", "models": {}}'])
def test_a_stale_or_damaged_table_is_not_asked(tmp_path, monkeypatch, fresh, text):
    (tmp_path / "table.json").write_text(text)
    monkeypatch.setattr(name_index, "TABLE", tmp_path / "table.json")
    spec = get_model("resnet18")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "torchvision"))
    assert find_models((name, t.shape) for name, t in checkpoint.tensors.items()) is None
    assert identify.identify(checkpoint).spec is spec


def test_what_the_table_names_is_still_compared_in_full(monkeypatch):
    """A table that names another model costs time and changes nothing."""
    spec = get_model("resnet18")
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, "torchvision"))
    monkeypatch.setattr(identify, "find_models", lambda shapes: [get_model("resnet34")])
    with pytest.raises(identify.IdentifyError, match="Closest is resnet18"):
        identify.identify(checkpoint)
