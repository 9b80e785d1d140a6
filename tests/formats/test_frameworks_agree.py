"""The frameworks read what is written here, and write what is written here."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.checkpoint_samples import array, payload
from triport.converters.formats import ArrayTensor, Tensor, file_sha256, open_checkpoint, write_checkpoint
from triport.converters.formats.tensors import ITEM_BYTES
from triport.converters.versions.installed import installed_version
from triport.converters.versions.tested import numbers_of

MINDSPORE_DTYPES = [d for d in ITEM_BYTES if not d.startswith(("complex", "float8"))]
SHAPES = [(3, 5), (), (1,), (2, 1, 3, 1)]


@pytest.fixture(scope="module")
def mindspore() -> Any:
    return importlib.import_module("mindspore")


@pytest.fixture(scope="module")
def torch() -> Any:
    return importlib.import_module("torch")


def parameters(dtypes: list[str]) -> dict[str, Tensor]:
    return {f"{d}.{len(s)}": ArrayTensor(array(d, s, len(s))) for d in dtypes for s in SHAPES}


def raw_bytes(tensor: Any) -> bytes:
    """The bytes of a contiguous torch tensor of any dtype."""
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def save_with_mindspore(mindspore: Any, tensors: dict[str, Tensor], path: Path, **options: Any) -> None:
    items = [{"name": n, "data": mindspore.Tensor.from_numpy(t.numpy())} for n, t in tensors.items()]
    mindspore.save_checkpoint(items, str(path), **options)


@pytest.mark.parametrize("crc", [False, True], ids=["plain", "crc"])
def test_ckpt_is_byte_identical_to_save_checkpoint(mindspore: Any, tmp_path: Path, crc: bool) -> None:
    tensors = parameters(MINDSPORE_DTYPES)
    tensors["large.weight"] = ArrayTensor(array("float32", (300, 1000)))
    save_with_mindspore(mindspore, tensors, tmp_path / "theirs.ckpt", crc_check=crc)
    write_checkpoint(tmp_path / "ours.ckpt", "mindspore", tensors, crc=crc)
    assert file_sha256(tmp_path / "ours.ckpt") == file_sha256(tmp_path / "theirs.ckpt")


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("crc", [False, True], ids=["plain", "crc"])
def test_what_mindspore_saves_is_read(mindspore: Any, tmp_path: Path, suffix: str, crc: bool) -> None:
    tensors = parameters([d for d in MINDSPORE_DTYPES if d != "bfloat16" or suffix == ".ckpt"])
    # bytes(array), which MindSpore's CRC covers, is as many zeros as an integer scalar says
    tensors |= {
        n: ArrayTensor(np.array(3, t.dtype)) for n, t in tensors.items() if "int" in n and not t.shape
    }
    path = tmp_path / f"theirs{suffix}"
    save_with_mindspore(mindspore, tensors, path, crc_check=crc, format=suffix[1:])
    found = open_checkpoint(path)
    assert found.runtime == "mindspore"
    assert {n: payload(t) for n, t in found.tensors.items()} == {n: payload(t) for n, t in tensors.items()}
    assert (found.integrity == "the file's CRC is right") == crc


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_mindspore_loads_what_is_written(mindspore: Any, tmp_path: Path, suffix: str) -> None:
    tensors = parameters(MINDSPORE_DTYPES)
    write_checkpoint(tmp_path / f"ours{suffix}", "mindspore", tensors, {"model": "resnet18", "source": "x"})
    loaded = mindspore.load_checkpoint(str(tmp_path / f"ours{suffix}"), format=suffix[1:])
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert tuple(loaded[name].shape) == tensor.shape
        if tensor.dtype == "bfloat16":  # NumPy has none: compared in float32, which holds each value
            expected = tensor.numpy().astype(np.float32).tobytes()
            assert loaded[name].float().asnumpy().tobytes() == expected, name
        else:
            assert loaded[name].asnumpy().tobytes() == payload(tensor), name


# what libraries before these versions do not load, though some of them have written it themselves
LATER_DTYPES = {"float8_e4m3fn", "float8_e5m2", "uint64", "uint32", "uint16", "complex64"}
ALL_DTYPES_FROM = {"torch": (2, 3), "safetensors": (0, 7)}


def dtypes_lacking(package: str) -> set[str]:
    """The dtypes that the installed version of a library may lack."""
    version = numbers_of(installed_version(package) or "")
    return LATER_DTYPES if version < ALL_DTYPES_FROM[package] else set()


def loaded_again(torch: Any, save: Callable[[Any, Path], None], load: Callable[[Path], Any]) -> list[str]:
    """The dtypes in which a library loads what it has saved itself; all of them but what came later."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ITEM_BYTES:
            path = Path(folder) / dtype
            try:
                save({"w": torch.zeros(2, dtype=getattr(torch, dtype))}, path)
                load(path)
            except Exception:
                continue
            found.append(dtype)
    return found


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
def test_torch_loads_weights_only(torch: Any, tmp_path: Path, mmap: bool) -> None:
    dtypes = loaded_again(torch, torch.save, lambda path: torch.load(path, weights_only=True))
    assert set(ITEM_BYTES) - set(dtypes) <= dtypes_lacking("torch")
    tensors = parameters(dtypes)
    tensors["empty"] = ArrayTensor(array("float32", (2, 0, 3)))
    tensors["large"] = ArrayTensor(array("float32", (300, 1000)))
    tensors["wide"] = ArrayTensor(array("int8", (70_000,)))
    path = tmp_path / "ours.pth"
    write_checkpoint(path, "pytorch", tensors, {"model": "resnet18"})
    loaded = torch.load(str(path), weights_only=True, mmap=mmap)
    assert list(loaded) == list(tensors)
    assert type(loaded) is dict
    for name, tensor in tensors.items():
        value = loaded[name]
        assert (str(value.dtype), tuple(value.shape)) == (f"torch.{tensor.dtype}", tensor.shape)
        assert value.is_contiguous()
        assert raw_bytes(value) == payload(tensor), name


