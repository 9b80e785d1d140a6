"""`convert --names`: weights of one network of a pair become the other's, checked, or nothing does."""

import json
import sys
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import triport
from triport.converters.formats import open_checkpoint
from triport.converters.naming.convert import NAMES_KEY
from triport.converters.naming.fitting import NamesFitError
from triport.converters.naming.one_way_steps import FoldBatchNorm
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.row_tensors import RowError
from triport.converters.naming.steps import Transpose

sys.path.insert(0, str(Path(__file__).parent))
from maps import ROWS, arrays, names_file, write_map, write_tensors

from triport.converters.naming.constant_steps import Insert, Repeat


def values_of(path):
    return {name: tensor.numpy() for name, tensor in open_checkpoint(path).tensors.items()}


def same(found, expected):
    assert {name: (array.shape, array.dtype, array.tobytes()) for name, array in found.items()} == {
        name: (array.shape, array.dtype, np.ascontiguousarray(array).tobytes())
        for name, array in expected.items()
    }


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("there", [".ckpt", ".safetensors"])
def test_there_and_back_is_the_same_file_of_tensors(tmp_path, run_cli, suffix, there):
    names, given = write_map(tmp_path), arrays()
    source = write_tensors(tmp_path / f"source{suffix}", "pytorch", given)
    moved, back = tmp_path / f"moved{there}", tmp_path / f"back{suffix}"
    done = run_cli("convert", source, "--names", names, "--to", "mindspore", "-o", moved)
    assert done.exit_code == 0, done.output
    assert "proven: outputs equal in 3 trials" in done.output and "bit-equal" in done.output
    same(values_of(moved), ROWS.forward(given))
    done = run_cli("convert", moved, "--names", names, "--to", "pytorch", "-o", back)
    assert done.exit_code == 0, done.output
    same(values_of(back), given)
    assert list(values_of(back))[:4] == list(given)[:4]


def test_the_json_says_what_was_done(tmp_path, run_cli):
    names = write_map(tmp_path)
    given = {**arrays(), "mask": np.ones(3, bool), "norm.num_batches_tracked": np.array(7)}
    source = write_tensors(tmp_path / "source.pth", "pytorch", given)
    output = tmp_path / "moved.ckpt"
    done = run_cli("convert", source, "--names", names, "--to", "mindspore", "-o", output, "--json", "-")
    found = json.loads(done.output)
    assert found["dropped"] == [
        {
            "name": "norm.num_batches_tracked",
            "reason": "counts training batches; the target has no such buffer",
        },
        {"name": "mask", "reason": "the other network makes its own: derived from the length"},
    ]
    assert found["round_trip"] == "bit-equal" and found["tensors_written"] == 9
    assert found["names"]["proven"] is True and found["names"]["from"] == "a"
    assert (found["from"], found["to"], found["dialect"]) == ("pytorch", "mindspore", "b.py:net")
    said = json.loads(open_checkpoint(output).metadata[NAMES_KEY])
    assert (said["from"], said["to"]) == ("a.py:net", "b.py:net") and len(said["sha256"]) == 64


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_the_type_is_kept_and_constants_get_it(tmp_path, dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    names = PairNames((*ROWS.rows, PairRow((), ("extra",), (Insert(0, "ones", (2,)),))))
    given = arrays(dtype=kind)
    source = write_tensors(tmp_path / "source.safetensors", "pytorch", given)
    output = tmp_path / "moved.safetensors"
    triport.convert(source, output, to="mindspore", names=write_map(tmp_path, names, tensors=given))
    found = values_of(output)
    assert {array.dtype for array in found.values()} == {kind}
    assert found["extra"].astype("float32").tolist() == [1, 1]


def test_values_are_converted_where_that_is_asked_for(tmp_path):
    source = write_tensors(tmp_path / "source.pth", "pytorch", arrays())
    output = tmp_path / "moved.ckpt"
    done = triport.convert(source, output, to="mindspore", names=write_map(tmp_path), dtype="float16")
    assert done.round_trip == "bit-equal to the values in float16"
    half = {name: array.astype("float16") for name, array in arrays().items()}
    same(values_of(output), ROWS.forward(half))


def test_counters_go_with_the_norm_they_are_of(tmp_path):
    names = PairNames(
        (
            PairRow(("bn.running_mean",), ("layer.0.norm.running_mean",)),
            PairRow(("bn.weight",), ("layer.0.norm.weight",)),
        )
    )
    given = {"bn.weight": np.ones(2, "f4"), "bn.running_mean": np.zeros(2, "f4")}
    source = write_tensors(
        tmp_path / "source.pth", "pytorch", {**given, "bn.num_batches_tracked": np.array(7)}
    )
    output = tmp_path / "moved.pth"
    path = write_map(tmp_path, names, runtimes=("pytorch", "pytorch"), tensors=given)
    triport.convert(source, output, to="pytorch", names=path)
    assert values_of(output)["layer.0.norm.num_batches_tracked"] == 7


# --- what is an error, and leaves every file as it was ---


def refused(tmp_path, run_cli, given, match, *options, names=None, to="mindspore", runtime="pytorch"):
    """Convert what is wrong, and look at the message and the output that was there."""
    source = write_tensors(tmp_path / "source.safetensors", runtime, given)
    output = tmp_path / "moved.safetensors"
    output.write_text("before")
    names = write_map(tmp_path) if names is None else names
    done = run_cli("convert", source, "--names", names, "--to", to, "-o", output, *options)
    assert done.exit_code == 2, done.output
    assert match in done.output.replace("\n", " "), done.output
    assert "Traceback" not in done.output
    assert output.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {
        "source.safetensors",
        "moved.safetensors",
        "NAMES.toml",
    }


def changed(**more):
    return {**arrays(), **more}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({name: array for name, array in arrays().items() if name != "norm.bias"}, "norm.bias: missing"),
        (changed(more=np.ones(2, "f4")), "more: (2,) float32, in no row"),
        ({"x": np.ones(2, "f4")}, "names of neither network"),
        (changed(**{"norm.bias": np.array([1, np.nan, 0, 0], "f4")}), "norm.bias: 1 of 4 values"),
        (changed(**{"lstm.weight": np.full((8, 4), np.inf, "f4")}), "lstm.weight: 32 of 32 values"),
        (changed(**{"lstm.weight": np.ones((6, 4), "f4")}), "lstm.weight: the step 'reorder"),
        (changed(**{"blocks.1.k.weight": np.ones((4, 2), "f4")}), "do not fit 1 of 8 rows"),
        (changed(**{"blocks.1.k.weight": np.ones((4, 4), "f2")}), "is made of float16 and float32"),
    ],
    ids=["missing", "more", "other names", "NaN", "Inf", "gates", "shape", "types"],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, run_cli, given, match):
    refused(tmp_path, run_cli, given, match)


