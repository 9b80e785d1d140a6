"""Networks that triport does not know, published: what is in the folder, and what is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.parity.nets.modules import Two
from tests.parity.nets.paired import Apart, Packed
from tests.publishing.own_networks import (
    APART,
    PACKED,
    ROWS,
    arrays_of,
    publish_pair,
    write_map,
    write_weights,
)
from triport.converters.formats import file_sha256
from triport.converters.naming.pair_names import PairRow
from triport.publishing.verify import verify

TWO = "tests.parity.nets.modules:Two"
PLAIN = ("--input", "2x5x6", "--license", "mit")


@pytest.fixture
def apart(tmp_path):
    """Weights of the network."""
    return write_weights(tmp_path / "apart.safetensors", arrays_of(Apart()))


@pytest.fixture
def publish(run_cli, tmp_path):
    """Publish by the command line and return the result and the folder."""

    def run(*words, code=0):
        done = run_cli("publish", *words, "-o", tmp_path / "out")
        assert done.exit_code == code, done.output
        assert (tmp_path / "out").exists() == (code == 0)
        assert not list(tmp_path.glob(".out*"))
        return done, tmp_path / "out"

    return run


def test_what_the_folder_of_a_pair_holds(own):
    assert {path.name for path in own.folder.iterdir()} == {
        *("model.onnx", "model.safetensors", "model_b.safetensors", "sample.safetensors"),
        *("NAMES.toml", "README.md", "triport.json"),
    }
    values = json.loads((own.folder / "triport.json").read_text())
    assert [net["file"] for net in values["nets"]] == ["model.safetensors", "model_b.safetensors"]
    assert values["map"]["standing"].startswith("proven")
    assert values["files"]["model.onnx"]["sha256"] == file_sha256(own.folder / "model.onnx")
    assert [pair["candidate"] for pair in values["parity"]["pairs"]] == [
        "pytorch",
        "onnxruntime (given file)",
        f"pytorch ({PACKED})",
    ]
    assert all(pair["passed"] for pair in values["parity"]["pairs"])


@pytest.mark.parametrize(("file", "make"), [("model.safetensors", Apart), ("model_b.safetensors", Packed)])
def test_each_network_computes_the_sample_with_its_file(own, file, make):
    sample = load_file(own.folder / "sample.safetensors")
    net = make().eval()
    missing, unexpected = net.load_state_dict(load_file(own.folder / file), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    [expected] = [array for name, array in sample.items() if name.startswith("output.")]
    with torch.no_grad():
        assert torch.allclose(net(sample["input.x"]), expected, rtol=1e-5, atol=1e-5)


def test_the_cards_code_runs_as_it_stands(own, monkeypatch, capsys):
    card = (own.folder / "README.md").read_text()
    assert "No accuracy is claimed" in card and "tokens minus their mean" in card
    [code] = card.split("```python\n")[1:]
    monkeypatch.chdir(own.folder)
    exec(compile(code.split("```")[0], "card", "exec"), {})
    _, difference = capsys.readouterr().out.split()
    assert float(difference) < 1e-4


def test_an_untouched_folder_verifies_without_the_code(own):
    done = verify(own.folder, digest=own.digest)
    assert done.passed
    assert {check.name: check.status for check in done.checks} == {
        **dict.fromkeys(["manifest", "files", "structure", "bits", "texts", "claims"], "passed"),
        "sample: model.safetensors": "not run",
        "sample: model_b.safetensors": "not run",
        "sample: model.onnx": "passed",
    }


def test_the_same_source_gives_the_same_bytes(own, tmp_path):
    again = publish_pair(tmp_path)
    assert again.digest == own.digest


def test_two_inputs_and_three_outputs_by_the_command_line(publish, run_cli, tmp_path):
    weights = write_weights(tmp_path / "two.safetensors", arrays_of(Two()))
    words = ("--net", TWO, "--input", "2x3x16x16", "--input", "2x5", "--license", "mit", "--json", "-")
    done, folder = publish(weights, *words)
    said = json.loads(done.stdout)
    assert said["model"] is None and said["network"] == "Two" and said["graph"]["exporter"]
    assert "preprocessing is not stated" in " ".join(said["notes"])
    assert "Preprocessing is not stated" in (folder / "README.md").read_text()
    values = json.loads((folder / "triport.json").read_text())
    assert [one["shape"] for one in values["inputs"]] == [["N", 3, 16, 16], ["N", 5]]
    assert [len(one["shape"]) for one in values["outputs"]] == [2, 4, 2]
    assert run_cli("verify", folder).exit_code == 0


def test_a_cell_has_a_ckpt_and_pytorchs_names_besides(publish, run_cli, tmp_path):
    weights = write_weights(tmp_path / "two.safetensors", arrays_of(Two()))
    net = "tests.parity.nets.cells:Two"
    _, folder = publish(weights, "--net", net, "--input", "2x3x16x16", "--input", "2x5", "--license", "mit")
    assert (folder / "model.ckpt").exists()
    assert "bn.running_mean" in load_file(folder / "model.safetensors")
    assert json.loads((folder / "triport.json").read_text())["parity"]["reference"] == "mindspore-float32"
    assert run_cli("verify", folder).exit_code == 0


def lacking(arrays):
    del arrays["q.bias"]


def more(arrays):
    arrays["extra"] = np.ones(3, np.float32)


def infinite(arrays):
    arrays["q.bias"][0] = np.inf


def wider(arrays):
    arrays["q.bias"] = arrays["q.bias"].astype(np.float64)
    arrays["q.bias"][0] = 0.1


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lacking, 2, "q.bias"),
        (more, 1, "extra: the network has no such parameter"),
        (infinite, 1, "q.bias: NaN or Inf"),
        (wider, 1, "q.bias: float64, is not what the network gets"),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(publish, tmp_path, change, code, message):
    arrays = arrays_of(Apart())
    change(arrays)
    weights = write_weights(tmp_path / "wrong.safetensors", arrays)
    done, _ = publish(weights, "--net", APART, *PLAIN, code=code)
    assert message in done.stderr


def test_a_wrong_map_is_refused(publish, apart, tmp_path):
    rows = (
        *ROWS[:3],
        PairRow(("norm.bias",), ("bn.running_mean",)),
        PairRow(("norm.running_mean",), ("bn.bias",)),
        *ROWS[5:],
    )
    names = write_map(tmp_path / "NAMES.toml", rows)
    done, _ = publish(apart, "--net", APART, "--net", PACKED, "--names", names, *PLAIN, code=1)
    assert f"pytorch ({PACKED})" in done.stderr and "Nothing was written" in done.stderr


def test_a_map_that_nobody_proved_is_said(publish, apart, tmp_path):
    names = write_map(tmp_path / "NAMES.toml", proven=False)
    _, folder = publish(apart, "--net", APART, "--net", PACKED, "--names", names, *PLAIN)
    assert "NOT PROVEN" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--license", "mit"), "say what SOURCE is"),
        (("--net", APART, "--model", "resnet50", *PLAIN), "say what SOURCE is"),
        (("--net", APART, "--license", "mit"), "say with --input"),
        (("--net", APART, "--accuracy", "x.json", *PLAIN), "--accuracy: is for models"),
        (("--net", "res2net_digits", *PLAIN), "is published with --model"),
        (("--net", APART, "--net", APART, "--net", APART, *PLAIN), "one network or two"),
        (("--net", APART, "--names", "x.toml", *PLAIN), "name the second"),
        (("--net", APART, "--preprocessing", "a\nb", *PLAIN), "one line"),
        (("--model", "res2net_digits", "--input", "2x5", "--license", "mit"), "say what SOURCE is"),
        (("--net", APART, "--input", "2x5x6", "--license", "nobody"), "SPDX"),
    ],
)
def test_what_makes_no_sense_is_one_message(publish, apart, words, message):
    done, _ = publish(apart, *words, code=2)
    assert message in done.stderr and "Traceback" not in done.output


GATES = "tests.publishing.gated_networks"


@pytest.fixture
def gates(tmp_path):
    """Weights of a network that ends in tanh."""
    random = np.random.default_rng(0)
    arrays = {name: (0.1 * random.normal(size=size)).astype(np.float32) for name, size in SIZES.items()}
    return write_weights(tmp_path / "gates.safetensors", arrays)


SIZES = {"0.weight": (64, 64), "0.bias": (64,)}


def test_what_is_equal_but_for_mindspores_kernels_is_published_and_said(publish, gates):
    nets = ("--net", f"{GATES}:torch_gates", "--net", f"{GATES}:mindspore_gates")
    done, folder = publish(gates, *nets, "--input", "4x64", "--license", "mit")
    pairs = json.loads((folder / "triport.json").read_text())["parity"]["pairs"]
    said = {pair["candidate"]: pair.get("but_for", "") for pair in pairs}
    assert "its kernels compute" in said["mindspore"] and not said["onnxruntime (given file)"]
    assert "**Equal but for its own kernels**: mindspore" in (folder / "README.md").read_text()
    assert "mindspore is equal but for its own kernels" in " ".join(done.output.split())
    assert verify(folder).passed


def test_what_only_mindspore_could_confirm_is_refused_with_the_reason(publish, gates):
    net = ("--net", f"{GATES}:mindspore_gates", "--input", "4x64", "--license", "mit")
    done, _ = publish(gates, *net, code=1)
    assert "whose kernels approximate some functions" in " ".join(done.stderr.split())
