"""Attacks that were published, and their kind: refused by name, nothing run, no memory filled."""

from __future__ import annotations

import contextlib
import re
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.formats.checkpoint_samples import payload
from triport.converters.formats import FormatError, open_checkpoint
from triport.converters.formats.pickled_values import Global, Opaque, PickledTensor
from triport.converters.formats.unpickle import Unpickler


def load(data: bytes) -> Any:
    return Unpickler(data, "x.pth", "data.pkl").load()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


CALLS = {
    "os.system": b"cos\nsystem\n(S'touch pwned'\ntR.",
    "posix.system": b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00a\x85R.",
    "builtins.eval": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
    "subprocess.Popen": b"\x80\x02(csubprocess\nPopen\nX\x01\x00\x00\x00ao.",
    "webbrowser.open": b"\x80\x02}(X\x01\x00\x00\x00acwebbrowser\nopen\nX\x01\x00\x00\x00a\x85Ru.",
    "dict": b"\x80\x02})R.",
}
UNKNOWN_CALLS = {
    "builtins.getattr": b"\x80\x02cbuiltins\ngetattr\n}X\x05\x00\x00\x00clear\x86R.",
    "torch.load": b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00a\x85R.",
    "torch.storage._load_from_bytes": b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x01a\x85R.",
    "torch._utils._rebuild_xla_tensor": b"\x80\x02ctorch._utils\n_rebuild_xla_tensor\n)R.",
    "functools.partial": b"\x80\x02cfunctools\npartial\n)R.",
    "numpy.load": b"\x80\x02cnumpy\nload\n)R.",
    "evil.run": b"\x80\x02cevil\nrun\n)R.",
    # protocol 4 can name an attribute of an allowed name: taken literally, so on no list
    "collections.OrderedDict.fromkeys": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93)R.",
}


@pytest.mark.parametrize(("function", "data"), CALLS.items(), ids=CALLS)
def test_a_call_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, data: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=rf"calls {re.escape(function)} .*refused, and nothing was run"):
        load(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("function", "data"), UNKNOWN_CALLS.items(), ids=UNKNOWN_CALLS)
def test_an_unknown_call_is_an_object_that_is_not_read(function: str, data: bytes) -> None:
    value = load(data)
    assert isinstance(value, Opaque)
    assert str(value.kind) == function


def call_of_unknown() -> bytes:
    return b"cevil\nrun\n)R"


OPAQUE_IN_TENSORS = {
    "storage": b"(%sK\x00K\x06\x85K\x01\x85\x89}tR",
    "offset": b"(%s%%sK\x06\x85K\x01\x85\x89}tR",
    "shape": b"(%sK\x00%%sK\x01\x85\x89}tR",
    "size": b"(%sK\x00%%s\x85K\x01\x85\x89}tR",
    "stride": b"(%sK\x00K\x06\x85%%s\x85\x89}tR",
    "metadata": b"(%sK\x00K\x06\x85K\x01\x85\x89}%%stR",
    "entry of the metadata": b"(%sK\x00K\x06\x85K\x01\x85\x89}}X\x03\x00\x00\x00neg%%sstR",
}


@pytest.mark.parametrize("part", OPAQUE_IN_TENSORS)
def test_what_is_not_read_becomes_part_of_no_tensor(tmp_path: Path, part: str) -> None:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x06tQ"
    arguments = OPAQUE_IN_TENSORS[part] % (call_of_unknown() if part == "storage" else storage)
    if part != "storage":
        arguments %= call_of_unknown()
    make_pth(
        tmp_path / "x.pth",
        b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"s.",
    )
    with pytest.raises(FormatError, match=r"tensor 'w' (is|has) .*torch\.save the state dict again"):
        open_checkpoint(tmp_path / "x.pth")


