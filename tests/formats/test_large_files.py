"""Files over 4 GiB (zip64), sparse on the disk, and long lists of tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from converters.formats import ArrayTensor, Tensor, open_checkpoint, write_checkpoint
from converters.formats import ckpt as ckpt_format
from converters.formats import pth as pth_format
from converters.formats.atomic import Output
from converters.formats.source import CHUNK_BYTES
from tests.formats.checkpoint_samples import array, payload

ZEROS = bytes(CHUNK_BYTES)


class Zeros(Tensor):
    """4 GiB and a little of zeros."""

    shape, dtype = (2**32 // CHUNK_BYTES + 1, CHUNK_BYTES), "uint8"

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.shape[0]):
            yield ZEROS


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave holes for zeros instead of writing them."""
    real = Output._write_all

    def write(self: Output, data: bytes) -> None:
        if data is ZEROS:
            os.lseek(self._fd, len(data), os.SEEK_CUR)
        else:
            real(self, data)

    monkeypatch.setattr(Output, "_write_all", write)


@pytest.mark.slow
def test_pth_over_4_gib(tmp_path: Path, sparse: None) -> None:
    torch = pytest.importorskip("torch")
    after = ArrayTensor(array("float32", (100,)))
    path = tmp_path / "x.pth"
    pth_format.write(path, "pytorch", {"zeros": Zeros(), "after": after}, {})
    assert path.stat().st_size > 2**32
    found = open_checkpoint(path).tensors
    assert (found["zeros"].shape, payload(found["after"])) == (Zeros.shape, payload(after))
    loaded = torch.load(path, weights_only=True, mmap=True)
    assert tuple(loaded["zeros"].shape) == Zeros.shape
    np.testing.assert_array_equal(loaded["after"].numpy(), after.array)


@pytest.mark.slow
def test_ckpt_over_4_gib(tmp_path: Path, sparse: None) -> None:
    after = ArrayTensor(array("float32", (100,)))
    path = tmp_path / "x.ckpt"
    ckpt_format.write(path, "mindspore", {"zeros": Zeros(), "after": after}, {})
    found = open_checkpoint(path).tensors
    assert len(found["zeros"].ranges) == 9  # type: ignore[attr-defined]
    assert payload(found["after"]) == payload(after)


@pytest.mark.slow
def test_more_records_than_a_plain_zip_counts(tmp_path: Path) -> None:
    import zipfile

    tensors: dict[str, Tensor] = {f"t{i}": ArrayTensor(np.float32(i).reshape(())) for i in range(66_000)}
    path = tmp_path / "x.pth"
    pth_format.write(path, "pytorch", tensors, {})
    found = open_checkpoint(path).tensors
    assert payload(found["t65999"]) == payload(tensors["t65999"])
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 66_005


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    """A conversion of 64 MiB needs little more than the interpreter."""
    import subprocess
    import sys

    write_checkpoint(tmp_path / "a.ckpt", "mindspore", {"w": ArrayTensor(array("float32", (2**24,)))})
    script = (
        "import sys; from converters.formats import *\n"
        "c = open_checkpoint(sys.argv[1])\n"
        "runtime = 'pytorch' if sys.argv[2].endswith('pth') else 'mindspore'\n"
        "write_checkpoint(sys.argv[2], runtime, c.tensors)\n"
        # not ru_maxrss, which a child inherits from this process
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "a.ckpt"), str(tmp_path / f"b{suffix}")]
    root = Path(__file__).parents[2]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=root, check=True)
    assert int(done.stdout) < 40_000
