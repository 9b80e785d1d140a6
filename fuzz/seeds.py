"""Tiny valid files to start from, made in code: one of each form that a reader knows."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from pickle import dumps  # noqa: TID251 seeds are made, never loaded
from typing import Any

import numpy as np

from fuzz.graph_seeds import graph_seeds
from triport.converters.formats import ArrayTensor, write_checkpoint

_ARRAYS: dict[str, np.ndarray] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "s": np.array(1.5, np.float32),
    "n": np.array([1, 2], np.int64),
}


def seeds(target: str) -> list[bytes]:
    """Return the starting inputs of a target."""
    return _SEEDS[target]()


def _written(suffix: str, runtime: str, **options: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        tensors = {name: ArrayTensor(array) for name, array in _ARRAYS.items()}
        write_checkpoint(path, runtime, tensors, {"a": "b"}, **options)
        return path.read_bytes()


def _ckpt() -> list[bytes]:
    plain = _written(".ckpt", "mindspore")
    scalar = _record(b"e", b"\x08\0", b"Float32", bytes(4))
    packed = _record(b"p", b"\x0a\x02\x01\x01", b"Float32", bytes(4))
    text = _record(b"t", b"\x08\0", b"str", b"a\0\0\0")
    sliced = _record(b"w", b"\x08\x04", b"Int8", b"ab") * 2
    checked = _written(".ckpt", "mindspore", crc=True)
    return [plain, checked, scalar, packed, text, sliced, plain + text, scalar + sliced]


def _record(tag: bytes, dims: bytes, kind: bytes, content: bytes) -> bytes:
    """Return a record of .ckpt, all parts shorter than 128 bytes."""

    def field(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload

    return field(1, field(1, tag) + field(2, dims + field(2, kind) + field(3, content)))


def _safetensors() -> list[bytes]:
    checked = {
        "__metadata__": {"format": "ms", "crc_num": "0"},
        "w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
    }
    text = json.dumps(checked).encode()
    return [
        _written(".safetensors", "mindspore"),
        _written(".safetensors", "pytorch"),
        len(text).to_bytes(8, "little") + text + b"\1",
        _with_metadata({"format": "mlx", "w": "frozen"}),
        _with_metadata({"w": "Int4"}),
    ]


def _with_metadata(metadata: dict[str, str]) -> bytes:
    """Return a safetensors file of one number."""
    header = {"__metadata__": metadata, "w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\1"


def _onnx() -> list[bytes]:
    from onnx import TensorProto, helper, numpy_helper

    tensors = [numpy_helper.from_array(array, name) for name, array in _ARRAYS.items()]
    tensors += [helper.make_tensor("t", kind, [2], [1, 2]) for kind in (1, 2, 6, 7, 10, 11, 13, 16)]
    outside = TensorProto(name="x", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "data.bin", "offset": "4", "length": "8"}.items():
        outside.external_data.add(key=key, value=value)
    constant = helper.make_node("Constant", [], ["c"], value=tensors[0])
    branch = helper.make_node("If", ["b"], ["y"], then_branch=helper.make_graph([constant], "t", [], []))
    files = []
    for tensor in [*tensors, outside]:
        files.append(helper.make_graph([], "g", [], [], [tensor]))
    files += [
        helper.make_graph([constant], "g", [], []),
        helper.make_graph([branch], "g", [], [], tensors[:2]),
        helper.make_graph(
            [helper.make_node("Identity", [a], [b]) for a, b in (("w", "v"), ("v", "7"), ("7", "u"))],
            "g",
            [],
            [],
            [tensors[0]],
        ),
    ]
    models = [helper.make_model(graph, producer_name="seed") for graph in files]
    helper.set_model_props(models[0], {"triport.model": "resnet18"})
    return [model.SerializeToString() for model in models]


def _graph() -> list[bytes]:
    from onnx import helper, numpy_helper

    def tensor(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(np.ones(shape, np.float32), name)

    leaves = [f"n.{leaf}" for leaf in ("weight", "bias", "running_mean", "running_var")]
    weights = [tensor("c.weight", 2, 3, 3, 3), tensor("d.weight", 4, 2), tensor("d.bias", 4)]
    weights += [tensor(name, 2) for name in leaves]
    for name, values in {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "two": [1, 1]}.items():
        weights.append(numpy_helper.from_array(np.array(values), name))
    make = helper.make_node
    stem = [
        make("Pad", ["x", "pads"], ["p"]),
        make("Conv", ["p", "c.weight"], ["a"], strides=[2, 2], dilations=[1, 1], group=1),
        make("BatchNormalization", ["a", *leaves], ["b"], epsilon=1e-5),
        make("Split", ["b", "two"], ["s", "t"], axis=1),
        make("Concat", ["s", "t"], ["c"], axis=1),
        make("MaxPool", ["c"], ["m"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        make("Clip", ["m"], ["k"], min=0.0, max=6.0),
        make("Add", ["k", "m"], ["q"]),
        make("ReduceMean", ["q"], ["v"], axes=[2, 3], keepdims=0),
    ]
    transposed = make("Transpose", ["d.weight"], ["w"], perm=[1, 0])
    product, total = make("MatMul", ["v", "w"], ["u"]), make("Add", ["u", "d.bias"], ["y"])
    sizes = [make("Shape", ["v"], ["z"]), make("Gather", ["z", "two"], ["i"])]
    heads = [
        [make("Gemm", ["v", "d.weight", "d.bias"], ["y"], transB=1)],
        [transposed, product, total],
        [*sizes, make("Slice", ["v", "two", "i"], ["y"])],
    ]
    inputs = [helper.make_tensor_value_info("x", 1, ["N", 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", 1, ["N", 4])]
    graphs = [helper.make_graph([*stem, *head], "g", inputs, outputs, weights) for head in heads]
    return [helper.make_model(graph).SerializeToString() for graph in graphs]


def _torch_pickle(path: str = "data.pkl") -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(_written(".pth", "pytorch"))) as archive:
        return archive.read(f"archive/{path}")


def _pth() -> list[bytes]:
    import zipfile

    small = io.BytesIO()
    with zipfile.ZipFile(small, "w") as archive:
        archive.writestr("x/data.pkl", _view(b"0", 16, 0, (2, 3), (3, 1)))
        archive.writestr("x/data/0", bytes(64))
    arrays = {"w": _ARRAYS["w"], "n": _ARRAYS["n"]}
    legacy = b"\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + _legacy_pth()[0]
    return [
        _written(".pth", "pytorch"),
        small.getvalue(),
        legacy,
        *(dumps(arrays, protocol) for protocol in (2, 4, 5)),
    ]


def _view(key: bytes, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Return a state dict of one tensor, in pickle protocol 2."""

    def text(value: bytes) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"K" + bytes([value]) for value in values) + b"t"

    storage = (
        b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(key) + text(b"cpu") + b"K" + bytes([count])
    )
    arguments = storage + b"tQK" + bytes([offset]) + numbers(shape) + numbers(strides) + b"\x89}t"
    return b"\x80\x02}(" + text(b"w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"Ru."


def _pickle() -> list[bytes]:
    inner = _view(b"0", 16, 0, (2, 3), (3, 1))
    return [
        _torch_pickle(),
        inner,
        _view(b"0", 16, 1, (3, 2), (1, 3)),
        b"\x80\x02}(X\x05\x00\x00\x00epochK\x03X\x0a\x00\x00\x00state_dict"
        + inner[2:-1]
        + b"X\x04\x00\x00\x00args"
        b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrG\x3f\xb9\x99\x99\x99\x99\x99\x9asbu.",
        inner.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v3").replace(
            b"\x89}t", b"\x89}ctorch\nfloat32\nt"
        ),
        # the lazy bits, a subclass of Tensor, calls that are not known, arrays
        inner.replace(b"\x89}t", b"\x89}}(X\x03\x00\x00\x00neg\x88X\x04\x00\x00\x00conj\x89ut"),
        inner.replace(b"ctorch._utils", b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils")
        .replace(b"_rebuild_tensor_v2\n(", b"_rebuild_tensor_v2\ncfastai\nTensorBase\n(")
        .replace(b"}tR", b"}tNtR"),
        inner[:-2] + b"X\x01\x00\x00\x00acfunctools\npartial\ncbuiltins\ngetattr\n)R\x85RX\x00\0\0\0K\x01u.",
        dumps({"w": _ARRAYS["w"], "n": np.float64(3)}, 2),
        dumps({"w": _ARRAYS["w"].T}, 5),
        b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R\x94.",
    ]


def _legacy_pth() -> list[bytes]:
    system = b"\x80\x02}(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\x0d\x00\x00\x00little_endian\x88u."
    storages = b"\x80\x02]X\x01\x00\x00\x000a."
    head = b"\x80\x02M\xe9\x03."
    return [
        head
        + system
        + _view(b"0", 16, 0, (2, 3), (3, 1))
        + storages
        + (16).to_bytes(8, "little")
        + bytes(64),
        head + system + b"\x80\x02}." + b"\x80\x02].",
    ]


def _legacy_tar() -> list[bytes]:
    """Return the entries of a tar, one after the other behind the lengths of the first three."""
    system = dumps({"little_endian": True, "protocol_version": 1000}, 2)
    main = b"\x80\x02}(X\x01\x00\x00\x00wX\x01\x00\x00\x007Qu."
    tensors = dumps(1, 2) + b"\x80\x02K\x07K\x01N\x87." + struct.pack("<ii5q", 2, 0, 2, 3, 3, 1, 0)
    storages = dumps(1, 2) + b"\x80\x02K\x01X\x03\x00\x00\x00cpuctorch\nFloatStorage\n\x87."
    storages += struct.pack("<q", 8) + bytes(32)
    return [
        struct.pack("<3H", len(system), len(main), len(tensors)) + system + main + tensors + storages + views
        for views in (dumps([], 2), dumps([(2, 1, 2, 6)], 2))
    ]


def _other() -> list[bytes]:
    return [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 44700000\n",
        b"<!DOCTYPE html>\n<html><head><title>Quota \x1b[31mexceeded</title></head></html>",
        b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>no</Message></Error>',
        b'{"error":"Entry not found"}',
        b"\x89HDF\r\n\x1a\n",
        b"\x1f\x8b\x08",
        b"\x1c\0\0\0TFL3",
        bytes(64),
    ]


_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "ckpt": _ckpt,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "graph": _graph,
    "pth": _pth,
    "pickle": _pickle,
    "legacy_pth": _legacy_pth,
    "legacy_tar": _legacy_tar,
    "source": graph_seeds,
    "other": _other,
}
