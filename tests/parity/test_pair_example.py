"""docs/pair.md's example: a network ported by hand, and its published weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

import triport
from triport.converters.convert import read_parameters
from triport.converters.naming.reading import read_names
from triport.converters.naming.record import rows_digest
from triport.converters.networks.arguments import parse_factory
from triport.converters.networks.factories import make
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "pair"
WEIGHTS = ROOT / "examples" / "digits" / "res2net_digits.ckpt"
NAMES = EXAMPLE / "NAMES.toml"


def port():
    """Return the ported network."""
    return make(parse_factory(f"{EXAMPLE / 'port.py'}:Port")).network.eval()


def test_the_converted_weights_compute_what_the_published_network_does(tmp_path, run_cli):
    output = tmp_path / "port.pth"
    done = run_cli("convert", WEIGHTS, "--names", NAMES, "--to", "pytorch", "-o", output)
    assert done.exit_code == 0, done.output
    assert "187 rows, 1 with steps" in done.output and "proven on" in done.output
    ours, theirs = port(), get_model("res2net_digits").build_torch().eval()
    ours.load_state_dict(torch.load(output, weights_only=True))
    loaded = read_parameters(WEIGHTS)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in loaded.parameters.items()})
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, expected = ours(images).numpy(), theirs(images).numpy()
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_map_is_short_and_leads_back(tmp_path):
    text = NAMES.read_text()
    assert '"layer{m}.{n}.conv1.weight" = "trunk.{p}.squeeze.0.weight"' in text
    assert text.count("\n") < 80
    there, back = tmp_path / "port.safetensors", tmp_path / "back.ckpt"
    triport.convert(WEIGHTS, there, to="pytorch", names=NAMES)
    triport.convert(there, back, to="mindspore", names=NAMES)
    assert triport.diff(back, WEIGHTS).passed


@pytest.mark.slow
def test_pair_finds_the_map_of_the_example(run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    output = tmp_path / "NAMES.toml"
    words = ("examples/pair/published.py:network", "examples/pair/port.py:Port", "--input", "2x3x32x32")
    done = run_cli("pair", *words, "-o", output)
    assert done.exit_code == 0, done.output
    assert rows_digest(read_names(output).names) == rows_digest(read_names(NAMES).names)


@pytest.mark.slow
def test_the_first_version_of_the_port_is_told_where_it_parts(run_cli, monkeypatch):
    monkeypatch.chdir(ROOT)
    net = "examples/pair/port.py:Port(count_padding=False)"
    done = run_cli("pair", "examples/pair/published.py:network", net, "--input", "2x3x32x32")
    assert done.exit_code == 1, done.output
    assert "trunk.0.cascade.pool" in done.output and "ANOTHER GRAPH" in done.output


@pytest.mark.slow
def test_weights_of_a_port_become_a_checkpoint_of_a_known_model(run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    ported, names, back = (tmp_path / name for name in ("port.pth", "OURS.toml", "digits.safetensors"))
    triport.convert(WEIGHTS, ported, to="pytorch", names=NAMES)
    words = ("examples/pair/port.py:Port", "res2net_digits", "--input", "2x3x32x32")
    done = run_cli("pair", *words, "-o", names)
    assert done.exit_code == 0, done.output
    triport.convert(ported, back, to="pytorch", names=names)
    assert triport.inspect(back).to_dict()["model"] == "res2net_digits"
    assert triport.diff(back, WEIGHTS).passed
