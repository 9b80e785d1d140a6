"""Name tables: one to one in every model and dialect, and errors that say what to mend."""

from dataclasses import replace

import pytest

from triport.converters.names import NameMapError, NameRow, canonical_shapes, module_paths, name_map
from triport.reference_models.spec import Dialect, all_models, get_model

MODELS = list(all_models().values())
NAMINGS = [(spec, dialect) for spec in MODELS for dialect in spec.dialects]
FAMILY_DIALECTS = sorted({(spec.family, dialect.name) for spec, dialect in NAMINGS if dialect.rows})


@pytest.mark.parametrize(("spec", "dialect"), NAMINGS, ids=lambda value: value.name)
def test_every_name_has_one_counterpart(spec, dialect):
    names = name_map(spec, dialect)
    assert len(set(names.values())) == len(names)
    assert set(canonical_shapes(spec)) <= set(names)


@pytest.mark.parametrize(("family", "name"), FAMILY_DIALECTS)
def test_every_row_is_used_by_some_model(family, name):
    unused = None
    for spec, dialect in NAMINGS:
        if (spec.family, dialect.name) != (family, name):
            continue
        paths = [layer.path for layer in spec.layers()]
        rows = {
            (theirs, ours)
            for theirs, ours in dialect.rows.items()
            if not any(NameRow(theirs, ours).dialect_path(path) for path in paths)
        }
        unused = rows if unused is None else unused & rows
    assert not unused


@pytest.mark.parametrize(
    ("row", "canonical", "theirs"),
    [
        (
            NameRow("layer{s}.down_sample.{i}", "layer{s}.downsample.{i}"),
            "layer3.downsample.1",
            "layer3.down_sample.1",
        ),
        (NameRow("s{s+1}.b{b+1}", "stages.{s}.{b}"), "stages.0.12", "s1.b13"),
        (NameRow("stages.{s}.{b}", "s{s+1}.b{b+1}"), "s1.b13", "stages.0.12"),
        (NameRow("a{n}", "block{n+1}.block{n+1}"), "block3.block3", "a2"),
        (NameRow("a{n}", "block{n+1}.block{n+1}"), "block3.block4", None),
        (NameRow("head", "fc"), "fc.x", None),
    ],
)
def test_rows_map_placeholders_and_offsets(row, canonical, theirs):
    assert row.dialect_path(canonical) == theirs


def changed(rows):
    spec = get_model("resnet18")
    return replace(spec, dialects=(Dialect("mine", "mindspore", rows), *spec.dialects))


def test_a_path_without_a_row_is_named():
    rows = dict(get_model("resnet18").dialects[0].rows)
    del rows["layer{s}.{b}.down_sample.{i}"]
    spec = changed(rows)
    with pytest.raises(
        NameMapError, match=r"(?s)6 problems in 41.*layer2.0.downsample.0: no row matches.*spec.py"
    ):
        name_map(spec, spec.dialects[0])


def test_two_rows_for_one_path_are_named():
    spec = changed({**get_model("resnet18").dialects[0].rows, "head": "{any}"})
    with pytest.raises(NameMapError, match="fc: 2 rows match"):
        module_paths(spec, spec.dialects[0])


def test_two_paths_that_meet_are_named():
    spec = changed({**get_model("resnet18").dialects[0].rows, "layer{s}.{b}.conv{i}": "layer{s}.{b}.bn{i}"})
    rows = dict(spec.dialects[0].rows)
    rows["layer{s}.{b}.bn{i}"] = "layer{s}.{b}.conv{i}"
    rows["classifier"] = "fc"
    rows["conv1"] = "bn1"
    rows["bn1"] = "conv1"
    swapped = changed(rows)
    assert name_map(swapped, swapped.dialects[0])["conv1.weight"] == "bn1.weight"
    rows["bn1"] = "bn1"
    del rows["conv1"]
    rows["bn{x}"] = "conv{x}"
    meeting = changed(rows)
    with pytest.raises(NameMapError, match="bn1: 2 canonical paths map to it"):
        name_map(meeting, meeting.dialects[0])
