"""Writes the MindIR files of this folder's test, each with an input and what MindSpore computed from it.

python -m tests.versions.mindir_cells [NAME ...]

Run with an older MindSpore (2.7, 2.8, 2.9): its files go to tests/data/mindir/<version>/. The Cells are
expressions as in tests/mindir/mindir_cases.py, several to a Cell, chosen for what MindSpore writes otherwise
from version to version: views, splits, reductions, indexing, resizing, activations and layers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.mindir.conftest import make_builder, make_input, run_mindspore
from triport.converters.environment import import_mindspore
from triport.converters.mindir.export import mindir_bytes_from_cell

FOLDER = Path(__file__).parents[1] / "data" / "mindir"


class Cell(NamedTuple):
    """A network by name: an expression as in tests/mindir/mindir_cases.py, and the shape of its input."""

    name: str
    expression: str
    shape: tuple[int, ...] = (2, 4, 6, 6)


def several(name: str, *expressions: str, shape: tuple[int, ...] = (2, 4, 6, 6)) -> Cell:
    return Cell(name, f"({', '.join(expressions)},)", shape)


CELLS = (
    several(
        "views",
        "x[:, 1:3]",
        "x[:, 0]",
        "x[..., ::2]",
        "x[:, None]",
        "ops.transpose(x, (0, 2, 3, 1))",
        "x.swapaxes(1, 2)",
        "x.reshape(2, -1)",
        "x.view(2, 4, -1)",
        "ops.flatten(x)",
        "ops.expand_dims(x, 1)",
        "ops.squeeze(x[:, :1], 1)",
        "ops.broadcast_to(x[:, :1], (2, 4, 6, 6))",
        "ops.tile(x, (1, 2, 1, 1))",
        "ops.narrow(x, 1, 1, 2)",
    ),
    several(
        "splits",
        "*ops.split(x, 2, axis=1)",
        "*ops.chunk(x, 2, axis=3)",
        "*ops.unbind(x, 1)",
        "ops.cat((x, x * 2), 1)",
        "ops.stack((x, x + 1), 1)",
    ),
    several(
        "reductions",
        "x.sum(axis=1)",
        "x.mean(axis=(2, 3))",
        "ops.mean(x, (2, 3), keep_dims=True)",
        "x.max(axis=1)",
        "ops.amax(x, 1)",
        "ops.var(x, 1)",
        "ops.norm(x, dim=1)",
        "ops.argmax(x, 1)",
    ),
    several(
        "activations",
        "ops.gelu(x)",
        "ops.silu(x)",
        "ops.hardswish(x * 3)",
        "ops.hardsigmoid(x * 3)",
        "ops.softmax(x, 1)",
        "ops.elu(x)",
        "ops.leaky_relu(x, 0.1)",
        "ops.clamp(x, -0.5, 1)",
        "ops.softplus(x)",
        "ops.mish(x)",
        "ops.sigmoid(x)",
    ),
    several(
        "products",
        "ops.matmul(x, x.swapaxes(-1, -2))",
        "ops.bmm(x[0], x[1])",
        "ops.pow(x, 2)",
        "ops.where(x > 0, x, 2 * x)",
        "ops.maximum(x, 0.5)",
        "x / (x * x + 1)",
        "ops.floor(x)",
        "ops.pad(x, (1, 2, 0, 1))",
        "ops.interpolate(x, size=(12, 12), mode='nearest')",
        "ops.interpolate(x, size=(12, 12), mode='bilinear')",
    ),
    Cell(
        "convolution",
        "nn.SequentialCell(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2, 2))",
    ),
    Cell(
        "same_pool",
        "nn.SequentialCell(nn.Conv2d(4, 8, 3, pad_mode='same'), nn.AvgPool2d(3, 2, pad_mode='same'))",
    ),
    Cell("transposed", "nn.Conv2dTranspose(4, 6, 3, stride=2, pad_mode='same', has_bias=True)"),
    Cell("group_norm", "nn.GroupNorm(2, 4)"),
    Cell("layer_norm", "nn.LayerNorm((6,), begin_norm_axis=3, begin_params_axis=3)"),
    Cell("attention", "nn.MultiheadAttention(8, 2); layer(x, x, x)[0]", (5, 3, 8)),
    Cell("dense", "nn.SequentialCell(nn.Flatten(), nn.Dense(144, 5), nn.Dropout(p=0.5), nn.LogSoftmax(1))"),
)


def main() -> None:
    """Write the files of the MindSpore that is installed."""
    folder = FOLDER / import_mindspore().__version__
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sources:
        build = make_builder(Path(sources))
        for cell in [cell for cell in CELLS if cell.name in sys.argv[1:] or len(sys.argv) == 1]:
            net = build(cell.expression)
            try:
                data = mindir_bytes_from_cell(net, cell.shape)
                x = make_input(cell.shape)
                outputs = run_mindspore(net, x)
            except Exception as error:
                print(f"{cell.name}: not written: {type(error).__name__}: {str(error)[:300]}")
                continue
            (folder / f"{cell.name}.mindir").write_bytes(data)
            np.savez_compressed(
                folder / f"{cell.name}.npz",
                x=x,
                **{f"output_{at}": value for at, value in enumerate(outputs)},
            )
            print(f"{cell.name}: {len(data):,} bytes, {len(outputs)} outputs")


if __name__ == "__main__":
    main()
