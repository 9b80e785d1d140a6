"""`parity NET NET --names`: networks whose parameters have other names, or lie otherwise."""

import json

import pytest
import torch

from tests.parity.nets.paired import Apart, Packed
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.reading import read_names
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest
from triport.converters.naming.steps import Concatenate, Transpose
from triport.converters.naming.writing import write_names

MODULE = "tests.parity.nets.paired"
ROWS = (
    *(
        PairRow(tuple(f"{one}.{leaf}" for one in "qkv"), (f"qkv.{leaf}",), (Concatenate(0, (1, 1, 1)),))
        for leaf in ("weight", "bias")
    ),
    *(
        PairRow((f"norm.{leaf}",), (f"bn.{leaf}",))
        for leaf in ("weight", "bias", "running_mean", "running_var")
    ),
    PairRow(("out.weight",), ("head",), (Transpose((1, 0)),)),
)
# q and k exchanged; the mean and the bias of the norm
WRONG = (
    PairRow(("k.weight", "q.weight", "v.weight"), ("qkv.weight",), (Concatenate(0, (1, 1, 1)),)),
    *ROWS[1:3],
    PairRow(("norm.bias",), ("bn.running_mean",)),
    PairRow(("norm.running_mean",), ("bn.bias",)),
    *ROWS[5:],
)


@pytest.fixture
def write(tmp_path):
    """Write a map and return its path."""

    def written(rows=ROWS, proven=True):
        names = PairNames(tuple(rows))
        proof = MapProof(proven, proven, trials=3, rows_sha256=rows_digest(names))
        path = tmp_path / "NAMES.toml"
        write_names(path, NamesFile(names, NamedSide("a", "pytorch"), NamedSide("b", "pytorch"), proof))
        return path

    return written


@pytest.fixture
def parity(run_cli):
    def run(*words, expect=0):
        words = (*words, "--input", "2x5x6", "--runtimes", "pytorch,onnx", "--json", "-")
        done = run_cli("parity", *words)
        assert done.exit_code == expect, done.output
        return json.loads(done.stdout)["models"][0] if expect < 2 else done.stderr

    return run


@pytest.mark.parametrize("order", [("Apart", "Packed"), ("Packed", "Apart")])
def test_both_are_compared_whichever_is_named_first(parity, write, order):
    first, second = (f"{MODULE}:{name}" for name in order)
    report = parity(first, second, "--names", write())
    assert report["passed"] and "proven: outputs equal in 3 trials" in report["weights"]
    assert {pair["candidate"] for pair in report["pairs"]} >= {"pytorch", f"pytorch ({second})"}


@pytest.mark.parametrize("which", [0, 3])
def test_a_wrong_map_is_not_equal_whatever_it_says_of_itself(parity, write, which):
    rows = (*ROWS[:which], *WRONG[which:])
    report = parity(f"{MODULE}:Apart", f"{MODULE}:Packed", "--names", write(rows), expect=1)
    [wrong] = [pair for pair in report["pairs"] if not pair["passed"]]
    assert wrong["candidate"] == f"pytorch ({MODULE}:Packed)"


def test_a_map_that_is_not_proven_is_said(parity, write):
    report = parity(f"{MODULE}:Apart", f"{MODULE}:Packed", "--names", write(proven=False))
    assert "NOT PROVEN" in report["weights"]


@pytest.mark.parametrize("net", [Apart, Packed])
def test_weights_may_be_those_of_either(parity, write, tmp_path, net):
    path = tmp_path / "weights.pth"
    torch.save(net().state_dict(), path)
    report = parity(f"{MODULE}:Apart", f"{MODULE}:Packed", path, "--names", write())
    assert report["passed"] and report["weights"].startswith(str(path))


@pytest.mark.parametrize(
    ("words", "rows", "match"),
    [
        ([f"{MODULE}:Apart", f"{MODULE}:Apart"], ROWS, "is not the map of"),
        (
            [f"{MODULE}:Apart", f"{MODULE}:Packed"],
            ROWS[1:],
            "k.weight: only in tests.parity.nets.paired:Apart",
        ),
        (
            [f"{MODULE}:Apart", f"{MODULE}:Packed"],
            (*ROWS[:-1], PairRow(("out.weight",), ("head",))),
            "out.weight: becomes [(4, 6)], and tests.parity.nets.paired:Packed has [(6, 4)]",
        ),
    ],
    ids=["other networks", "a row lacks", "a step lacks"],
)
def test_a_map_of_other_networks_is_refused(parity, write, words, rows, match):
    assert match in parity(*words, "--names", write(rows), expect=2).replace("\n", " ")


def test_it_is_for_networks_of_the_users_own(run_cli, write):
    done = run_cli("parity", "res2net_digits", "--names", write())
    assert done.exit_code == 2 and "--input" in done.output


def test_pair_finds_this_map(run_cli, tmp_path):
    path = tmp_path / "NAMES.toml"
    done = run_cli("pair", f"{MODULE}:Apart", f"{MODULE}:Packed", "--input", "2x5x6", "-o", path)
    assert done.exit_code == 0, done.output
    assert f"{path}: proven" in done.output.replace("\n", "")
    found = read_names(path)
    assert found.is_proven
    assert {(row.a, row.b, row.steps) for row in found.names.rows} == {(r.a, r.b, r.steps) for r in ROWS}


def test_pair_writes_the_start_of_a_family(run_cli, tmp_path):
    folder = tmp_path / "small"
    words = (f"{MODULE}:First", f"{MODULE}:Second", "--input", "2x3x8x8", "--scaffold", folder)
    done = run_cli("pair", *words)
    assert done.exit_code == 0, done.output
    assert "the start of a family" in done.output
    assert {path.name for path in folder.iterdir()} == {"__init__.py", "spec.py", "layouts.txt"}
    assert '"layers.0": "1"' in (folder / "spec.py").read_text()
    assert "  1 conv 4,3,3,3 bias\n  2 norm 4 bias\n  6 dense classes,4 bias" in (
        folder / "layouts.txt"
    ).read_text().replace("\n\n", "\n")


def test_gradients_by_a_map_are_refused(parity, write):
    words = (f"{MODULE}:Apart", f"{MODULE}:Packed", "--names", write(), "--gradients")
    assert "moves values, not yet gradients" in parity(*words, expect=2).replace("\n", " ")
