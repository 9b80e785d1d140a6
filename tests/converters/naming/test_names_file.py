"""NAMES.toml: what is written reads back, short where names allow it; what is read is not believed."""

import os
import re

import numpy as np
import pytest

from triport.converters.formats import FormatError
from triport.converters.names import get_dialect, name_map
from triport.converters.naming.constant_steps import Insert
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.patterns import PatternError, filled, read_values, value_texts
from triport.converters.naming.reading import parsed_names, read_names
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest, shapes_digest
from triport.converters.naming.steps import Concatenate, Transpose
from triport.converters.naming.toml_table import NamesFileError
from triport.converters.naming.writing import names_text, quoted, write_names
from triport.reference_models.spec import get_model


def names_file(names, **proof):
    """Return the file of a map that was proven."""
    shown = {"proven": True, "equal": True, "trials": 3, "rows_sha256": rows_digest(names), **proof}
    return NamesFile(
        names,
        NamedSide("a.py:net", "pytorch", "PyTorch 2.13"),
        NamedSide("b.py:net", "mindspore"),
        MapProof(**shown),
    )


def of_dialects(model, mindspore, pytorch):
    spec = get_model(model)
    first = name_map(spec, get_dialect(spec, mindspore, "mindspore"))
    second = name_map(spec, get_dialect(spec, pytorch, "pytorch"))
    return PairNames(tuple(PairRow((first[name],), (second[name],)) for name in first))


TRANSFORMER = PairNames(
    (
        *(
            PairRow(
                tuple(f"h.{block}.{one}.weight" for one in "qkv"),
                (f"blocks.{block}.attn.qkv.weight",),
                (Transpose((1, 0)), Concatenate(0, (8, 8, 8))),
                "gradient",
            )
            for block in range(12)
        ),
        PairRow((), ("head.bias",), (Insert(0, "zeros", (10,)),), "a has none"),
        PairRow(("wte",), ("embed.weight",)),
    ),
    kept_b=(("blocks.0.mask", "derived from the length"),),
)
ODD = PairNames(
    (
        PairRow(('a"b\\c',), ("{x}{{1}}",)),
        PairRow(("line\nend\x1b[31m\x7f",), ("\u202egnp.\U0001f600",)),
        PairRow(("",), (" ",)),
        PairRow(("001", "x01.1"), ("1", "x1.01")),
        PairRow(("99999999999999999999.w",), ("9" * 12,)),
        *(PairRow((f"p{one}",), (f"q{(one * 7) % 20}",)) for one in range(20)),
        *(PairRow((f"l{one + 1}.{one % 3}",), (f"m{one}.{{{one}}}",)) for one in range(9)),
    )
)


@pytest.mark.parametrize(
    ("names", "most_lines"),
    [
        (of_dialects("res2net50", "mindcv", "timm"), 60),
        (of_dialects("regnet_x_800mf", "mindcv", "torchvision"), 90),
        (of_dialects("inception_v4", "mindcv", "timm"), 100),
        (TRANSFORMER, 50),
        (ODD, 60),
        (PairNames((PairRow(("a",), ("b",)),), ("left.1", "left.2"), ("l",)), 40),
    ],
    ids=["res2net50", "regnet", "inception", "transformer", "odd names", "not complete"],
)
def test_a_file_reads_back(names, most_lines):
    given = names_file(
        names,
        needed_tolerance=3.25e-7,
        tolerance=8e-6,
        inputs=("x=1x3x224x224",),
        unproven=("a.1",),
        symmetric=(("a", "b"), ("c", "d")),
        parting=("pool", "maxpool", "padding (0, 1)"),
        date="2026-11-26",
        triport="0.1.0",
    )
    text = names_text(given)
    read = parsed_names(text)
    assert {(row.a, row.b, row.steps) for row in read.names.rows} == {
        (row.a, row.b, row.steps) for row in names.rows
    }
    assert len(read.names.rows) == len(names.rows)
    assert (read.names.left_a, read.names.left_b) == (names.left_a, names.left_b)
    assert (read.names.kept_a, read.names.kept_b) == (names.kept_a, names.kept_b)
    assert (read.a, read.b, read.proof) == (given.a, given.b, given.proof)
    assert not read.is_changed
    assert text.count("\n") < most_lines
    assert text.isascii() or text.isprintable() or all(c.isprintable() or c == "\n" for c in text)