def test_a_bias_that_the_other_side_lacks_must_be_zeros(tmp_path, run_cli):
    there = ROWS.forward(arrays())
    there["head.bias"] = np.array([0, 0.5, 0], "f4")
    refused(tmp_path, run_cli, there, "1 of its 3 values are others", to="pytorch", runtime="mindspore")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--model", "resnet50"], "--model: --names says which network it is"),
        (["--dialect", "timm"], "--dialect"),
        (["--no-head"], "--no-head"),
        (["--optimize"], "--optimize"),
        (["--checkpoint", "x.pth"], "--checkpoint"),
        (["--from", "mindspore"], "is a pytorch checkpoint"),
        (["--into", "a"], "which cannot become --into a"),
        (["--plain"], "is for a .ckpt"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, run_cli, options, match):
    refused(tmp_path, run_cli, arrays(), match, *options)


@pytest.mark.parametrize(
    ("to", "match"),
    [("pytorch", "say --to mindspore"), ("onnx", "an ONNX graph is made of the network itself")],
)
def test_another_runtime_than_the_other_network_has(tmp_path, run_cli, to, match):
    refused(tmp_path, run_cli, arrays(), match, to=to)


def test_an_output_is_named_and_is_no_input(tmp_path, run_cli):
    names, source = write_map(tmp_path), write_tensors(tmp_path / "x.safetensors", "pytorch", arrays())
    before = names.read_bytes(), source.read_bytes()
    for output in (["-o", source], []):
        done = run_cli("convert", source, "--names", names, "--to", "mindspore", *output)
        assert done.exit_code == 2
    for output in (source, names):
        with pytest.raises(triport.Error):
            triport.convert(source, output, to="mindspore", names=names)
    done = run_cli("convert", source, "--into", "a", "--to", "mindspore", "-o", tmp_path / "y.ckpt")
    assert done.exit_code == 2 and "give --names" in done.output
    assert (names.read_bytes(), source.read_bytes()) == before


