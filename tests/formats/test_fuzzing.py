"""What the fuzzers found before, what they start from, and that no changed byte goes unseen."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from fuzz import targets
from fuzz.seeds import seeds
from fuzz.targets import TARGETS
from tests.formats.checkpoint_samples import payload
from triport.converters.formats import ArrayTensor, FormatError, Tensor, open_checkpoint, write_checkpoint

FINDINGS = sorted((Path(__file__).parents[1] / "data" / "fuzz").iterdir())
SEEDS = [(name, data) for name in TARGETS for data in seeds(name)]


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_old_findings_stay_found(path: Path) -> None:
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.parametrize(("name", "data"), SEEDS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(SEEDS)])
def test_seeds_are_read(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", ["ckpt", "safetensors", "onnx", "pth"])
def test_the_first_seed_is_accepted(tmp_path: Path, name: str) -> None:
    """Fuzzing from files that are all refused would prove little."""
    (tmp_path / "x").write_bytes(seeds(name)[0])
    assert open_checkpoint(tmp_path / "x").tensors


@pytest.mark.parametrize("name", ["ckpt", "safetensors", "onnx"])
def test_a_reader_that_lies_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = targets._values

    def lying(*arguments: object) -> object:
        found = dict(real(*arguments))  # type: ignore[arg-type]
        key = next(iter(found))
        shape, data = found[key]
        return found | {key: (shape, bytes([data[0] ^ 1]) + data[1:])}

    monkeypatch.setattr(targets, "_values", lying)
    with pytest.raises(targets.BrokenPromiseError, match="the library reads"):
        TARGETS[name](seeds(name)[0])


def _checked_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write a file with MindSpore's CRC, which is over names and payloads in order of the names."""
    header: dict[str, object] = {}
    body, crc = b"", 0
    for name, array in sorted(tensors.items()):
        start, body = len(body), body + array.tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, len(body)]}
        crc = zlib.crc32(array.tobytes(), zlib.crc32(name.encode(), crc))
    header["__metadata__"] = {"format": "ms", "crc_num": str(crc)}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3) + 1, "v": np.array([7.5, -1], np.float32)}


def _write(path: Path) -> bytes:
    tensors: dict[str, Tensor] = {name: ArrayTensor(array) for name, array in ARRAYS.items()}
    if path.suffix == ".safetensors":
        _checked_safetensors(path, ARRAYS)
    elif path.suffix == ".ckpt":
        write_checkpoint(path, "mindspore", tensors, crc=True)
    else:
        write_checkpoint(path, "pytorch", tensors)
    return path.read_bytes()


def _read(path: Path) -> dict[str, tuple[tuple[int, ...], str, bytes]] | None:
    try:
        found = open_checkpoint(path).tensors
        return {name: (tensor.shape, tensor.dtype, payload(tensor)) for name, tensor in found.items()}
    except FormatError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors"])
def test_every_value_of_every_payload_byte(tmp_path: Path, suffix: str) -> None:
    """All 255 changes of each payload byte in a file that carries a CRC are errors."""
    path = tmp_path / f"x{suffix}"
    good = bytearray(_write(path))
    for array in ARRAYS.values():
        start = good.find(array.tobytes())
        assert start > 0
        for position in range(start, start + array.nbytes):
            for change in range(1, 256):
                good[position] ^= change
                path.write_bytes(good)
                assert _read(path) is None, (position, change)
                good[position] ^= change
    path.write_bytes(good)
    assert _read(path) is not None


@pytest.mark.parametrize("suffix", [".ckpt", ".pth"])
@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_byte_of_the_file(tmp_path: Path, suffix: str, change: int) -> None:
    """A changed byte anywhere is an error, or changes no name, shape, type or value."""
    path = tmp_path / f"x{suffix}"
    good = bytearray(_write(path))
    expected = _read(path)
    for position in range(len(good)):
        good[position] ^= change
        path.write_bytes(good)
        assert _read(path) in (None, expected), position
        good[position] ^= change
