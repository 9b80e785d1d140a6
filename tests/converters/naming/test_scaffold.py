"""`pair --scaffold`: what it writes is a family's own form, and its rows are right for every name."""

import importlib.util
import sys
from pathlib import Path

import pytest

from triport.converters import names as names_module
from triport.converters.names import (
    canonical_shapes,
    get_dialect,
    module_paths,
    name_map,
    reference_dialect,
)
from triport.converters.naming.dialect_rows import dialect_rows
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest
from triport.converters.naming.scaffold import ScaffoldError, check_family, scaffold_of
from triport.converters.naming.steps import Transpose
from triport.reference_models import layouts
from triport.reference_models.spec import get_model


def pair_of(model, runtimes=("mindspore", "pytorch")):
    """Return the map of a model's two definitions, and the shapes of both."""
    spec = get_model(model)
    shapes = canonical_shapes(spec)
    sides = [name_map(spec, reference_dialect(spec, runtime)) for runtime in runtimes]
    names = PairNames(tuple(PairRow((sides[0][name],), (sides[1][name],)) for name in shapes))
    proof = MapProof(True, True, trials=3, rows_sha256=rows_digest(names))
    found = NamesFile(names, *(NamedSide(f"{one}.py:net", one) for one in runtimes), proof)
    return found, tuple({side[name]: shape for name, shape in shapes.items()} for side in sides)


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Write a scaffold and return the ModelSpec of its spec.py, with the layout that lies beside it."""

    def load(scaffold):
        folder = tmp_path / scaffold.family
        scaffold.write(folder)
        monkeypatch.setattr(layouts, "path_of", lambda family: tmp_path / family / layouts.FILE)
        layouts.stored_layers.cache_clear()
        layouts._sections.cache_clear()
        for text in ("__init__", "spec"):
            place = importlib.util.spec_from_file_location(f"scaffold_{text}", folder / f"{text}.py")
            module = importlib.util.module_from_spec(place)
            monkeypatch.setitem(sys.modules, place.name, module)
            place.loader.exec_module(module)
        return module.MODELS[0]

    yield load
    for cached in (layouts.stored_layers, layouts._sections, names_module.name_map):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("model", "most_rows"),
    [
        ("res2net_digits", 12),
        ("res2net50_v1b", 12),
        ("regnet_x_800mf", 36),
        ("inception_v4", 60),
        ("resnet50", 12),
    ],
)
def test_its_names_and_shapes_are_the_models(loaded, model, most_rows):
    found, shapes = pair_of(model)
    scaffold = scaffold_of(found, shapes, f"again_{model}", 224)
    assert scaffold.notes == ()
    again, spec = loaded(scaffold), get_model(model)
    assert again.layers() == spec.layers()
    assert again.layers(7) == spec.layers(7)  # the number of classes is one
    theirs = reference_dialect(again, "mindspore")
    assert module_paths(again, theirs) == module_paths(spec, reference_dialect(spec, "mindspore"))
    assert name_map(again, theirs) == name_map(spec, reference_dialect(spec, "mindspore"))
    assert len(theirs.rows) <= most_rows


def test_rows_are_those_that_a_person_writes():
    spec = get_model("res2net50_v1b")
    rows = dialect_rows(module_paths(spec, get_dialect(spec, "mindcv", "mindspore")))
    assert rows["layer{i}.{j}.convs.{k}"] == "layer{i}.{j}.convs.{k}"
    assert rows["layer1.0.down_sample.{i-1}"] == "layer1.0.downsample.{i}"


@pytest.mark.parametrize("seed", range(20))
def test_any_paths_are_led_right(seed):
    import numpy as np

    from triport.converters.names import NameRow as DialectRow

    random = np.random.default_rng(seed)
    mine = [f"a{i}.{j}.c" for i in range(4) for j in range(5)]
    other = [f"b.{i}.x{j}" for i in range(5) for j in range(4)]
    if seed % 2:
        random.shuffle(other)
    paths = dict(zip(mine, other[: len(mine)], strict=True))
    rows = [DialectRow(theirs, ours) for theirs, ours in dialect_rows(paths).items()]
    for path, there in paths.items():
        assert [hit for row in rows if (hit := row.dialect_path(path)) is not None] == [there]


def test_what_rows_cannot_say_is_left_to_a_person(loaded):
    found, shapes = pair_of("res2net_digits")
    rows = [
        PairRow(row.a, row.b, (Transpose((1, 0)),)) if row.b == ("fc.weight",) else row
        for row in found.names.rows
    ]
    rows.append(PairRow(("scale",), ("scale",)))
    shapes[1]["scale"] = (1,)
    shapes[1]["norm.weight"] = (3,)
    names = PairNames((*rows, PairRow(("norm.gamma",), ("norm.weight",))))
    changed = NamesFile(names, found.a, found.b, found.proof)
    scaffold = scaffold_of(changed, shapes, "odd", 32)
    assert any("fc.weight: lies otherwise in the other network (transpose 1 0)" in n for n in scaffold.notes)
    assert any("scale: of no kind" in note for note in scaffold.notes)
    assert any("norm.weight: of no kind" in note for note in scaffold.notes)
    text = scaffold.files["spec.py"]
    assert "NOT PROVEN" in text and "# TODO: scale: of no kind" in text
    assert len(loaded(scaffold).layers()) == len(get_model("res2net_digits").layers())


def test_a_text_from_a_network_cannot_become_code(loaded):
    found, shapes = pair_of("res2net_digits")
    evil = 'x"""\nraise SystemExit\n"""\u2028'
    changed = NamesFile(found.names, NamedSide(evil, "mindspore"), NamedSide(evil, "pytorch"), found.proof)
    assert loaded(scaffold_of(changed, shapes, "evil", 32)).name == "evil"


@pytest.mark.parametrize(
    ("folder", "match"),
    [
        ("my-net", "is a Python package"),
        ("class", "is a Python package"),
        (".", "is a Python package"),
        ("there", "name a new folder"),
        ("no/where", "name a new folder"),
    ],
)
def test_where_a_family_cannot_be(tmp_path, folder, match, run_cli):
    (tmp_path / "there").mkdir()
    with pytest.raises(ScaffoldError, match=match):
        check_family(tmp_path / folder if folder != "." else Path("/"))
    done = run_cli("pair", "a.py:a", "b.py:b", "--input", "1x3", "--scaffold", tmp_path / folder)
    assert done.exit_code == 2 and "a.py" not in done.output


def test_canonical_names_are_pytorchs():
    found, shapes = pair_of("res2net_digits", ("mindspore", "mindspore"))
    with pytest.raises(ScaffoldError, match="canonical names are PyTorch's"):
        scaffold_of(found, shapes, "net", 32)


def test_a_map_that_is_not_complete_is_no_family():
    found, shapes = pair_of("res2net_digits")
    less = PairNames(found.names.rows[1:], found.names.rows[0].a, found.names.rows[0].b)
    with pytest.raises(ScaffoldError, match="not complete"):
        scaffold_of(NamesFile(less, found.a, found.b, found.proof), shapes, "net", 32)


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    found, shapes = pair_of("res2net_digits")
    (tmp_path / "net").mkdir()
    with pytest.raises(ScaffoldError, match="name a new folder"):
        scaffold_of(found, shapes, "net", 32).write(tmp_path / "net")
    assert list((tmp_path / "net").iterdir()) == []