def test_the_state_of_a_tensor_is_not_set_afterwards(tmp_path: Path) -> None:
    """Torch takes it as (storage, offset, size, stride), so that the tensor would be another one."""
    pickled = tensor_pickle("0", 6, 0, (6,), (1,))
    make_pth(tmp_path / "x.pth", pickled[:-2] + b"(NK\x00))tb" + pickled[-2:])
    with pytest.raises(FormatError, match=r"sets the state of a tensor|cannot be followed"):
        open_checkpoint(tmp_path / "x.pth")
    make_pth(tmp_path / "x.pth", pickled[:-2] + b"Nb" + pickled[-2:])
    with pytest.raises(FormatError, match="sets the state of a tensor"):
        open_checkpoint(tmp_path / "x.pth")


def test_a_call_in_a_whole_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("x/data.pkl", CALLS["os.system"])
        archive.writestr("x/version", "3\n")
    with pytest.raises(FormatError, match=r"data\.pkl calls os\.system"):
        open_checkpoint(tmp_path / "x.pth")


BROKEN = {
    "empty": (b"", "ends in the middle"),
    "no stop": (b"\x80\x02}", "ends in the middle"),
    "stack underflow": (b"\x80\x02R.", "cannot be followed"),
    "no mark": (b"\x80\x02t.", "cannot be followed"),
    "memo": (b"\x80\x02h\x05.", "cannot be followed"),
    "protocol": (b"\x80\x09}.", "protocol 9"),
    "unknown opcode": (b"\x80\x02\xff.", "opcode 0xff"),
    "extension": (b"\x80\x02\x82\x01.", "opcode 0x82"),
    "out-of-band buffer": (b"\x80\x05\x97.", "opcode 0x97"),
    "text outside": (b"X\xff\xff\xff\xffabc.", "ends in the middle"),
    "bytes8 outside": (b"\x8e" + b"\xff" * 8 + b".", "ends in the middle"),
    "huge number": (b"\x8b\x00\x00\x00\x7f.", "a number of 2,130,706,432 bytes"),
    "long line": (b"I" + b"1" * 5000 + b"\n.", "line without an end"),
    "not UTF-8": (b"X\x02\x00\x00\x00\xff\xfe.", "cannot be followed"),
    "marks": (b"(" * 2000 + b".", "nests deeper than 1000"),
    "persistent number": (b"K\x01Q.", "no torch storage"),
    "append to a number": (b"K\x01K\x02a.", "cannot be followed"),
    "odd items": (b"}(K\x01u.", "cannot be followed"),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_pickle_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load(data)


def test_copies_of_a_memoised_list_are_bounded() -> None:
    data = (
        b"](" + b"K\x01" * 200_000 + b"eq\x00" + b"cbuiltins\nlist\nq\x01" + b"h\x01h\x00\x85R0" * 1000 + b"."
    )
    with pytest.raises(FormatError, match="copies the same items"):
        load(data)


def test_endless_steps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triport.converters.formats.unpickle.MAX_STEPS", 1000)
    with pytest.raises(FormatError, match="far more steps than any"):
        load(b"N0" * 5000 + b".")


_ORDERED_DICT = b"ccollections\nOrderedDict\nq\x00"
_MODULUS = 2**61 - 1  # hash(n * _MODULUS) is 0
SLOW = {
    "no operation": b"N0" * 3_000_000 + b"N.",
    "marks": b"(t0" * 2_000_000 + b"N.",
    "calls": _ORDERED_DICT + b"(" + b"h\x00)R" * 330_000 + b"t.",
    "globals": b"ctorch\nFloatStorage\n0" * 400_000 + b"N.",
    "numbers that collide as keys": b"}("
    + b"".join(b"\x8a\x0b" + (n * _MODULUS).to_bytes(11, "little") + b"N" for n in range(300_000))
    + b"u.",
    "numbers that collide in the memo": b"N"
    + b"".join(b"p%d\n" % (n * _MODULUS) for n in range(300_000))
    + b".",
    "a long tuple as key, again and again": b"("
    + b"K\x01" * 100_000
    + b"tq\x00}("
    + b"h\x00N" * 100_000
    + b"u.",
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
def test_no_pickle_takes_long(data: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(FormatError):
        load(data)
    assert time.process_time() - start < 1


def test_the_steps_are_those_of_all_pickles_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a legacy file are begun again where they are longer than what was read of it."""
    from triport.converters.formats.legacy_pth import MAGIC

    monkeypatch.setattr("triport.converters.formats.legacy_pth.MAX_STEPS", 100_000)
    once = b"\x80\x02M\xe9\x03." + b"N0" * 40_000 + b"X" + struct.pack("<I", 2 << 20)
    (tmp_path / "x.pth").write_bytes(MAGIC + once + b"a" * (2 << 20) + b"." * 100)
    with pytest.raises(FormatError, match="far more steps than any"):
        open_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("data", [b"(20.", b"(q\x00h\x000t.", b"N(a(t.", b"}((Nsut."], ids=repr)
def test_a_mark_is_no_value(data: bytes) -> None:
    with pytest.raises(FormatError, match="cannot be followed"):
        load(data)


TINY_FIELDS = {
    "x.onnx": b"\x08\x08\x3a\xfe\xff\xff\x1f" + b"\x0a\x00" * (2**25 - 1),  # nodes
    "x.ckpt": (
        b"\x0a\x13\x0a\x01w\x12\x0e\x08\x04\x12\x04Int8\x1a\x04abcd" * 3_000_000
    ),  # slices of one tensor
}


@pytest.mark.parametrize("name", TINY_FIELDS)
def test_millions_of_tiny_fields_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(TINY_FIELDS[name])
    monkeypatch.setattr("triport.converters.formats.wire._MAX_FIELDS", 200_000)
    start = time.process_time()
    with pytest.raises(FormatError, match="has more than 200,000 fields, far beyond any network"):
        open_checkpoint(tmp_path / name)
    assert time.process_time() - start < 2


def test_nested_tuples_are_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a tuple that is nested 100,000 deep would end the process."""
    assert load(b"})" + b"\x85" * 100_000 + b"K\x01s.") == {"<tuple>": 1}


def test_instances_are_opaque() -> None:
    value = load(b"\x80\x02cevil\nClass\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert isinstance(value, Opaque)
    assert value.kind == Global("evil", "Class")


def tensor_pickle(
    storage: str, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> bytes:
    def number(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    view = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text(storage)
    )
    view += (
        text("cpu") + number(count) + b"tQ" + number(offset) + numbers(shape) + numbers(strides) + b"\x89}tR"
    )
    return b"\x80\x02}(" + text("w") + view + b"u."


def make_pth(path: Path, pickled: bytes, data: bytes = bytes(24), **options: Any) -> None:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/data/0", data)


VIEWS = {
    "stride 0": ((6, 0, (10**6,), (0,)), "the same stored values many times"),
    "overlapping": ((6, 0, (3, 3, 10**6), (1, 1, 0)), "the same stored values many times"),
    "outside": ((6, 0, (7,), (1,)), "reaches to byte 28 of its storage, which has 24"),
    "offset": ((6, 5, (2,), (1,)), "reaches to byte 28 of its storage, which has 24"),
    "negative offset": ((6, -1, (2,), (1,)), "negative offset or stride"),
    "negative stride": ((6, 5, (2,), (-1,)), "negative offset or stride"),
    "negative size": ((6, 0, (-1,), (1,)), "none negative"),
    "absurd": ((6, 0, (2**40, 2**40), (1, 1)), "absurd shape"),
    "overflow": ((6, 0, (2,), (2**62,)), "reaches to byte"),
    "storage": ((7, 0, (2,), (1,)), "its storage has 28 bytes, but the file holds 24"),
}


@pytest.mark.parametrize(("view", "message"), VIEWS.values(), ids=VIEWS)
def test_a_view_outside_its_storage_is_refused(tmp_path: Path, view: Any, message: str) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", *view))
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.pth")


def test_the_same_view_inside_is_read(tmp_path: Path) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", 6, 0, (2, 3), (1, 2)), struct.pack("<6f", *range(6)))
    assert open_checkpoint(tmp_path / "x.pth").tensors["w"].numpy().tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ((6, 1, (3,), (0,)), [1, 1, 1]),
        ((6, 0, (2, 3), (0, 1)), [[0, 1, 2], [0, 1, 2]]),
        ((6, 0, (3, 2), (1, 1)), [[0, 1], [1, 2], [2, 3]]),
        ((6, 0, (2, 2, 2), (3, 0, 1)), [[[0, 1], [0, 1]], [[3, 4], [3, 4]]]),
    ],
)
def test_a_small_expanded_view_is_read(tmp_path: Path, view: Any, expected: Any) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", *view), struct.pack("<6f", *range(6)))
    assert open_checkpoint(tmp_path / "x.pth").tensors["w"].numpy().tolist() == expected


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("../0", 6, 0, (6,), (1,)))
    with pytest.raises(FormatError, match=r"its storage '\.\./0' is not in the file"):
        open_checkpoint(tmp_path / "x.pth")


def test_many_tensors_of_one_storage_are_refused(tmp_path: Path) -> None:
    single = tensor_pickle("0", 2_500_000, 0, (2_500_000,), (1,))
    body = single[len(b"\x80\x02}(") + len(text("w")) : -2]
    pickled = b"\x80\x02}(" + text("w0") + body + b"q\x00"
    pickled += b"".join(text(f"w{i}") + b"h\x00" for i in range(1, 100)) + b"u."
    make_pth(tmp_path / "x.pth", pickled, bytes(10_000_000))
    with pytest.raises(FormatError, match="more than 16 times the file's"):
        open_checkpoint(tmp_path / "x.pth")


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    pickled = tensor_pickle("0", 25_000_000, 0, (25_000_000,), (1,))
    make_pth(tmp_path / "x.pth", pickled, bytes(100_000_000), compression=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "x.pth").stat().st_size < 200_000
    with pytest.raises(FormatError, match=r"is compressed \(method 8\).*zip bomb"):
        open_checkpoint(tmp_path / "x.pth")


def patched(data: bytes, old: bytes, new: bytes, last: bool = False) -> bytes:
    at = data.rfind(old) if last else data.find(old)
    assert at >= 0
    return data[:at] + new + data[at + len(old) :]


def central(data: bytes, name: bytes) -> int:
    """Where the directory's entry of a record starts."""
    return data.rfind(b"PK\x01\x02", 0, data.rfind(name))


def zip_overlap(data: bytes) -> bytes:
    """Two records whose ranges overlap: the first states a length that covers the second's header."""
    at = central(data, b"x/data.pkl")
    length = struct.unpack_from("<I", data, at + 24)[0] + 40
    return data[: at + 20] + struct.pack("<II", length, length) + data[at + 28 :]


def zip_twice(data: bytes) -> bytes:
    return data.replace(b"x/data/0", b"x/data/1")


def zip_encrypted(data: bytes) -> bytes:
    at = central(data, b"x/data/0")
    return data[: at + 8] + b"\1\0" + data[at + 10 :]


def zip_other_header(data: bytes) -> bytes:
    return patched(data, b"x/data/0", b"x/data/9")


def zip_outside(data: bytes) -> bytes:
    at = central(data, b"x/data/0")
    return data[: at + 42] + struct.pack("<I", len(data)) + data[at + 46 :]


def zip_count(data: bytes) -> bytes:
    at = data.rfind(b"PK\x05\x06")
    return data[: at + 8] + struct.pack("<HH", 60000, 60000) + data[at + 12 :]


def zip_two_directories(data: bytes) -> bytes:
    return data + data[data.rfind(b"PK\x05\x06") :]


ZIPS = {
    "overlap": (zip_overlap, "overlap"),
    "other header": (zip_other_header, "is not where the directory says"),
    "encrypted": (zip_encrypted, "is encrypted"),
    "outside": (zip_outside, "takes bytes"),
    "count": (zip_count, "states 60,000 records"),
    "two directories": (zip_two_directories, "does not end where its end mark is"),
    "garbage after": (lambda data: data + b"x", "bytes follow the end"),
    "root": (lambda data: data.replace(b"x/data.pkl", b"x/data.pki"), "zip without one data.pkl"),
}


@pytest.mark.parametrize(("change", "message"), ZIPS.values(), ids=ZIPS)
def test_a_forged_zip_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", 6, 0, (6,), (1,)))
    good = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(change(good))
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.pth")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", 6, 0, (6,), (1,)))
    with zipfile.ZipFile(tmp_path / "x.pth", "a") as archive:
        archive.writestr("x/data/0", bytes(24))
    with pytest.raises(FormatError, match="'x/data/0' comes twice"):
        open_checkpoint(tmp_path / "x.pth")


