"""A NAMES.toml made to deceive or to exhaust: one clear message, exit code 2, and next to no memory."""

import json
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.reading import parsed_names
from triport.converters.naming.writing import names_text

sys.path.insert(0, str(Path(__file__).parent))
from maps import names_file, write_tensors

TENSORS = {
    "w": np.arange(16, dtype=np.float32).reshape(4, 4),
    "b": np.ones(4, np.float32),
    "c": np.ones(4, np.float32),
}
PLAIN = PairNames((PairRow(("w",), ("v",)), PairRow(("b",), ("d",)), PairRow(("c",), ("e",))))
GOOD = names_text(names_file(PLAIN, ("pytorch", "pytorch"), TENSORS))
GROW = ["repeat 64", f"concatenate 0 {':'.join('1' * 64)}"]
SHRINK = [f"split 0 {':'.join('1' * 64)}", "unify 64"]


def with_row(steps, a=("w",), b=("v",)):
    """Return the file whose first row has these steps."""
    row = f"\n[[rows]]\na = {json.dumps(a)}\nb = {json.dumps(b)}\nsteps = {json.dumps(steps)}\n"
    return GOOD.replace('"w" = "v"\n', "") + row


def replaced(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


STEPS = {
    "a size beyond any": (["reshape 4x4 to 16x999999999999999"], "have not as many values"),
    "no values": (["reshape 4x4 to 0x5", "reshape 0x5 to 4x4"], "have not as many values"),
    "a negative axis": (["transpose -1 0"], "expected whole numbers from 0 on"),
    "digits of another script": (["transpose \u0661 \u0660"], "expected whole numbers from 0 on"),
    "a zero byte": (["transpose 1\0 0"], "expected whole numbers from 0 on"),
    "an order too long": ([f"transpose {' '.join(map(str, range(400)))}"], "is no step"),
    "zeros that fill the memory": (
        ["insert 1 zeros 99999x99999", "remove 1 zeros 99999x99999"],
        "no network",
    ),
    "a kernel that fills the memory": (["pad 4x4 to 20000x20000", "crop 20000x20000 to 4x4"], "no network's"),
    "copies of copies": ([*GROW * 6, *SHRINK * 6], "no network's weights need that"),
    "copies that stay": (GROW * 3, "no network keeps so much more|need that"),
    "more axes than an array has": (["unsqueeze 0"] * 31, "makes 33 axes, and a tensor has at most 32"),
    "parts of an axis beyond all": (
        [f"regroup 0 {'x'.join(['1'] * 40)}x4 by {' '.join(map(str, range(41)))}"],
        "makes 42 axes, and a tensor has at most 32",
    ),
    "an axis beyond all": (["unsqueeze 999999999999"], "leaves a gap"),
    "steps within steps": (["only 0 1 do only 0 1 do transpose 1 0"], "expected a step for one tensor"),
    "a step for a tensor that is not there": (["only 5 1 do transpose 1 0"], "is of 6 tensors or more"),
    "an epsilon that is no number": (["fold_batch_norm 0 nan"], "expected an epsilon"),
    "a step of an escape": (["\x1b[2Jtranspose 1 0"], "is no step"),
    "no step": ([""], "is no step"),
}
FILES = {
    "a row twice": (GOOD + '\n[[rows]]\na = ["w"]\nb = ["x"]\n', "stands in more than one place"),
    "a tensor that two rows make": (
        GOOD + '\n[[rows]]\na = ["q"]\nb = ["v"]\n',
        "stands in more than one place",
    ),
    "a tensor twice in a row": (with_row(["concatenate 0 1:1"], ["w", "w"]), "stands in more than one place"),
    "rows in a circle": (
        GOOD + '\n[[rows]]\na = ["v"]\nb = ["w"]\n\n[[rows]]\na = ["x"]\nb = ["x"]\n',
        "has the names of neither network",
    ),
    "an empty row": (GOOD + "\n[[rows]]\na = []\nb = []\n", "its steps make 0 tensors"),
    "a name of a novel's length": (replaced('"v"', f'"{"v" * 5000}"'), "at most 2,000 characters"),
    "a key of 20,000 parts": (
        f"{GOOD}\n{'.'.join(['a'] * 20_000)} = 1\n",
        "line [0-9]+: has a key of more than 16",
    ),
    "a table of 20,000 parts": (f"{GOOD}\n[{'.'.join(['a'] * 20_000)}]\n", "has a key of more than 16 parts"),
    "such a key behind a quoted one": (
        f"{GOOD}\n'\\'.{'.'.join(['a'] * 20_000)} = 1\n",
        "has a key of more than 16 parts",
    ),
    "arrays in arrays": (f"{GOOD}\nx = {'[' * 50_000}{']' * 50_000}\n", "is no TOML"),
    "a number of 50,000 digits": (replaced("schema = 1", f"schema = {'9' * 50_000}"), "is no TOML"),
    "names without end": (
        replaced("[names]", '[values]\n"i.j.k" = ["0-9999.0-9999.0-9999"]\n[names]'),
        "for more than",
    ),
    "a number below zero": (
        replaced("[names]", '[values]\n"i" = ["0-3"]\n[names]\n"x{i-9}" = "y{i}"'),
        "makes negative",
    ),
    "left parameters under a proof": (GOOD + '\n[left]\na = ["z"]\n', "the map is not complete"),
    "a runtime of one's own": (replaced('runtime = "pytorch"', 'runtime = "sh"'), "known are pytorch"),
}
HOSTILE = {name: (with_row(steps), match) for name, (steps, match) in STEPS.items()} | FILES


@pytest.fixture
def source(tmp_path):
    return write_tensors(tmp_path / "a.pth", "pytorch", TENSORS)


def converted(run_cli, source, text):
    names = source.parent / "NAMES.toml"
    names.write_text(text, encoding="utf-8")
    output = source.parent / "b.pth"
    return run_cli(
        "convert", source, "--names", names, "--to", "pytorch", "--into", "b", "-o", output
    ), output


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_in_plain_words(name, source, run_cli):
    text, match = HOSTILE[name]
    tracemalloc.start()
    try:
        done, output = converted(run_cli, source, text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.exit_code == 2, done.output
    said = " ".join(done.stderr.split())
    assert "bug of triport" not in said and "Traceback" not in said
    assert re.search(match, said), said
    assert all(letter.isprintable() for letter in said)
    assert most < 32_000_000
    assert not output.exists()


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("equal = true", "equal = true\nneeded_tolerance = 0.5\ntolerance = 1e-6", "its figures do not"),
        ("equal = true", "equal = true\nneeded_tolerance = nan\ntolerance = nan", "its figures do not"),
        ("trials = 3", "trials = -3", "nothing has shown"),
        ("proven = true", "proven = false", "nothing has shown"),
        ('rows_sha256 = "', 'rows_sha256 = "0', "somebody changed the file"),
        ('"w" = "v"', '"w" = "../../v"', "somebody changed the file"),
    ],
)
def test_a_proof_that_somebody_edited_is_none(old, new, match, source, run_cli):
    text = replaced(old, new)
    assert not parsed_names(text).is_proven
    done, _ = converted(run_cli, source, text)
    assert done.exit_code == 0
    assert "NOT PROVEN" in done.output and match in " ".join(done.output.split())


def test_the_map_of_another_network_says_that_nothing_was_shown_of_these_shapes(source, run_cli):
    done, _ = converted(run_cli, source, replaced('shapes_sha256 = "', 'shapes_sha256 = "0'))
    assert done.exit_code == 0
    assert "nothing was shown of these" in " ".join(done.output.split())
