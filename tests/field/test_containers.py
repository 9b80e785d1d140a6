"""Weights in old tars, safetensors and ONNX files, and files that change or are overwritten."""

from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import pickle  # noqa: TID251 the tests write pickles as others do; nothing is loaded
import struct
import tarfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.field.digits_weights import HEAD, assert_delivers, assert_refused, digits, state_dict
from triport.converters.formats import ArrayTensor, FormatError, open_checkpoint, write_checkpoint

torch = importlib.import_module("torch")


class _Reference:
    def __init__(self, key: int) -> None:
        self.key = key


class _TarPickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        return str(value.key) if isinstance(value, _Reference) else None


def tar_of_torch(
    path: Path, views: bool = False, change: Callable[[dict[str, bytes]], None] | None = None
) -> Path:
    """Write a state dict as torch did before 0.1.10.

    Args:
        path: the file.
        views: put all values in one storage, of which each tensor's is a part.
        change: changes the entries before they are written.
    """
    arrays = digits()
    tree = OrderedDict((name, _Reference(5000 + index)) for index, name in enumerate(arrays))
    main = io.BytesIO()
    _TarPickler(main, 2).dump(tree)
    header = lambda key: pickle.dumps((key, "cpu", torch.FloatStorage), 2)  # noqa: E731
    whole = b"".join(array.tobytes() for array in arrays.values())
    sizes = [array.size for array in arrays.values()]
    if views:
        storages = pickle.dumps(1, 2) + header(1) + struct.pack("<q", len(whole) // 4) + whole
        starts = np.cumsum([0, *sizes]).tolist()
        storages += pickle.dumps([(1000 + i, 1, starts[i], size) for i, size in enumerate(sizes)], 2)
    else:
        storages = pickle.dumps(len(arrays), 2)
        for index, array in enumerate(arrays.values()):
            storages += header(1000 + index) + struct.pack("<q", array.size) + array.tobytes()
        storages += pickle.dumps([], 2)
    tensors = pickle.dumps(len(arrays), 2)
    for index, array in enumerate(arrays.values()):
        strides = [stride // 4 for stride in array.strides]
        tensors += pickle.dumps((5000 + index, 1000 + index, torch.FloatTensor), 2)
        tensors += struct.pack(f"<ii{2 * array.ndim + 1}q", array.ndim, 0, *array.shape, *strides, 0)
    system = pickle.dumps({"protocol_version": 1000, "little_endian": True, "type_sizes": {"int": 4}}, 2)
    entries = {"sys_info": system, "pickle": main.getvalue(), "tensors": tensors, "storages": storages}
    if change is not None:
        change(entries)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.field(
    case="torchvision's first ResNets: tar files of 2017 to 2021",
    source="pytorch/vision#2068, openvinotoolkit/open_model_zoo#4009, WisconsinAIVision/yolact_edge#141",
    outcome="Read by position: the values that torch.load gives.",
)
@pytest.mark.parametrize("views", [False, True])
def test_tar_of_torch(tmp_path: Path, run_cli: Any, views: bool) -> None:
    path = tar_of_torch(tmp_path / "x.pth", views)
    theirs = torch.load(path, weights_only=False)  # we made it
    assert all(np.array_equal(theirs[name].numpy(), array) for name, array in digits().items())
    assert_delivers(run_cli, path)


def cut_storages(entries: dict[str, bytes]) -> None:
    entries["storages"] = entries["storages"][:-100]


def other_storage(entries: dict[str, bytes]) -> None:
    first = pickle.dumps((5000, 1000, torch.FloatTensor), 2)
    entries["tensors"] = entries["tensors"].replace(first, first.replace(b"M\xe8\x03", b"M\xe7\x03"))


def big_endian(entries: dict[str, bytes]) -> None:
    entries["sys_info"] = pickle.dumps({"little_endian": False}, 2)


@pytest.mark.field(
    case="a damaged tar of torch",
    source="made by hand",
    outcome="Refused where its parts contradict each other.",
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_storages, "truncated"),
        (other_storage, "contradict each other"),
        (big_endian, "on a big-endian machine"),
    ],
)
def test_damaged_tar(
    tmp_path: Path, run_cli: Any, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    assert_refused(run_cli, tar_of_torch(tmp_path / "x.pth", change=change), message)


def safetensors_with(path: Path, metadata: dict[str, str], channels_last: bool = False) -> Path:
    header: dict[str, Any] = {"__metadata__": metadata}
    body = b""
    for name, array in digits().items():
        values = array.transpose(0, 2, 3, 1) if channels_last and array.ndim == 4 else array
        start, body = len(body), body + values.tobytes()
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [start, len(body)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


@pytest.mark.field(
    case="safetensors whose metadata has a key for each tensor",
    source="pytorch/ao#2881, pytorch/ao#2338",
    outcome="Converted; a text that is not understood is told, and not called MindSpore's.",
)
@pytest.mark.parametrize("text", ['{"_type": "Tensor"}', "frozen"])
def test_metadata_under_tensors_names(tmp_path: Path, run_cli: Any, text: str) -> None:
    path = safetensors_with(tmp_path / "x.safetensors", {"format": "pt", **dict.fromkeys(digits(), text)})
    said = assert_delivers(run_cli, path)
    assert "MindSpore" not in said
    assert ("under the name of" in said) == (text == "frozen")


@pytest.mark.field(
    case="safetensors of MindSpore's int4",
    source="mindspore/train/serialization.py of MindSpore 2.10",
    outcome="Refused by name, where the mark is MindSpore's own.",
)
def test_int4_of_mindspore(tmp_path: Path, run_cli: Any) -> None:
    path = safetensors_with(tmp_path / "x.safetensors", {"format": "ms", HEAD: "Int4"})
    assert_refused(run_cli, path, "MindSpore's int4")
    assert_delivers(run_cli, safetensors_with(path, {"format": "pt", HEAD: "Int4"}))


@pytest.mark.field(
    case="safetensors that say format mlx, np, tf or flax",
    source="ml-explore/mlx#743, safetensors/safetensors#549",
    outcome="A note has the format that the file says.",
)
@pytest.mark.parametrize("mark", ["mlx", "np", "tf", "flax"])
def test_format_mark(tmp_path: Path, run_cli: Any, mark: str) -> None:
    path = safetensors_with(tmp_path / "x.safetensors", {"format": mark})
    assert f"the file says format {mark}" in assert_delivers(run_cli, path)


@pytest.mark.field(
    case="kernels in MLX's order of dimensions",
    source="ml-explore/mlx#743",
    outcome="The error names the order and the permutation that mends it.",
)
def test_kernels_of_mlx(tmp_path: Path, run_cli: Any) -> None:
    path = safetensors_with(tmp_path / "x.safetensors", {"format": "mlx"}, channels_last=True)
    message = assert_refused(run_cli, path, "(out, height, width, in)", ".permute(0, 3, 1, 2)")
    assert "Get a complete" not in message


def onnx_with_identities(path: Path, chain: int) -> Path:
    """Write an ONNX file in which two equal parameters stand once, under the first one's name."""
    from onnx import helper, numpy_helper

    arrays = dict(digits())
    arrays["layer1.0.bn1.bias"] = arrays["layer1.0.bn1.running_mean"] = np.zeros_like(
        arrays["layer1.0.bn1.bias"]
    )
    steps = [f"onnx::step_{index}" for index in range(chain)]
    names = ["layer1.0.bn1.bias", *steps, "layer1.0.bn1.running_mean"]
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in itertools.pairwise(names)]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items() if name != names[-1]]
    model = helper.make_model(helper.make_graph(nodes, "g", [], [], tensors))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.field(
    case="ONNX parameters of equal values, written once, with Identity nodes for the others",
    source="pytorch/pytorch#95867, pytorch/pytorch#68202",
    outcome="Identity nodes are followed: every parameter is there.",
)
@pytest.mark.parametrize("chain", [0, 3])
def test_identity_nodes(tmp_path: Path, chain: int) -> None:
    found = open_checkpoint(onnx_with_identities(tmp_path / "x.onnx", chain))
    assert set(found.tensors) == set(digits())
    assert not found.tensors["layer1.0.bn1.running_mean"].numpy().any()
    assert any("Identity" in note for note in found.notes)