def test_a_wrong_crc_in_a_zip_is_found_when_read(tmp_path: Path) -> None:
    make_pth(tmp_path / "x.pth", tensor_pickle("0", 6, 0, (6,), (1,)))
    good = (tmp_path / "x.pth").read_bytes()
    stated = struct.pack("<I", zlib.crc32(bytes(24)))
    (tmp_path / "x.pth").write_bytes(good.replace(stated, b"\1\2\3\4"))
    with pytest.raises(FormatError, match="CRC-32 of record 'x/data/0'"):
        payload(open_checkpoint(tmp_path / "x.pth").tensors["w"])


def test_bare_pickles_tars_and_other_zips_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x80\x04}.")
    with pytest.raises(FormatError, match="is a bare pickle"):
        open_checkpoint(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "b", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "x")
    with pytest.raises(FormatError, match=r"zip without one data\.pkl .it has word/document\.xml"):
        open_checkpoint(tmp_path / "b")
    import tarfile

    with tarfile.open(tmp_path / "c", "w") as tar:
        tar.add(tmp_path / "a", "a")
    with pytest.raises(FormatError, match="is a tar"):
        open_checkpoint(tmp_path / "c")


def test_a_tensor_is_only_described() -> None:
    found = load(tensor_pickle("0", 6, 0, (6,), (1,)))["w"]
    assert isinstance(found, PickledTensor)
    assert (found.dtype, found.shape, found.storage.key) == ("float32", (6,), "0")


