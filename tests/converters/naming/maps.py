"""Small maps and checkpoints of both their sides, for tests of what is done by a NAMES.toml."""

from pathlib import Path

import numpy as np

from triport.converters.formats import ArrayTensor, write_checkpoint
from triport.converters.naming.constant_steps import Insert
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest, shapes_digest
from triport.converters.naming.steps import Concatenate, Reorder, Squeeze, Transpose
from triport.converters.naming.writing import write_names

# a, in PyTorch: q, k, v apart, a norm, a 1x1 convolution; b, in MindSpore: packed, transposed, with a bias
ROWS = PairNames(
    (
        PairRow(("conv.weight",), ("embed.weight",), (Squeeze((2, 3)),)),
        PairRow(("norm.weight",), ("ln.gamma",)),
        PairRow(("norm.bias",), ("ln.beta",)),
        PairRow(("norm.running_mean",), ("ln.moving_mean",)),
        *(
            PairRow(
                tuple(f"blocks.{block}.{one}.weight" for one in "qkv"),
                (f"layer.{block + 1}.qkv.weight",),
                (Transpose((1, 0)), Concatenate(1, (1, 1, 1))),
            )
            for block in range(2)
        ),
        PairRow(("lstm.weight",), ("cell.weight",), (Reorder.of_gates("ifgo", "iofg"),)),
        PairRow(("head.weight",), ("head.weight", "head.bias"), (Insert(1, "zeros", (3,)),)),
    ),
    kept_a=(("mask", "derived from the length"),),
)


def arrays(seed=0, dtype="float32"):
    """Return parameters of a."""
    random = np.random.default_rng(seed)
    shapes = {
        "conv.weight": (4, 3, 1, 1),
        "norm.weight": (4,),
        "norm.bias": (4,),
        "norm.running_mean": (4,),
        **{f"blocks.{block}.{one}.weight": (4, 4) for block in range(2) for one in "qkv"},
        "lstm.weight": (8, 4),
        "head.weight": (3, 4),
    }
    return {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def shapes_of(tensors):
    return {name: array.shape for name, array in tensors.items()}


def names_file(names=ROWS, runtimes=("pytorch", "mindspore"), tensors=None, **proof):
    """Return the file of a map that was proven with tensors of a."""
    shown = {"proven": True, "equal": True, "trials": 3, "rows_sha256": rows_digest(names), **proof}
    sides = []
    tensors = arrays() if tensors is None else tensors
    there = names.forward(tensors)
    for net, runtime, found in zip(("a.py:net", "b.py:net"), runtimes, (tensors, there), strict=True):
        sides.append(NamedSide(net, runtime, shapes_sha256=shapes_digest(shapes_of(found))))
    return NamesFile(names, *sides, MapProof(**shown))


def write_map(folder, *args, **options):
    path = Path(folder) / "NAMES.toml"
    write_names(path, names_file(*args, **options))
    return path


def write_tensors(path, runtime, tensors):
    write_checkpoint(path, runtime, {name: ArrayTensor(array) for name, array in tensors.items()})
    return Path(path)