@pytest.mark.field(
    case="an external data location of 100,000 characters",
    source="made by hand",
    outcome="The message does not repeat it whole.",
)
def test_long_location(tmp_path: Path, run_cli: Any) -> None:
    from onnx import TensorProto, helper

    tensor = TensorProto(name=HEAD, data_type=1, dims=[2, 3], data_location=1)
    tensor.external_data.add(key="location", value="x" * 100_000)
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    assert_refused(run_cli, tmp_path / "x.onnx", "(100,000 characters)")


@pytest.mark.field(
    case="an output that is the model's own external data",
    source="made by hand",
    outcome="Refused, and the data file is as it was.",
)
def test_output_is_the_external_data(tmp_path: Path, run_cli: Any) -> None:
    onnx = importlib.import_module("onnx")
    from onnx import helper, numpy_helper

    tensors = [numpy_helper.from_array(array, name) for name, array in digits().items()]
    model = helper.make_model(helper.make_graph([], "g", [], [], tensors))
    onnx.save(
        model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.pth", size_threshold=1024
    )
    before = (tmp_path / "weights.pth").read_bytes()
    result = run_cli("convert", tmp_path / "m.onnx", "--to", "pytorch", "-o", tmp_path / "weights.pth")
    assert result.exit_code == 2
    assert "would be lost" in result.output
    assert (tmp_path / "weights.pth").read_bytes() == before


