"""Files that are no checkpoint, and folders."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.field.digits_weights import assert_refused, digits, state_dict

Make = Callable[[Path], object]


def zipped(*names: str) -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"x" * 8)

    return make


def written(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("model/weights.ckpt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"abcd"))


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{"conv1.weight": np.ones(3), "fc.bias": np.ones(2)})


def exported(path: Path) -> None:
    torch = importlib.import_module("torch")
    module = torch.nn.Linear(2, 2).eval()
    torch.export.save(torch.export.export(module, (torch.ones(1, 2),)), path)


def assert_named(run_cli: Any, path: Path, make: Make, *words: str) -> None:
    make(path)
    message = assert_refused(run_cli, path, *words)
    assert "damaged" not in message


PAGE = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Quota exceeded</title></head></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 44700000\n"
DOWNLOADS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "lfs pointer": (written(LFS), ("Git LFS pointer", "44,700,000 bytes", "git lfs pull")),
    "html": (written(PAGE), ("HTML page ('Google Drive - Quota exceeded')",)),
    "html later": (written(b"\xef\xbb\xbf \n<html lang=en><body>Sign in</body></html>"), ("HTML page",)),
    "xml": (
        written(b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>It is gone</Message></Error>'),
        ("XML", "NoSuchKey", "It is gone"),
    ),
    "json": (written(b'{"error":"Entry not found"}'), ("JSON", "Entry not found")),
    "index": (
        written(b'{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
        ("its part model-00001-of-00002.safetensors is not beside it", "Download every part"),
    ),
    "text": (written(b"Access denied\n"), ("it is a text, 'Access denied'",)),
    "zeros": (written(bytes(5000)), ("only zeros", "not finished")),
    "empty": (written(b""), ("is empty",)),
}


@pytest.mark.field(
    case="what a download gives instead of the file",
    source="huggingface/diffusers#13559, YBIGTA/pytorch-hair-segmentation#38, NVlabs/CALM#7",
    outcome="Named (LFS pointer, page, error), with what it says and the next step.",
)
@pytest.mark.parametrize(("make", "words"), DOWNLOADS.values(), ids=DOWNLOADS)
@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_downloads(tmp_path: Path, run_cli: Any, make: Make, words: tuple[str, ...], suffix: str) -> None:
    assert_named(run_cli, tmp_path / f"x{suffix}", make, *words)


TENSORFLOW_INDEX = b"\0" + b"x" * 60 + bytes.fromhex("57fb808b247547db")
FORMATS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "hdf5": (written(b"\x89HDF\r\n\x1a\n" + bytes(2000)), ("HDF5", "Keras", "ONNX")),
    "gzip": (written(gzip.compress(b"\x80\x02" + bytes(99))), ("gzip", "Unpack")),
    "bzip2": (written(bz2.compress(bytes(99))), ("bzip2", "Unpack")),
    "xz": (written(lzma.compress(bytes(99))), ("xz", "Unpack")),
    "zip": (zipped("resnet18.pth"), ("zip archive around resnet18.pth", "Unpack")),
    "npz": (npz, ("NumPy archive (.npz) of 2 arrays", "torch.from_numpy")),
    "npy": (lambda path: np.save(path.open("wb"), np.ones(3)), ("one NumPy array",)),
    "tar": (tarred, ("tar archive around model/weights.ckpt", "Unpack")),
    "keras": (zipped("metadata.json", "config.json", "model.weights.h5"), ("Keras 3",)),
    "torchscript of 1.3": (
        zipped("net/version", "net/code/net.py", "net/attributes.pkl", "net/tensors/0", "net/model.json"),
        ("TorchScript", "before 1.4", "torch.jit.load"),
    ),
    "torch.export of 2.1": (
        zipped("version", "serialized_exported_program.json", "serialized_state_dict.pt"),
        ("torch.export",),
    ),
    "torch.export": (
        zipped("x/archive_format", "x/data/weights/weight_0", "x/models/model.json"),
        ("torch.export.load", "state_dict"),
    ),
    "tflite": (written(b"\x1c\0\0\0TFL3" + bytes(99)), ("TensorFlow Lite",)),
    "tensorflow checkpoint": (written(TENSORFLOW_INDEX), ("TensorFlow checkpoint",)),
    "saved_model.pb": (written(b"\x08\x01\x12\x05\x0a\x03\x12\x01x"), ("TensorFlow SavedModel",)),
    "frozen graph": (
        written(b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder" + b"\x0a\x0a\x0a\x01y\x12\x05Const"),
        ("TensorFlow graph",),
    ),
    "gguf": (written(b"GGUF\x03\0\0\0" + bytes(99)), ("GGUF",)),
    "openvino": (written(b'<?xml version="1.0"?>\n<net name="x" version="11"></net>'), ("OpenVINO",)),
    "encrypted ckpt": (
        written(bytes.fromhex("d85e3a7f") + bytes(99)),
        ("encrypted MindSpore checkpoint", "dec_key"),
    ),
    "pickle of text": (written(b"(dp0\nS'a'\np1\nI1\ns."), ("pickle of protocol 0 or 1",)),
    "pickle": (written(b"\x80\x04}."), ("bare pickle", "torch.save")),
}  # fmt: skip


@pytest.mark.field(
    case="files of other formats",
    source="pytorch/pytorch#31877, NVlabs/CALM#7, bioimage-io/core-bioimage-io-python#486",
    outcome="Named, with the next step; none is called damaged.",
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "words"), FORMATS.values(), ids=FORMATS)
def test_other_formats(tmp_path: Path, run_cli: Any, make: Make, words: tuple[str, ...]) -> None:
    assert_named(run_cli, tmp_path / "x.pth", make, *words)


@pytest.mark.field(
    case="torch.export's .pt2, made by torch",
    source="pytorch/pytorch#31877",
    outcome="Named, with the next step.",
)
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_exported_program(tmp_path: Path, run_cli: Any) -> None:
    assert_named(run_cli, tmp_path / "x.pt2", exported, "torch.export.load", "state_dict")


@pytest.mark.field(
    case="escape sequences and long texts in what is not a checkpoint",
    source="made by hand",
    outcome="No byte of the file reaches the terminal as it is; the message is short.",
)
@pytest.mark.parametrize(
    "content",
    [
        b"<html><title>\x1b[31mred\x07" + b"x" * 3000 + b"</title></html>",
        b'{"error": "\x1b]0;title\x07' + b"x" * 3000 + b'"}',
        b'{"error": "\\u001b[2J"}',
        b"plain \x1b[2J text \xc2\x9b31m and more of it, long enough to be a text" * 50,
        "right to left \u202e and so on, and more of it".encode() * 20,
        b"version https://git-lfs.github.com/spec/v1\nsize \x1b[31m\n",
    ],
    ids=["html", "json", "json escape", "text", "bidi", "lfs"],
)
def test_hostile_texts(tmp_path: Path, run_cli: Any, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    assert len(assert_refused(run_cli, tmp_path / "x.pth")) < 1000


def distributed(path: Path) -> None:
    torch = importlib.import_module("torch")
    checkpoint = importlib.import_module("torch.distributed.checkpoint")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in digits().items()}
    checkpoint.save({"model": tensors}, checkpoint_id=str(path), no_dist=True)


@pytest.mark.field(
    case="a PyTorch distributed checkpoint: .metadata and .distcp",
    source="facebookresearch/dinov3#215, pytorch/pytorch#118207, candle-org/candle#129",
    outcome="The folder and each of its files are named, with the command that makes one file of them.",
)
@pytest.mark.parametrize("part", ["", ".metadata", "__0_0.distcp"])
@pytest.mark.filterwarnings("ignore")
def test_distributed_checkpoint(tmp_path: Path, run_cli: Any, part: str) -> None:
    distributed(tmp_path / "dcp")
    message = assert_refused(run_cli, tmp_path / "dcp" / part, "distributed checkpoint", "dcp_to_torch")
    assert "damaged" not in message


FOLDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unpacked": (("data.pkl", "version", "byteorder"), ("what a .pth file has inside",)),
    "saved model": (("saved_model.pb", "fingerprint.pb"), ("TensorFlow SavedModel",)),
    "tensorflow": (("checkpoint", "model.ckpt-1.index"), ("TensorFlow checkpoints",)),
    "deepspeed": (("latest", "global_step1"), ("DeepSpeed", "zero_to_fp32.py")),
    "adapter": (("adapter_config.json", "adapter_model.safetensors"), ("adapter of PEFT", "merge_and")),
    "orbax": (("_CHECKPOINT_METADATA", "manifest.ocdbt"), ("JAX (Orbax)",)),
    "oneflow": (("snapshot_done",), ("OneFlow",)),
    "ranks": (("rank_0/net-1_1.ckpt", "rank_1/net-1_1.ckpt"), ("slice of each", "transform_checkpoints")),
    "one file": (("net-1_1.ckpt", "x.txt"), ("It has net-1_1.ckpt: give that",)),
    "hub": (("config.json", "model.safetensors"), ("model.safetensors: is of no known format",)),
    "other": (("x.txt",), ("is a directory; expected a checkpoint file",)),
}


@pytest.mark.field(
    case="a folder in the place of a file",
    source="candle-org/candle#129, and made by hand",
    outcome="Named where its files tell, with the file to give.",
)
@pytest.mark.parametrize(("names", "words"), FOLDERS.values(), ids=FOLDERS)
def test_folders(tmp_path: Path, run_cli: Any, names: tuple[str, ...], words: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(b"x")
    assert_refused(run_cli, tmp_path / "model", *words)


@pytest.mark.field(
    case="a package of Core ML, which is a folder",
    source="coremltools: ct.convert(...).save('net.mlpackage') writes a folder",
    outcome="Named, with the next step.",
)
def test_a_package_of_core_ml(tmp_path: Path, run_cli: Any) -> None:
    (tmp_path / "net.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "net.mlpackage" / "Manifest.json").write_text("{}")
    assert_refused(run_cli, tmp_path / "net.mlpackage", "package of Core ML", "checkpoint")


@pytest.mark.field(
    case="a truncated checkpoint",
    source="made by hand: what is truly damaged is called so",
    outcome="Called truncated or damaged, with where.",
)
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.999])
def test_truncated(tmp_path: Path, run_cli: Any, legacy: bool, share: float) -> None:
    torch = importlib.import_module("torch")
    path = tmp_path / "x.pth"
    torch.save(state_dict(), path, _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "truncated" in assert_refused(run_cli, path)


def packaged(path: Path) -> None:
    torch = importlib.import_module("torch")
    with torch.package.PackageExporter(path) as exporter:
        exporter.intern("**")
        exporter.save_pickle("model", "model.pkl", {"a": torch.ones(2)})


FOREIGN: dict[str, tuple[str, Make, tuple[str, ...]]] = {
    "MindSpore Lite": ("net.ms", written(b"\x20\0\0\0MSL2" + bytes(200)), ("MindSpore Lite", ".mindir")),
    "Ascend's compiler": ("net.om", written(b"IMOD" + bytes(200)), ("compiled for an Ascend NPU", "ONNX")),
    "Ascend's graphs": ("net.air", written(b"\x0a\x05model\x10\x01\x12\x80\x01"), ("by its name", "AIR")),
    "torch.package": ("net.pt", packaged, ("torch.package", "state_dict()")),
    "Core ML": ("net.zip", zipped("Manifest.json", "Data/com.apple.CoreML/net.mlmodel"), ("Core ML",)),
    "SavedModel": ("net.zip", zipped("saved_model.pb", "variables/variables.index"), ("tf2onnx",)),
    "Darknet": ("net.weights", written(bytes(4) + b"\x02" + bytes(100)), ("by its name", "Darknet")),
    "Darknet's cfg": ("net.cfg", written(b"[net]\nbatch=1\n"), ("it is a text, '[net] batch=1'",)),
    "Paddle's program": ("net.pdmodel", written(b"\x0a\x80\x01\x08\x00\x10\xff"), ("PaddlePaddle",)),
    "Flax": ("net.msgpack", written(b"\x81\xa6params\x80"), ("Flax",)),
    "MATLAB": ("net.mat", written(b"MATLAB 5.0 MAT-file" + b" " * 100), ("scipy.io.loadmat",)),
    "a script": ("net.py", written(b"import torch\n"), ("Python", "FILE.py:factory")),
    "a Xet pointer": ("net.pth", written(b"# xet version 0\nfilesize = 1\n"), ("Xet pointer",)),
    "a DVC pointer": ("net.pth", written(b"outs:\n- md5: ab\n  size: 1\n"), ("dvc pull",)),
    "an error in JSON": ("net.pth", written(b'{"error_msg":"hotlink forbidden"}'), ("hotlink forbidden",)),
    "a page of that name": ("net.om", written(PAGE), ("HTML page", "Quota exceeded")),
    "UTF-16": ("net.pth", written("Not found".encode("utf-16")), ("it is a text, 'Not found'",)),
}


@pytest.mark.field(
    case="files of other programs, by their marks or their names",
    source="mindspore-lab's model lists (.ms, .om, .air beside .ckpt), iterative/dvc, torch.package, "
    "found by trying",
    outcome="Named as what they are, with the next step; a page of such a name is still a page.",
)
@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_programs(tmp_path: Path, run_cli: Any, kind: str) -> None:
    name, make, words = FOREIGN[kind]
    assert_named(run_cli, tmp_path / name, make, *words)


MORE_FORMATS: dict[str, tuple[str, Make, tuple[str, ...]]] = {
    "HDF5 behind a user block": ("x.h5", written(bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(99)), ("HDF5",)),
    "MATLAB 7.3": ("x.mat", written(b"MATLAB 7.3 MAT-file" + b" " * 493 + b"\x89HDF"), ("h5py",)),
    "TensorRT, ptrt": ("x.bin", written(b"ptrt" + bytes(99)), ("TensorRT engine",)),
    "TensorRT by its name": ("x.trt", written(b"\xe7\x95\x39\x9a" + bytes(99)), ("by its name", "TensorRT")),
    "ExecuTorch's data": ("x.ptd", written(b"\x20\0\0\0FT01" + bytes(99)), ("ExecuTorch", ".ptd")),
    "Rockchip": ("x.bin", written(b"RKNN" + bytes(99)), ("Rockchip NPU",)),
    "age": ("x.pth", written(b"age-encryption.org/v1\n" + bytes(range(128, 255))), ("age -d",)),
    "GnuPG": ("x.pth.gpg", written(b"\x85\x02\x0c\x03" + bytes(range(128, 255))), ("gpg -d",)),
    "a part of a download": ("x.pth.aria2", written(b"\0\x01\0\0\xff\xfe\xfd"), ("has not ended",)),
    "TensorFlow's data": ("x.data-00000-of-00001", written(b"\xe7\x95\x39\x9a"), ("TensorFlow checkpoint",)),
    "TensorFlow.js": ("x.json", written(b'{"modelTopology": {}, "weightsManifest": []}'), ("TensorFlow.js",)),
    "ONNX as a text": ("x.onnx", written(b'<\n ir_version: 8,\n opset_import: ["" : 17]\n>\n'), ("onnxtxt",)),
    "ONNX as protobuf's text": ("x.onnx", written(b'ir_version: 8\ngraph {\n}\n'), ("textproto",)),
    "ONNX as JSON": ("x.onnx", written(b'{"irVersion": "8", "graph": {"node": []}}'), ("format='json'",)),
    "external data alone": ("x.onnx.data", written(b"\xe7\x95\x39\x3a" * 99), ("external data", ".onnx")),
    "TorchScript": ("x.pt", zipped("x/data.pkl", "x/constants.pkl", "x/code/x.py"), ("torch.jit.load",)),
}  # fmt: skip


@pytest.mark.field(
    case="HDF5, TensorRT, TorchScript, ExecuTorch, TensorFlow, ONNX as text, encrypted, parts of downloads",
    source="found by an adversary: files as their makers write them, given as weights",
    outcome="Named as what they are, with the next step; none is called damaged.",
)
@pytest.mark.parametrize("kind", MORE_FORMATS)
def test_more_files_of_other_programs(tmp_path: Path, run_cli: Any, kind: str) -> None:
    name, make, words = MORE_FORMATS[kind]
    assert_named(run_cli, tmp_path / name, make, *words)


@pytest.mark.field(
    case="the external data of an ONNX model, whatever it is called, given instead of the model",
    source="onnx.save(save_as_external_data=True, location=...): any name, beside the model",
    outcome="The model beside it that names it is named, as the file to give.",
)
@pytest.mark.parametrize("name", ["weights", "x.bin", "net.onnx.data"])
def test_external_data_of_a_model(tmp_path: Path, run_cli: Any, name: str) -> None:
    onnx = importlib.import_module("onnx")
    weights = onnx.numpy_helper.from_array(np.arange(1, 99, dtype=np.float32), "w")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [weights]))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location=name, size_threshold=0)
    message = assert_refused(run_cli, tmp_path / name, "external data of net.onnx")
    assert f"Give {tmp_path / 'net.onnx'}" in message


@pytest.mark.field(
    case="a file beside an ONNX model that has its name in it, for a tensor",
    source="asked of the sentence before: what makes it false",
    outcome="It is not called external data of that model.",
)
def test_a_name_in_a_model_beside_is_no_proof(tmp_path: Path, run_cli: Any) -> None:
    onnx = importlib.import_module("onnx")
    weights = onnx.numpy_helper.from_array(np.arange(1, 99, dtype=np.float32), "layer")
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [weights])), tmp_path / "net.onnx"
    )
    (tmp_path / "layer").write_bytes(np.random.default_rng(0).normal(size=99).astype(np.float32).tobytes())
    assert "external data" not in assert_refused(run_cli, tmp_path / "layer", "")


@pytest.mark.field(
    case="the weights of an OpenVINO network",
    source="openvinotoolkit/open_model_zoo: an .xml, and a .bin of numbers alone beside it",
    outcome="Named by the .xml beside it.",
)
def test_weights_of_openvino(tmp_path: Path, run_cli: Any) -> None:
    (tmp_path / "net.xml").write_text('<?xml version="1.0"?><net name="x"/>')
    numbers = np.random.default_rng(0).normal(size=99).astype(np.float32)
    assert_named(run_cli, tmp_path / "net.bin", written(numbers.tobytes()), "OpenVINO")
