"""A network of one framework to the other's source in one command, and that source as a network again."""

import json

import numpy as np
import pytest

import triport
from triport.converters.onnx_import.written import load, source_in

INPUT = ("--input", "2x3x16x16")
NET = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)) + x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.norm(self.blocks(self.stem(x)).mean((2, 3))))


def small():
    torch.manual_seed(0)
    net = Net().eval()
    for tensor in net.buffers():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return net
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Return the folders of a Module, its MindSpore source, and that one's PyTorch source."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "code.py").write_text(NET)
    there = triport.convert(f"{folder}/code.py:small", folder / "there", to="mindspore", inputs=[INPUT[1]])
    back = triport.convert(str(folder / "there"), folder / "back", to="pytorch", inputs=[INPUT[1]])
    return folder, there, back


@pytest.mark.slow
def test_a_module_becomes_a_cell_and_a_module_again_with_names_and_bytes_kept(chain):
    pytest.importorskip("mindspore")
    folder, there, back = chain
    assert there.passed and back.passed
    assert there.from_onnx.renamed == back.from_onnx.renamed == ()
    cell = load(folder / "there", "small", "mindspore")
    module = load(folder / "back", "small", "pytorch")
    own = load_factory(folder).state_dict()
    own = {name: tensor.numpy() for name, tensor in own.items() if "num_batches" not in name}
    cells = {one.name: one.asnumpy() for one in cell.get_parameters()}
    modules = {n: t.numpy() for n, t in module.state_dict().items() if "num_batches" not in n}
    assert set(own) == set(cells) == set(modules)
    assert all(np.array_equal(own[n], cells[n]) and np.array_equal(own[n], modules[n]) for n in own)


def load_factory(folder):
    from triport.converters.networks.arguments import parse_factory
    from triport.converters.networks.factories import make

    return make(parse_factory(f"{folder}/code.py:small")).network


@pytest.mark.slow
def test_folders_are_networks_that_parity_compares(chain, run_cli):
    folder, *_ = chain
    words = [f"{folder}/code.py:small", folder / "there", folder / "back"]
    done = run_cli("parity", *words, *INPUT, "--weights", "own", "--json", "-")
    assert done.exit_code == 0, done.output
    (model,) = json.loads(done.output)["models"]
    assert {"pytorch", "mindspore"} <= {pair["candidate"].partition(" ")[0] for pair in model["pairs"]}


@pytest.mark.slow
def test_a_fault_in_a_folder_is_found_by_parity(chain, run_cli, tmp_path):
    folder, *_ = chain
    for path in (folder / "back").glob("small.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = tmp_path / "small.py"
    source.write_text(source.read_text().replace("return F.relu(x)", "return F.relu(x) * 1.001"))
    done = run_cli("parity", f"{folder}/code.py:small", tmp_path, *INPUT, "--weights", "own")
    assert done.exit_code == 1, done.output


@pytest.mark.slow
def test_a_mindir_file_becomes_source(chain, tmp_path, run_cli):
    mindspore = pytest.importorskip("mindspore")
    cell = load(chain[0] / "there", "small", "mindspore")
    images = mindspore.Tensor(np.zeros((2, 3, 16, 16), np.float32))
    mindspore.export(cell, images, file_name=str(tmp_path / "net"), file_format="MINDIR")
    done = run_cli(
        "convert", tmp_path / "net.mindir", "--to", "pytorch", "-o", tmp_path / "net", "--json", "-"
    )
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.output)
    assert said["from"] == "mindspore" and said["renamed"] == [] and said["by_way_of"]["to"] == "onnx"
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["net.py", "net.safetensors"]


def test_a_module_that_no_exporter_writes_right_leaves_no_folder(tmp_path, run_cli):
    (tmp_path / "code.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
        "        return x * 2 if float(x.sum()) > 0 else x - 1\n\n\ndef small():\n    return Net()\n"
    )
    done = run_cli(
        "convert", f"{tmp_path}/code.py:small", "--to", "mindspore", "--input", "2x3", "-o", tmp_path / "net"
    )
    assert done.exit_code == 1, done.output
    assert "Not converted" in done.output
    assert not (tmp_path / "net").exists()


def test_options_of_weights_are_refused_for_a_network(tmp_path, run_cli):
    (tmp_path / "code.py").write_text(NET)
    done = run_cli(
        "convert", f"{tmp_path}/code.py:small", "--to", "mindspore", *INPUT, "--plain", "-o", tmp_path / "net"
    )
    assert done.exit_code == 2 and "leave --plain out" in done.stderr


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_without_one_source_is_no_network(count, tmp_path, run_cli):
    for i in range(count):
        (tmp_path / f"net{i}.py").write_text('"""net in PyTorch, from an ONNX graph by triport.\n"""')
    (tmp_path / "other.py").write_text('raise ValueError("must not run")\n')
    assert source_in(tmp_path) is None
    done = run_cli("parity", tmp_path, *INPUT)
    assert done.exit_code == 2
    assert "is a folder, and not one that `convert` wrote" in done.stderr
