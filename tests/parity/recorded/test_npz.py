"""A .npz file from someone else: what is refused, before anything large is made of it."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from triport.parity.recorded.npz import NpzError, NpzFile, write_npz


def npy(array, **options):
    data = io.BytesIO()
    np.lib.format.write_array(data, array, **options)
    return data.getvalue()


def header(text, version=(1, 0)):
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes(version) + length + text.encode() + b"\n"


def of(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "y.npz"


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "<i8", "|b1", "|u1"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_writes(dtype, shape, order, path):
    values = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)
    write_npz(path, {"main/logits": values})
    file = NpzFile(path)
    found = file.array("main/logits")
    assert file.names == ["main/logits"]
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, values)


class Harm:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/triport-was-unpickled"),)


def pickled():
    return npy(np.array([Harm()], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.npy", pickled())], "holds Python objects"),
        ([("a.npy", pickled()[128:])], "is no array of numbers"),
        (
            [("a.npy", header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"))],
            "holds Python objects",
        ),
        ([("a.npy", npy(np.zeros(2, [("x", "<f4")])))], "or records, which are not read"),
        (
            [("a.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"))],
            "states 4,000,000,000,000 bytes of values, and has 0",
        ),
        (
            [("a.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"))],
            "is no array of numbers|damaged",
        ),
        (
            [
                (
                    "a.npy",
                    header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
                )
            ],
            "damaged",
        ),
        ([("a.npy", header("__import__('os')"))], "is no array of numbers"),
        ([("a.npy", header("[" * 3000))], "is no array of numbers"),
        ([("a.npy", header("x" * 60_000))], "is no array of numbers"),
        ([("a.npy", header("{}", (2, 0)))], r"format version \(2, 0\)"),
        ([("a.npy", npy(np.zeros(4, np.float32))[:-1])], "damaged"),
        ([("a.npy", npy(np.zeros(4, np.float32)) + b"x")], "damaged"),
        ([("a.npy", b"")], "is no array of numbers"),
        ([("a.npy", npy(np.zeros(1))), ("a.npy", npy(np.ones(1)))], "has 'a' twice"),
        ([("\x1b[31m.npy", b"")], r"'\\x1b\[31m' is no array"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_that_are_refused(members, message, path):
    of(path, members)
    with pytest.raises(NpzError, match=message) as caught:
        NpzFile(path)
    assert "\x1b" not in str(caught.value)
    assert not Path("/tmp/triport-was-unpickled").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"x" * 1000])
def test_what_is_no_zip(data, path):
    path.write_bytes(data)
    with pytest.raises(NpzError, match=r"cannot be read as a .npz file .*: write it with np.savez"):
        NpzFile(path)


def test_no_such_file(path):
    with pytest.raises(NpzError, match="No such file"):
        NpzFile(path)


def test_a_zip_bomb_is_not_unpacked(path):
    """64 MB of zeros in 64 KB: only an array whose shape is expected is unpacked."""
    of(path, [("a.npy", npy(np.zeros(16 << 20, np.float32)))], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 17
    file = NpzFile(path)
    with pytest.raises(NpzError, match=r"is compressed: save it with np.savez"):
        file.array("a")
    with pytest.raises(NpzError, match=r"expected the shape \(2,\), found \(16777216,\)"):
        file.array("a", (2,))


@pytest.mark.parametrize("dtype", ["<U3", "|S3", "<M8[s]", "<c8"])
def test_what_are_no_numbers(dtype, path):
    write_npz(path, {"a": np.zeros(2, dtype)})
    with pytest.raises(NpzError, match="expected numbers, found"):
        NpzFile(path).array("a")


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_file_that_is_cut(cut, path):
    write_npz(path, {"a": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(NpzError, match="cannot be read"):
        NpzFile(path).array("a")


def test_a_changed_value_is_noticed(path):
    write_npz(path, {"a": np.ones(100)})
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(NpzError, match="Bad CRC-32"):
        NpzFile(path).array("a")


@pytest.mark.parametrize("value", [np.zeros(2, "<U3"), np.zeros((), "<f4"), np.zeros((), "<U2000000")])
def test_what_is_no_text(value, path):
    write_npz(path, {"a": value})
    with pytest.raises(NpzError, match="expected a text"):
        NpzFile(path).text("a")


def test_characters_that_are_none(path):
    of(path, [("a.npy", header("{'descr': '<U1', 'fortran_order': False, 'shape': (), }") + b"\xff" * 4)])
    with pytest.raises(NpzError, match="is no text"):
        NpzFile(path).text("a")