def test_payloads_are_aligned_to_64_bytes(tmp_path: Path) -> None:
    from triport.converters.formats.source import SourceFile
    from triport.converters.formats.zip_records import read_records

    tensors: dict[str, Tensor] = {f"t{i}": ArrayTensor(array("int8", (i,))) for i in range(1, 20)}
    write_checkpoint(tmp_path / "x.pth", "pytorch", tensors)
    records, _ = read_records(SourceFile(tmp_path / "x.pth"))
    assert {record.offset % 64 for record in records.values()} == {0}


def test_the_zip_is_one_that_python_reads(tmp_path: Path, small: dict[str, Tensor]) -> None:
    import zipfile

    write_checkpoint(tmp_path / "x.pth", "pytorch", small, {"a": "b"})
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        assert archive.testzip() is None
        assert archive.read("archive/triport.json") == b'{"a": "b"}'


def test_a_missing_num_batches_tracked_loads_strictly(torch: Any, tmp_path: Path) -> None:
    layer = torch.nn.BatchNorm2d(3)
    tensors: dict[str, Tensor] = {
        n: ArrayTensor(v.numpy()) for n, v in layer.state_dict().items() if n != "num_batches_tracked"
    }
    write_checkpoint(tmp_path / "x.pth", "pytorch", tensors)
    layer.load_state_dict(torch.load(tmp_path / "x.pth", weights_only=True), strict=True)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_what_torch_saves_is_read(torch: Any, tmp_path: Path, zipped: bool) -> None:
    dtypes = [d for d in ITEM_BYTES if not d.startswith(("uint16", "uint32", "uint64", "float8"))]
    values = {d: torch.ones(2, 3, dtype=getattr(torch, d)) for d in dtypes}
    base = torch.arange(24.0).reshape(2, 3, 4)
    values |= {
        "slice": base[1],
        "transposed": base.permute(2, 0, 1),
        "step": base[:, ::2],
        "tied": base,
        "parameter": torch.nn.Parameter(torch.rand(3)),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    torch.save(values, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    found = open_checkpoint(tmp_path / "x.pth").tensors
    assert list(found) == list(values)
    for name, value in values.items():
        assert found[name].shape == tuple(value.shape)
        assert payload(found[name]) == raw_bytes(value.detach().contiguous()), name
    np.testing.assert_array_equal(found["transposed"].numpy(), values["transposed"].numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_that_torch_offers_is_read(torch: Any, tmp_path: Path, protocol: int) -> None:
    torch.save({"w": torch.arange(3.0), "b": torch.ones(2)}, tmp_path / "x.pth", pickle_protocol=protocol)
    found = open_checkpoint(tmp_path / "x.pth").tensors
    assert found["w"].numpy().tolist() == [0.0, 1.0, 2.0]


def test_safetensors_loads_what_is_written(torch: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    dtypes = loaded_again(torch, save_file, load_file)
    assert set(ITEM_BYTES) - set(dtypes) <= dtypes_lacking("safetensors") | {"complex128"}
    tensors = parameters(dtypes)
    tensors["empty"] = ArrayTensor(array("float32", (2, 0)))
    write_checkpoint(tmp_path / "x.safetensors", "pytorch", tensors, {"model": "resnet18"})
    loaded = load_file(tmp_path / "x.safetensors")
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert raw_bytes(loaded[name]) == payload(tensor), name


@pytest.mark.parametrize(("names", "runtime"), [(("bn.gamma",), "mindspore"), (("bn.weight",), "pytorch")])
def test_safetensors_without_metadata_are_told_by_names(
    tmp_path: Path, names: tuple[str], runtime: str
) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.zeros(2, np.float32) for name in names}, tmp_path / "x.safetensors")
    found = open_checkpoint(tmp_path / "x.safetensors")
    assert found.runtime == runtime
    assert any("does not say whose" in note for note in found.notes)
