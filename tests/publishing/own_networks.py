"""Networks of one's own to publish, with weights in which no value is left at its initial one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.parity.nets.paired import Apart
from triport.converters.formats import ArrayTensor, write_checkpoint
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest
from triport.converters.naming.steps import Concatenate, Transpose
from triport.converters.naming.writing import write_names
from triport.publishing.own.network import OwnNetwork
from triport.publishing.own.publish import publish_network

APART, PACKED = (f"tests.parity.nets.paired:{name}" for name in ("Apart", "Packed"))
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


def arrays_of(net, seed=0):
    """Return random values for a Module's float parameters, by name."""
    random = np.random.default_rng(seed)
    return {
        name: (0.5 + np.abs(random.standard_normal(tuple(tensor.shape)))).astype(np.float32)
        if name.endswith("var")
        else random.standard_normal(tuple(tensor.shape)).astype(np.float32)
        for name, tensor in net.state_dict().items()
        if tensor.is_floating_point()
    }


def write_weights(path: Path, arrays) -> Path:
    tensors = {name: ArrayTensor(np.ascontiguousarray(array)) for name, array in arrays.items()}
    write_checkpoint(path, "pytorch", tensors)
    return path


def write_map(path: Path, rows=ROWS, proven=True) -> Path:
    names = PairNames(tuple(rows))
    proof = MapProof(proven, proven, trials=3, rows_sha256=rows_digest(names))
    write_names(path, NamesFile(names, NamedSide("a", "pytorch"), NamedSide("b", "pytorch"), proof))
    return path


def publish_pair(folder: Path, output="pair"):
    weights = write_weights(folder / "apart.safetensors", arrays_of(Apart()))
    names = write_map(folder / "NAMES.toml")
    own = OwnNetwork((APART, PACKED), ("2x5x6",), names, "tokens minus their mean")
    return publish_network(weights, folder / output, own, license="mit")