def test_placeholders_are_those_of_the_dialects_rows():
    text = names_text(names_file(of_dialects("res2net50", "mindcv", "timm")))
    assert '"layer{i}.{j}.bn{k}.moving_mean" = "layer{i}.{j}.bn{k}.running_mean"' in text
    assert "{i-1}" in names_text(names_file(of_dialects("inception_v4", "mindcv", "timm")))


@pytest.mark.parametrize("seed", range(30))
def test_any_numbers_read_back_from_ranges(seed):
    random = np.random.default_rng(seed)
    width = int(random.integers(1, 4))
    values = {tuple(map(int, one)) for one in random.integers(0, 4, (int(random.integers(1, 40)), width))}
    texts = value_texts(sorted(values))
    read = read_values(texts, width)
    assert set(read) == values and len(read) == len(values)


@pytest.mark.parametrize("seed", range(30))
def test_any_renaming_reads_back(seed):
    random = np.random.default_rng(seed)
    first = [f"s{i}.{j}.w{k}" for i in range(3) for j in range(4) for k in range(2)]
    second = [f"t{i}.{j}" for i in range(4) for j in range(6)]
    if seed % 2:
        random.shuffle(second)
    kept = random.permutation(24)[: int(random.integers(1, 25))]
    names = PairNames(tuple(PairRow((first[one],), (second[one],)) for one in kept))
    assert rows_digest(parsed_names(names_text(names_file(names))).names) == rows_digest(names)


# --- what is not believed ---

GOOD = names_text(names_file(TRANSFORMER, parting=("pool", "maxpool", ""), symmetric=(("a", "b"),)))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("schema = 1", "schema = 2", "reads 1"),
        ("schema = 1", "schema = true", "'schema' is true or false, expected a whole number"),
        ("schema = 1", "", "lacks the key 'schema'"),
        ("schema = 1", "schema = 1\nformat = 3", "unknown key 'format'"),
        ("[a]\n", "[a]\nweights = 'x'\n", r"\[a\] has the unknown key 'weights'"),
        ("[proof]\n", "[proof]\nproved = true\n", r"\[proof\] has the unknown key 'proved'"),
        ("[[rows]]\n", "[[rows]]\nstep = []\n", r"\[\[rows\]\] 1 has the unknown key 'step'"),
        ("proven = true", "proven = 'yes'", "'proven' is a text, expected true or false"),
        ('runtime = "pytorch"', 'runtime = "jax"', "known are pytorch, mindspore, onnx"),
        ("transpose 1 0", "transpose 1 1", r"\[\[rows\]\] 1: 'steps': 'transpose 1 1'"),
        ("transpose 1 0", "import os", "is no step"),
        ('"concatenate 0 1:1:1"', '"split 0 1:1:1"', "its steps make 3 tensors of 3, and b has 1"),
        ('["0-11"]', '["0-11", "3"]', "twice"),
        ('["0-11"]', '["0-x"]', "expected a number or a range"),
        ('["0-11"]', '["0-999999999"]', "more than 20,000"),
        ('["0-11"]', '["11-0"]', "stands for none"),
        ('"i" = ', '"j" = ', r"\[values\] has no key 'i'"),
        ("blocks.{i}.attn", "blocks.{i-1}.attn", "makes negative"),
        ("blocks.{i}.attn", "blocks.{i.attn", "a brace is a placeholder"),
        ("blocks.{i}.attn", "blocks.3.attn", "12 times"),
        ('"embed.weight"', '"head.bias"', "head.bias: 2 times"),
        ('"embed.weight"', '["embed.weight"]', "is a list, expected a text"),
        ("[names]", "[names", "is no TOML"),
        ("\n[kept.b]", "\n[kept.c]\n[kept.b]", r"\[kept\] has the unknown key 'c'"),
        ("\n[kept.b]", "\n[left]\na = [3]\n[kept.b]", "expected texts"),
        ('a = "pool"', 'x = "pool"', r"\[proof.parting\] has the unknown key 'x'"),
        ('[["a", "b"]]', '[["a", 3]]', "expected texts"),
        ('[["a", "b"]]', '"a"', "'symmetric' is a text, expected a list"),
    ],
)
def test_what_no_such_file_has_is_an_error_that_names_the_key(old, new, match):
    assert old in GOOD
    with pytest.raises(NamesFileError, match=match):
        parsed_names(GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1",
        "x = " + "[" * 100_000,
        "[a." + "b." * 50_000 + "c]",
        "schema = 1\n[a]\nnet = 3",
        "schema = 99999999999999999999999999999999",
    ],
    ids=["empty", "nothing else", "deep lists", "deep tables", "wrong", "large"],
)
def test_damaged_files_are_one_error(text):
    with pytest.raises(NamesFileError) as error:
        parsed_names(text)
    assert len(str(error.value)) < 400


