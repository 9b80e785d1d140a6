"""Faults planted in the files of small Cells: each must be found, and the right file called equal.

A tolerance by measured noise is only honest if it is not wide: the faults are those that exporters make, an
epsilon, a padding, a swapped attribute, and the smallest of them changes the outputs by some 5e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs.convert import convert_cell
from triport.parity.graphs.proof import compare
from triport.parity.graphs.verdicts import OutputsVerdict

SHAPE = (2, 3, 9, 9)
CELLS = {
    "convolutions": (
        "nn.SequentialCell(nn.Conv2d(3, 8, 3, pad_mode='pad', padding=1, stride=2), nn.BatchNorm2d(8), "
        "nn.LeakyReLU(0.1), nn.Conv2d(8, 8, 3, group=2), nn.BatchNorm2d(8), nn.ReLU6(), "
        "nn.AvgPool2d(3, 1, pad_mode='pad', padding=1), nn.Flatten(), nn.Dense(200, 5))"
    ),
    "normalised": (
        "nn.SequentialCell(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.SiLU(), nn.Flatten(), "
        "nn.Dense(486, 12), nn.LayerNorm((12,)), nn.GELU(approximate=False), nn.Dense(12, 7), nn.Softmax())"
    ),
    "float16 inside": (
        "nn.SequentialCell(nn.Conv2d(3, 8, 3, pad_mode='pad', padding=1).to_float(ms.float16), "
        "nn.BatchNorm2d(8).to_float(ms.float16), nn.ReLU6().to_float(ms.float16), nn.Flatten(), "
        "nn.Dense(648, 5).to_float(ms.float16))"
    ),
}


def attribute(op_type: str, name: str, change: Callable[[Any], Any], place: int = 0) -> Callable[..., None]:
    """Change an attribute of the operator that comes at a place among its kind."""

    def plant(model: onnx.ModelProto) -> None:
        node = [node for node in model.graph.node if node.op_type == op_type][place]
        (found,) = (one for one in node.attribute if one.name == name)
        changed = helper.make_attribute(name, change(helper.get_attribute_value(found)))
        found.CopyFrom(changed)

    return plant


def constant(value: float, change: float) -> Callable[..., None]:
    """Change a constant of one element."""

    def plant(model: onnx.ModelProto) -> None:
        hits = 0
        for node in model.graph.node:
            if node.op_type == "Constant":
                array = numpy_helper.to_array(node.attribute[0].t)
                if array.size == 1 and np.isclose(float(array.reshape(-1)[0]), value, rtol=1e-3):
                    new = numpy_helper.from_array(np.full_like(array, change))
                    node.attribute[0].t.CopyFrom(new)
                    hits += 1
        assert hits

    return plant


def weight(end: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., None]:
    """Change a parameter."""

    def plant(model: onnx.ModelProto) -> None:
        tensor = next(one for one in model.graph.initializer if one.name.endswith(end))
        array = numpy_helper.to_array(tensor)
        tensor.raw_data = change(array.copy()).astype(array.dtype).tobytes()

    return plant


def other(op_type: str, becomes: str, place: int = 0) -> Callable[..., None]:
    """Write another operator, without the attributes of the one that was there."""

    def plant(model: onnx.ModelProto) -> None:
        node = [node for node in model.graph.node if node.op_type == op_type][place]
        node.op_type = becomes
        del node.attribute[:], node.input[1:]

    return plant


def shift_rows(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1, axis=0)


def one_element(array: np.ndarray) -> np.ndarray:
    array.reshape(-1)[0] *= 1.001
    return array


FAULTS = [
    ("convolutions", "epsilon 2e-5 for 1e-5", attribute("BatchNormalization", "epsilon", lambda old: 2e-5)),
    (
        "convolutions",
        "epsilon 1e-3 in the last",
        attribute("BatchNormalization", "epsilon", lambda old: 1e-3, 1),
    ),
    ("convolutions", "padding (0, 2) for (1, 1)", attribute("Conv", "pads", lambda old: [0, 0, 2, 2])),
    ("convolutions", "padding (2, 0) for (1, 1)", attribute("Conv", "pads", lambda old: [2, 2, 0, 0])),
    ("convolutions", "slope 0.01 for 0.1", constant(0.1, 0.01)),
    ("convolutions", "slope 0.1001 for 0.1", constant(0.1, 0.1001)),
    (
        "convolutions",
        "padding counted otherwise",
        attribute("AveragePool", "count_include_pad", lambda old: 1 - old),
    ),
    ("convolutions", "Clip to 5.9 for 6", constant(6, 5.9)),
    ("convolutions", "output channels shifted", weight("0.weight", shift_rows)),
    ("convolutions", "one element of a weight by 1e-3", weight("0.weight", one_element)),
    ("convolutions", "means off by 1e-4", weight("moving_mean", lambda old: old + 1e-4)),
    ("convolutions", "no activation", other("Max", "Identity")),
    (
        "normalised",
        "a GroupNorm's epsilon 2e-5",
        attribute("InstanceNormalization", "epsilon", lambda old: 1e-4),
    ),
    ("normalised", "SiLU by a hard sigmoid", other("Sigmoid", "HardSigmoid")),
    (
        "normalised",
        "a LayerNorm's epsilon 1e-5 for 1e-7",
        attribute("LayerNormalization", "epsilon", lambda old: 1e-5),
    ),
    ("normalised", "GELU by erf of 1.414", constant(1.41421, 1.414)),
    ("normalised", "scale shifted by a channel", weight("gamma", shift_rows)),
    ("float16 inside", "epsilon 1e-2 for 1e-5", attribute("BatchNormalization", "epsilon", lambda old: 1e-2)),
    ("float16 inside", "padding (0, 2) for (1, 1)", attribute("Conv", "pads", lambda old: [0, 0, 2, 2])),
    ("float16 inside", "Clip to 5 for 6", constant(6, 5.0)),
    ("float16 inside", "output channels shifted", weight("0.weight", shift_rows)),
    ("float16 inside", "a weight by 2 %", weight("0.weight", lambda old: old * 1.02)),
]


@pytest.fixture(scope="module")
def written(
    build_cell: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Any, Path, OutputsVerdict]]:
    """Return a Cell, its file, and what was said of the right file; each made once."""
    made: dict[str, tuple[Any, Path, OutputsVerdict]] = {}

    def write(name: str) -> tuple[Any, Path, OutputsVerdict]:
        if name not in made:
            cell = build_cell(CELLS[name])
            path = tmp_path_factory.mktemp("faults") / "right.onnx"
            made[name] = cell, path, convert_cell(cell, [InputSpec(SHAPE)], path).comparison
        return made[name]

    return write


@pytest.mark.parametrize("name", CELLS)
def test_the_right_file_is_equal(written: Callable[..., Any], name: str) -> None:
    _, _, found = written(name)
    assert found.verdict == "equal"
    assert found.tolerance <= (0.02 if "float16" in name else 5e-6)


@pytest.mark.parametrize(("name", "fault", "plant"), FAULTS, ids=[f"{row[0]}, {row[1]}" for row in FAULTS])
def test_a_fault_is_found(
    written: Callable[..., Any], tmp_path: Path, name: str, fault: str, plant: Callable[..., None]
) -> None:
    from triport.converters.mindir.graph import TensorType

    cell, path, _ = written(name)
    model = onnx.load(path)
    plant(model)
    wrong = tmp_path / "wrong.onnx"
    onnx.save(model, wrong)
    types = [TensorType(onnx.TensorProto.FLOAT, SHAPE)]
    found = compare(wrong, types, lambda: cell, is_batch_free=False)
    assert found.verdict == "not equal", str(found)


def test_the_cell_is_as_it_was(build_cell: Callable[[str], Any]) -> None:
    """Its parameters are moved to measure the noise, and put back bit for bit; the noise is not nothing."""
    from triport.parity.graphs.runs import run_cell, run_cell_moved

    cell = build_cell("nn.Embedding(5, 4)")
    inputs = [np.array([[0, 3]], np.int32)]
    before = [parameter.asnumpy().copy() for parameter in cell.get_parameters()]
    right = run_cell(cell, inputs)
    moved = run_cell_moved(cell, inputs, (), 2.0**-11, 0)
    assert 0 < np.abs(moved[0] - right[0]).max() <= 2.0**-11 * np.abs(right[0]).max()
    for parameter, kept in zip(cell.get_parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.asnumpy(), kept)
    np.testing.assert_array_equal(run_cell(cell, inputs)[0], right[0])