def test_a_map_that_is_not_complete_converts_nothing(tmp_path, run_cli):
    names = write_map(tmp_path, PairNames(ROWS.rows, ("rest",)))
    refused(tmp_path, run_cli, arrays(), "a: rest", names=names)


def test_a_damaged_map_names_the_key(tmp_path, run_cli):
    names = write_map(tmp_path)
    names.write_text(names.read_text().replace("transpose 1 0", "transpose 1 2"))
    refused(tmp_path, run_cli, arrays(), "[[rows]] 2: 'steps': 'transpose 1 2'", names=names)


def test_constants_do_not_make_a_file_of_any_size(tmp_path, run_cli):
    rows = (
        *ROWS.rows,
        *(PairRow((), (f"x{one}",), (Insert(0, "zeros", (1 << 12, 1 << 12)),)) for one in range(9)),
    )
    small = names_file()
    from triport.converters.naming.record import NamesFile, rows_digest
    from triport.converters.naming.writing import write_names

    path, names = tmp_path / "NAMES.toml", PairNames(rows)
    write_names(path, NamesFile(names, small.a, small.b, small.proof))
    assert rows_digest(names)
    tracemalloc.start()
    refused(tmp_path, run_cli, arrays(), "no network keeps so much more", names=path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_a_map_that_is_not_proven_is_said_at_every_use(tmp_path, run_cli):
    names = write_map(tmp_path, proven=False, equal=False)
    source, output = write_tensors(tmp_path / "source.pth", "pytorch", arrays()), tmp_path / "moved.ckpt"
    done = run_cli("convert", source, "--names", names, "--to", "mindspore", "-o", output)
    assert done.exit_code == 0
    assert "Note: the map is NOT PROVEN" in done.output
    assert "NOT PROVEN" in open_checkpoint(output).metadata[NAMES_KEY]


def test_another_graph_is_said(tmp_path):
    names = write_map(tmp_path, equal=False, parting=("pool", "maxpool", "padding"))
    source = write_tensors(tmp_path / "source.pth", "pytorch", arrays())
    done = triport.convert(source, tmp_path / "x.ckpt", to="mindspore", names=names)
    assert any("computes something else" in warning and "maxpool" in warning for warning in done.warnings)


def test_other_shapes_than_those_that_were_proven_are_said(tmp_path):
    names = PairNames(tuple(row for row in ROWS.rows if row.a != ("head.weight",)))
    given = {name: array for name, array in arrays().items() if name != "head.weight"}
    path = write_map(tmp_path, names, tensors=given)
    given["norm.weight"] = np.ones(7, "f4")
    source = write_tensors(tmp_path / "source.pth", "pytorch", given)
    done = triport.convert(source, tmp_path / "x.ckpt", to="mindspore", names=path)
    assert any("shapes are not those" in warning for warning in done.warnings)


# --- where the names of both networks are the same ---


BOTH = PairNames((PairRow(("w",), ("w",), (Transpose((1, 0)),)), PairRow(("v",), ("v",))))


@pytest.mark.parametrize(
    ("shape", "runtimes", "to", "into", "expected"),
    [
        ((2, 3), ("pytorch", "mindspore"), "mindspore", None, "a"),
        ((2, 3), ("pytorch", "mindspore"), "pytorch", None, "b"),
        ((2, 3), ("pytorch", "pytorch"), "pytorch", None, "a"),  # by shapes
        ((3, 2), ("pytorch", "pytorch"), "pytorch", None, "b"),
        ((2, 2), ("pytorch", "pytorch"), "pytorch", "a", "b"),
        ((2, 2), ("pytorch", "pytorch"), "pytorch", "b", "a"),
        ((2, 2), ("pytorch", "pytorch"), "pytorch", None, None),
    ],
)
def test_which_way_a_map_is_read(tmp_path, shape, runtimes, to, into, expected):
    proven_with = {"w": np.zeros((2, 2) if shape == (2, 2) else (2, 3), "f4"), "v": np.zeros(2, "f4")}
    names = write_map(tmp_path, BOTH, runtimes=runtimes, tensors=proven_with)
    given = {"w": np.arange(np.prod(shape), dtype="f4").reshape(shape), "v": np.zeros(2, "f4")}
    source = write_tensors(tmp_path / "x.safetensors", "pytorch", given)
    output = tmp_path / "y.safetensors"
    if expected is None:
        with pytest.raises(NamesFitError, match=r"names of both networks.*--into b"):
            triport.convert(source, output, to=to, names=names, into=into)
        return
    done = triport.convert(source, output, to=to, names=names, into=into)
    assert done.fit.side == expected
    assert np.array_equal(values_of(output)["w"], given["w"].T)


def test_equal_names_without_steps_need_no_direction(tmp_path):
    names = PairNames((PairRow(("w",), ("w",)),))
    given = {"w": np.zeros((2, 2), "f4")}
    path = write_map(tmp_path, names, runtimes=("pytorch", "pytorch"), tensors=given)
    source = write_tensors(tmp_path / "x.safetensors", "pytorch", given)
    assert triport.convert(source, tmp_path / "y.pth", to="pytorch", names=path).tensors_written == 1


# --- what cannot be undone ---


FOLDED = PairNames(
    (
        PairRow(
            ("c.weight", "n.weight", "n.bias", "n.running_mean", "n.running_var"),
            ("c.weight", "c.bias"),
            (FoldBatchNorm(0, 1e-5),),
        ),
    )
)


def batch_norm(variance):
    return {
        "c.weight": np.ones((2, 3, 1, 1), "f4"),
        "n.weight": np.ones(2, "f4"),
        "n.bias": np.zeros(2, "f4"),
        "n.running_mean": np.zeros(2, "f4"),
        "n.running_var": np.full(2, variance, "f4"),
    }


def test_what_steps_compute_is_not_called_bit_equal(tmp_path):
    path = write_map(tmp_path, FOLDED, tensors=batch_norm(1))
    source = write_tensors(tmp_path / "x.pth", "pytorch", batch_norm(3))
    output = tmp_path / "y.ckpt"
    done = triport.convert(source, output, to="mindspore", names=path)
    assert done.round_trip == "bit-equal, but for 2 tensors that steps compute, which cannot be undone"
    expected = (1 / np.sqrt(np.float64(np.float32(3)) + 1e-5)).astype("f4")
    assert (values_of(output)["c.weight"] == expected).all()
    with pytest.raises(NamesFitError, match=r"leads there only.*many BatchNorms"):
        triport.convert(output, tmp_path / "z.pth", to="pytorch", names=path)


def test_steps_that_make_nan_of_finite_values_are_refused(tmp_path, run_cli):
    path = write_map(tmp_path, FOLDED, tensors=batch_norm(1))
    refused(tmp_path, run_cli, batch_norm(-1), "the steps of the map make NaN or Inf", names=path)


def test_tied_weights_must_be_tied(tmp_path, run_cli):
    names = PairNames((PairRow(("e",), ("e", "h"), (Repeat(2),)),))
    given = {"e": np.ones((2, 3), "f4")}
    path = write_map(tmp_path, names, tensors=given)
    apart = {"e": np.ones((2, 3), "f4"), "h": np.zeros((2, 3), "f4")}
    refused(tmp_path, run_cli, apart, "their values differ", names=path, to="pytorch", runtime="mindspore")


def test_a_step_that_lost_a_value_would_be_found(tmp_path, monkeypatch):
    """The rows of a conversion are undone and compared, whatever a step claims of itself."""
    monkeypatch.setattr(Transpose, "_moved", lambda self, found: [one.T.copy() * 0 for one in found])
    path = write_map(tmp_path, BOTH, tensors={"w": np.ones((2, 3), "f4"), "v": np.ones(2, "f4")})
    given = {"w": np.ones((2, 3), "f4"), "v": np.ones(2, "f4")}
    source = write_tensors(tmp_path / "x.safetensors", "pytorch", given)
    with pytest.raises(RowError, match="do not give its values back"):
        triport.convert(source, tmp_path / "y.safetensors", to="mindspore", names=path)
    assert not (tmp_path / "y.safetensors").exists()


def test_memory_is_that_of_a_row(tmp_path):
    size = 1 << 20
    names = PairNames(tuple(PairRow((f"w{i}",), (f"v{i}",), (Transpose((1, 0)),)) for i in range(12)))
    given = {f"w{i}": np.full((1024, size // 1024), i, "f4") for i in range(12)}
    path = write_map(tmp_path, names, tensors=given)
    source = write_tensors(tmp_path / "x.safetensors", "pytorch", given)
    del given
    tracemalloc.start()
    triport.convert(source, tmp_path / "y.safetensors", to="mindspore", names=path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 4 * size, f"{peak / 4 / size:.1f} tensors at a time"