GREEDY = {
    "lists": b"\x80\x04" + b"]" * 1_990_000 + b".",
    "memo": b"\x80\x04]" + b"\x94" * 1_990_000 + b".",
    "tables": b"\x80\x04" + b"}" * 1_990_000 + b".",
    "kept copies": (
        b"](" + b"K\x01" * 900_000 + b"eq\x00cbuiltins\nlist\nq\x01" + b"h\x01h\x00\x85R" * 5000 + b"."
    ),
    "kept texts": (
        b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20) + b"q\x00h\x00\x8c\x06latin1\x86q\x01"
        b"c_codecs\nencode\nq\x02" + b"h\x02h\x01R" * 5000 + b"."
    ),
}


@pytest.mark.parametrize("data", GREEDY.values(), ids=GREEDY)
def test_the_memory_of_a_pickle_is_bounded(tmp_path: Path, data: bytes) -> None:
    """A file of 2 MB may not take more than 300 MB, whatever it says."""
    import subprocess
    import sys

    make_pth(tmp_path / "x.pth", data)
    script = (
        "import sys; from triport.converters.formats import *\n"
        "try: open_checkpoint(sys.argv[1])\n"
        "except FormatError: pass\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
    )
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", script, str(tmp_path / "x.pth")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=root, check=True, timeout=60)
    assert int(done.stdout) < 300_000