def test_errors_name_the_file_and_hide_control_codes(tmp_path):
    path = tmp_path / "NAMES.toml"
    path.write_text(GOOD.replace("schema = 1", 'schema = 1\n"\\u001b[31m" = 1'))
    with pytest.raises(NamesFileError, match=re.escape(f"{path}: the file has the unknown key")) as error:
        read_names(path)
    assert "\x1b" not in str(error.value)


def test_what_is_no_text_or_no_file_or_too_large(tmp_path):
    path = tmp_path / "NAMES.toml"
    path.write_bytes(b"schema = 1 # \xff")
    with pytest.raises(NamesFileError, match="UTF-8"):
        read_names(path)
    os.truncate(path, 9_000_000)  # sparse
    with pytest.raises(NamesFileError, match="at most 8,000,000"):
        read_names(path)
    with pytest.raises(FormatError, match="no such file"):
        read_names(tmp_path / "none.toml")


def test_a_map_that_somebody_changed_is_not_called_proven():
    read = parsed_names(GOOD)
    assert read.is_proven and read.standing.startswith("proven")
    changed = parsed_names(GOOD.replace('"embed.weight"', '"embeds.weight"'))
    assert not changed.is_proven
    assert (
        changed.standing == "NOT PROVEN: its rows are not those that were proven; somebody changed the file"
    )


@pytest.mark.parametrize(
    ("names", "proof", "standing"),
    [
        (TRANSFORMER, {"date": "2026-11-26"}, "proven on 2026-11-26: outputs equal in 3 trials"),
        (
            TRANSFORMER,
            {"needed_tolerance": 3e-7, "tolerance": 8e-6},
            "proven: outputs equal in 3 trials (3e-07 of 8e-06 allowed)",
        ),
        (
            TRANSFORMER,
            {"equal": False, "parting": ("pool", "maxpool", "padding")},
            "proven, for two networks that compute something else: same weights, another graph, first in "
            "pool and maxpool (padding)",
        ),
        (TRANSFORMER, {"proven": False}, "NOT PROVEN: nothing has shown that these rows are right"),
        (
            PairNames((), ("x",)),
            {},
            "NOT PROVEN and not complete: 1 and 0 parameters of the two networks are in no row",
        ),
        (
            TRANSFORMER,
            {"unproven": ("wte",)},
            "proven: outputs equal in 3 trials; 1 parameter changes no output, all or in part, "
            "and is not proven",
        ),
    ],
)
def test_what_is_said_of_a_map(names, proof, standing):
    found = names_file(names, **proof)
    assert found.standing == standing
    assert found.is_proven == standing.startswith("proven")


def test_a_name_that_is_no_text_is_not_written(tmp_path):
    path = tmp_path / "NAMES.toml"
    path.write_text("before")
    with pytest.raises(NamesFileError, match="half of a character"):
        write_names(path, names_file(PairNames((PairRow(("a\ud800",), ("b",)),))))
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_patterns():
    assert filled("a{{{i+2}}}.{j}", {"i": 1, "j": 0}) == "a{3}.0"
    with pytest.raises(PatternError, match="brace"):
        filled("a{", {})
    assert quoted('a"\n\u202e') == '"a\\"\\U0000000a\\U0000202e"'


def test_the_digest_of_shapes_is_of_names_and_shapes_alone():
    assert shapes_digest({"a": (1, 2), "b": ()}) == shapes_digest({"b": (), "a": [np.int64(1), 2]})
    assert shapes_digest({"a": (1, 2)}) != shapes_digest({"a": (2, 1)})
