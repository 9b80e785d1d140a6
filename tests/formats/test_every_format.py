"""What holds for each format, found by discovery: a new file in converters/formats is tested by these."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.formats.checkpoint_samples import WRITTEN, array, payload
from triport.converters.formats import (
    ArrayTensor,
    FormatError,
    Tensor,
    formats,
    open_checkpoint,
    write_checkpoint,
)
from triport.converters.formats.source import CHUNK_BYTES, SourceFile
from triport.converters.formats.tensors import ITEM_BYTES

Target = tuple[str, str, Path]
# what a format cannot hold, in its own writer's words
LACKS = {
    "ckpt": {"float8_e4m3fn", "float8_e5m2", "complex64", "complex128"},
    "safetensors": {"complex128"},
}


@pytest.mark.parametrize("dtype", ITEM_BYTES)
@pytest.mark.parametrize("shape", [(3, 5), (), (1,)], ids=str)
def test_dtypes_come_back_bit_for_bit(target: Target, dtype: str, shape: tuple[int, ...]) -> None:
    name, runtime, path = target
    tensor = ArrayTensor(array(dtype, shape))
    if dtype in LACKS.get(name, ()):
        with pytest.raises(FormatError, match=f"'w' is {dtype}, which .* cannot hold"):
            write_checkpoint(path, runtime, {"w": tensor})
        assert not path.exists()
        return
    write_checkpoint(path, runtime, {"w": tensor})
    found = open_checkpoint(path).tensors["w"]
    assert (found.shape, found.dtype, payload(found)) == (shape, dtype, payload(tensor))
    assert found.numpy().tobytes() == tensor.array.tobytes()


def test_names_order_runtime_and_metadata_come_back(target: Target, small: dict[str, Tensor]) -> None:
    name, runtime, path = target
    small["odd ünïcode/名"] = ArrayTensor(array("float32", (2,)))
    write_checkpoint(path, runtime, small, {"model": "resnet18", "note": 'quotes " and é'})
    found = open_checkpoint(path)
    assert list(found.tensors) == list(small)
    assert (found.format, found.runtime, found.path) == (name, runtime, str(path))
    if name != "ckpt":  # which has no place for it
        assert found.metadata == {"model": "resnet18", "note": 'quotes " and é'}


def test_empty_tensors_come_back_or_are_refused(target: Target) -> None:
    name, runtime, path = target
    tensors: dict[str, Tensor] = {
        "a": ArrayTensor(array("float32", (3, 0))),
        "b": ArrayTensor(array("int64", (2,))),
    }
    if name == "ckpt":  # MindSpore drops them without a word
        with pytest.raises(FormatError, match=r"'a' \[3, 0\] is empty"):
            write_checkpoint(path, runtime, tensors)
        return
    write_checkpoint(path, runtime, tensors)
    assert open_checkpoint(path).tensors["a"].shape == (3, 0)
    assert payload(open_checkpoint(path).tensors["b"]) == payload(tensors["b"])


def test_tensors_over_a_chunk_are_read_in_pieces(target: Target) -> None:
    _, runtime, path = target
    tensor = ArrayTensor(array("float32", (CHUNK_BYTES // 4 * 2 + 3,)))
    write_checkpoint(path, runtime, {"w": tensor})
    pieces = list(open_checkpoint(path).tensors["w"].chunks())
    assert max(map(len, pieces)) <= CHUNK_BYTES
    assert b"".join(pieces) == payload(tensor)


def test_arrays_of_any_layout_and_byte_order_are_written(target: Target) -> None:
    _, runtime, path = target
    values = np.arange(12, dtype="<f4").reshape(3, 4)
    layouts: dict[str, Tensor] = {"t": ArrayTensor(values.T), "big": ArrayTensor(values.astype(">f4"))}
    write_checkpoint(path, runtime, layouts)
    found = open_checkpoint(path).tensors
    np.testing.assert_array_equal(found["t"].numpy(), values.T)
    np.testing.assert_array_equal(found["big"].numpy(), values)


def test_the_content_decides_not_the_suffix(target: Target, small: dict[str, Tensor]) -> None:
    name, runtime, path = target
    write_checkpoint(path, runtime, small)
    other = path.rename(path.with_suffix(".jpg"))
    assert open_checkpoint(other).format == name


def test_just_one_format_claims_a_file(target: Target, small: dict[str, Tensor]) -> None:
    name, runtime, path = target
    write_checkpoint(path, runtime, small)
    assert [key for key, module in formats().items() if module.sniff(SourceFile(path))] == [name]


def test_writing_is_deterministic(target: Target, small: dict[str, Tensor]) -> None:
    _, runtime, path = target
    write_checkpoint(path, runtime, small, {"a": "b"})
    other = path.with_name(f"other{path.suffix}")
    write_checkpoint(other, runtime, small, {"a": "b"})
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("percent", range(0, 100, 4))
def test_truncation_is_found(target: Target, small: dict[str, Tensor], percent: int) -> None:
    name, runtime, path = target
    write_checkpoint(path, runtime, small, **({"crc": True} if name == "ckpt" else {}))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(FormatError, match=r"(?i)truncated|damaged|is empty|no known format|too short"):
        open_checkpoint(path)


@pytest.mark.parametrize("extra", [b"\0", b"garbage", b"\n" * 100], ids=repr)
def test_trailing_bytes_are_found(target: Target, small: dict[str, Tensor], extra: bytes) -> None:
    name, runtime, path = target
    write_checkpoint(path, runtime, small)
    path.write_bytes(path.read_bytes() + extra)
    if name == "pth" and not any(extra):  # torch reads over what can mean nothing
        assert "1 zero byte follows the end of what was saved: left out" in open_checkpoint(path).notes
        return
    with pytest.raises(FormatError, match=r"bytes follow|trailing|truncated|no record|belongs? to nothing"):
        open_checkpoint(path)


@pytest.mark.parametrize("runtime", ["mindspore", "pytorch"])
@pytest.mark.parametrize("suffix", [".bin", "", ".onnx"])
def test_an_unknown_suffix_names_the_known(
    tmp_path: Path, small: dict[str, Tensor], runtime: str, suffix: str
) -> None:
    known = " or ".join(sorted({end for _, owner, end in WRITTEN if owner == runtime}))
    with pytest.raises(FormatError, match=f"end the name in {known}".replace(".", r"\.")):
        write_checkpoint(tmp_path / f"x{suffix}", runtime, small)


def test_a_crc_where_the_format_has_none(target: Target, small: dict[str, Tensor]) -> None:
    name, runtime, path = target
    if name == "ckpt":
        write_checkpoint(path, runtime, small, crc=True)
        assert path.read_bytes()[-17:-10] == b"crc_num"
        return
    hint = r", or end the name in \.ckpt" if runtime == "mindspore" else ""
    with pytest.raises(FormatError, match=f"{name} files are written without crc: leave it out{hint}$"):
        write_checkpoint(path, runtime, small, crc=True)
    assert not path.exists()
    write_checkpoint(path, runtime, small, crc=False)


def test_two_modules_of_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from triport.converters.formats import ckpt

    monkeypatch.setattr(ckpt, "FORMAT", "pth")
    formats.cache_clear()
    try:
        with pytest.raises(ImportError, match="are both the format 'pth'"):
            formats()
    finally:
        formats.cache_clear()


def test_a_module_without_the_whole_interface_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from triport.converters.formats import ckpt

    monkeypatch.delattr(ckpt, "sniff")
    formats.cache_clear()
    try:
        with pytest.raises(ImportError, match="ckpt: a format also needs sniff"):
            formats()
    finally:
        formats.cache_clear()


def test_no_framework_and_no_numpy_are_imported(tmp_path: Path, small: dict[str, Tensor]) -> None:
    import subprocess

    write_checkpoint(tmp_path / "a.ckpt", "mindspore", small)
    script = (
        "import sys; from triport.converters.formats import *\n"
        "c = open_checkpoint(sys.argv[1]); write_checkpoint(sys.argv[2], 'pytorch', c.tensors)\n"
        "heavy = {'torch', 'mindspore', 'onnx', 'numpy', 'safetensors', 'pickle'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "a.ckpt"), str(tmp_path / "a.pth")]
    root = Path(__file__).parents[2]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