def _wait_for_another_time(status: os.stat_result, folder: Path) -> None:
    """Wait until a change gets another time: the clocks of many file systems go in steps of up to 10 ms."""
    probe = folder / "probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= status.st_ctime_ns:
        time.sleep(0.001)
        probe.touch()


@pytest.mark.field(
    case="a source that changes while it is read, its time of change put back",
    source="made by hand: a .ckpt has no checksums",
    outcome="Noticed by the time that nobody can put back, however the values are read.",
)
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors", ".pth"])
@pytest.mark.parametrize("how", ["copied", "as an array"])
def test_changed_source(tmp_path: Path, suffix: str, how: str) -> None:
    path = tmp_path / f"x{suffix}"
    runtime = "pytorch" if suffix == ".pth" else "mindspore"
    write_checkpoint(path, runtime, {"w": ArrayTensor(np.ones(100, np.float32))})
    checkpoint = open_checkpoint(path)
    status = path.stat()
    _wait_for_another_time(status, tmp_path)
    with path.open("r+b") as file:
        file.seek(path.read_bytes().find(np.ones(100, np.float32).tobytes()))
        file.write(b"\x11\x22\x33\x44")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(FormatError, match=r"something changed the file|CRC-32"):
        if how == "copied":
            write_checkpoint(tmp_path / "y.safetensors", "pytorch", checkpoint.tensors)
        else:
            checkpoint.tensors["w"].numpy()
    assert not (tmp_path / "y.safetensors").exists()


@pytest.mark.field(
    case="a state dict of tensors on the meta device",
    source="made by hand: a model that was saved before its weights were loaded",
    outcome="Refused by name: the file has no values.",
)
def test_meta_tensors(tmp_path: Path, run_cli: Any) -> None:
    state = {name: tensor.to("meta") for name, tensor in state_dict().items()}
    torch.save(state, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "is on the meta device", "after its weights are loaded")
