"""What a network makes itself is in no row: its values in a checkpoint must be those of the proof."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import triport
from triport.converters.formats import open_checkpoint
from triport.converters.naming.fitting import NamesFitError
from triport.converters.naming.reading import read_names
from triport.converters.naming.record import values_digest
from triport.converters.naming.writing import write_names

sys.path.insert(0, str(Path(__file__).parent))
from maps import arrays, names_file, write_tensors

MASK = np.array([1, 0, 1], "float32")


def written(folder, mask, stated=MASK, dtype="float32"):
    """Write weights of the first network with a mask, and the map, which states one or none."""
    file = names_file()
    if stated is not None:
        file = replace(file, a=replace(file.a, kept_sha256={"mask": values_digest(stated)}))
    write_names(folder / "NAMES.toml", file)
    return write_tensors(folder / "source.pth", "pytorch", {**arrays(dtype=dtype), "mask": mask})


def convert(folder, source):
    return triport.convert(source, folder / "moved.ckpt", to="mindspore", names=folder / "NAMES.toml")


@pytest.mark.parametrize("mask", [MASK, MASK.astype("float64")], ids=["same", "wider"])
def test_the_values_of_the_proof_are_left_out(tmp_path, mask):
    done = convert(tmp_path, written(tmp_path, mask))
    assert done.dropped == (("mask", "the other network makes its own: derived from the length"),)
    assert not any("not compared" in warning for warning in done.warnings)
    assert read_names(tmp_path / "NAMES.toml").a.kept_sha256 == {"mask": values_digest(MASK)}


@pytest.mark.parametrize("mask", [np.ones(3, "float32"), MASK[None]], ids=["values", "shape"])
def test_other_values_are_refused(tmp_path, mask):
    source = written(tmp_path, mask)
    with pytest.raises(NamesFitError, match=r"1 buffer has other values than a.py:net is built"):
        convert(tmp_path, source)
    assert not (tmp_path / "moved.ckpt").exists()
    assert "1 buffer has other values" in str(triport.inspect(source, names=tmp_path / "NAMES.toml").problems)


@pytest.mark.parametrize(
    ("stated", "dtype"), [(None, "float32"), (MASK, "float16")], ids=["an older map", "rounded"]
)
def test_what_cannot_be_compared_is_said(tmp_path, stated, dtype):
    done = convert(tmp_path, written(tmp_path, np.ones(3, dtype), stated, dtype))
    assert any("'mask' of the file is left out" in warning for warning in done.warnings)


def test_a_whole_number_alone_counts_something(tmp_path):
    done = convert(tmp_path, written(tmp_path, np.array(7), np.array(0)))
    assert done.tensors_written == 9


class First(torch.nn.Module):
    """A dense layer whose outputs a mask and a scale change."""

    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(4, 3)
        self.register_buffer("mask", torch.tensor([1.0, 0.0, 1.0]))
        self.register_buffer("order", torch.tensor([2, 0, 1]))

    def forward(self, x):
        return (self.dense(x) * self.mask)[:, self.order]


class Second(torch.nn.Module):
    """The same with both in its code."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        return (self.head(x) * x.new_tensor([1.0, 0.0, 1.0]))[:, [2, 0, 1]]


@pytest.mark.parametrize("name", ["mask", "order"])
def test_pair_states_the_values_that_it_proved_with(tmp_path, name):
    triport.pair(First(), Second(), inputs=["2x4"], output=tmp_path / "NAMES.toml")
    assert set(read_names(tmp_path / "NAMES.toml").a.kept_sha256) == {"mask", "order"}
    weights = First().state_dict()
    torch.save(weights, tmp_path / "right.pth")
    output = tmp_path / "moved.pth"
    triport.convert(tmp_path / "right.pth", output, to="pytorch", names=tmp_path / "NAMES.toml")
    assert set(open_checkpoint(output).tensors) == {"head.weight", "head.bias"}
    torch.save({**weights, name: weights[name].flip(0) + 1}, tmp_path / "other.pth")
    with pytest.raises(NamesFitError, match=rf"(?s)makes its own: it would compute something else.*{name}"):
        triport.convert(tmp_path / "other.pth", output, to="pytorch", names=tmp_path / "NAMES.toml")
