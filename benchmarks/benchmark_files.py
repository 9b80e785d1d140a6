"""The checkpoints that benchmarks/convert.py converts, and whether a converted one holds the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from triport.converters.naming.record import NamesFile
    from triport.reference_models.spec import ModelSpec


def write_sources(model: str, folder: Path) -> None:
    """Write seeded weights as each library would: source.ckpt, .pth, .safetensors and .onnx; and NAMES.toml.

    Args:
        model: a ResNet's name, and a number of classes where it is not the usual one: resnet50:10.
        folder: where to write.
    """
    import mindspore
    import numpy as np
    import onnx
    import torch
    from safetensors.numpy import save_file

    from triport.converters.names import name_map, reference_dialect
    from triport.converters.naming.writing import write_names
    from triport.parity.subjects.random_weights import random_parameters
    from triport.reference_models.spec import get_model

    name, _, classes = model.partition(":")
    spec = get_model(name)
    values = random_parameters(spec, int(classes) if classes else None)
    theirs = name_map(spec, reference_dialect(spec, "mindspore"))
    parameters = [{"name": theirs[key], "data": mindspore.Tensor(value)} for key, value in values.items()]
    mindspore.save_checkpoint(parameters, str(folder / "source.ckpt"))
    del parameters
    save_file(values, folder / "source.safetensors", {"format": "pt"})
    initializers = [onnx.numpy_helper.from_array(value, key) for key, value in values.items()]
    graph = onnx.helper.make_graph([], "weights", [], [], initializers)
    onnx.save(onnx.helper.make_model(graph), folder / "source.onnx")
    del initializers, graph
    for key in [key for key in values if key.endswith(".running_var")]:
        values[key.replace("running_var", "num_batches_tracked")] = np.array(1, np.int64)
    torch.save({key: torch.from_numpy(value) for key, value in values.items()}, folder / "source.pth")
    write_names(folder / "NAMES.toml", names_file_of(spec))


def names_file_of(spec: ModelSpec) -> NamesFile:
    """Return a model's names in PyTorch and in MindSpore as the file that `pair` would write of the two."""
    from triport.converters.names import COUNTER_LEAF, name_map, reference_dialect
    from triport.converters.naming.pair_names import PairNames, PairRow
    from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest

    pytorch, mindspore = (
        name_map(spec, reference_dialect(spec, runtime)) for runtime in ("pytorch", "mindspore")
    )
    rows = [
        PairRow((name,), (mindspore[ours],))
        for ours, name in pytorch.items()
        if not ours.endswith(COUNTER_LEAF)
    ]
    names = PairNames(tuple(rows))
    proof = MapProof(proven=False, equal=False, rows_sha256=rows_digest(names))
    return NamesFile(names, NamedSide(spec.name, "pytorch"), NamedSide(spec.name, "mindspore"), proof)


def check_output(folder: Path, path: Path, what: str) -> None:
    """Load an output by its own library and compare it bit for bit with the weights that went in.

    Raises:
        ValueError: names, shapes, types or values differ.
    """
    from safetensors.numpy import load_file

    expected = load_file(folder / "source.safetensors")
    written = {
        name: value for name, value in _loaded(path).items() if not name.endswith("num_batches_tracked")
    }
    if path.suffix == ".ckpt":
        expected = {_mindcv_name(name, expected): value for name, value in expected.items()}
    wrong = sorted(written.keys() ^ expected.keys())
    wrong += [
        name
        for name in written.keys() & expected.keys()
        if (written[name].dtype, written[name].shape) != (expected[name].dtype, expected[name].shape)
        or memoryview(written[name]).cast("B") != memoryview(expected[name]).cast("B")
    ]
    if wrong:
        raise ValueError(
            f"{what} to {path.suffix}: {len(wrong)} of {len(expected)} tensors are wrong, {wrong[0]} the "
            f"first. The scripts know ResNets only"
        )


def _mindcv_name(name: str, names: Mapping[str, np.ndarray]) -> str:
    """Return MindCV's name of a ResNet's parameter, not by the name tables that are at work in `convert`."""
    module, leaf = name.rsplit(".", 1)
    if f"{module}.running_mean" in names:
        leaf = {
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "moving_mean",
            "running_var": "moving_variance",
        }[leaf]
    return f"{module}.{leaf}".replace("downsample", "down_sample").replace("fc.", "classifier.")


def _loaded(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix == ".pth":
        import torch

        return {name: value.numpy() for name, value in torch.load(path, weights_only=True).items()}
    if path.suffix == ".ckpt":
        import mindspore

        return {name: value.asnumpy() for name, value in mindspore.load_checkpoint(str(path)).items()}
    from safetensors.numpy import load_file

    return load_file(path)
