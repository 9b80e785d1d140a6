"""Files of other programs, told by their first bytes, or by their name where these tell nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

EXPORT = "Load it in the framework that wrote it, and save its weights as safetensors or export it to ONNX"
_MADE_FROM = "Take the checkpoint or the ONNX file that it was made from"
_CHECKPOINT = "Take the checkpoint that it was made from"
_BUILT_FROM = "Take the file it was built from"
_NO_WEIGHTS = "Give a file of weights"
_UNFINISHED = "Wait for its end, or download the file again"
_HDF5 = "Load it in Keras and export the model to ONNX (model.export or tf2onnx)"
_H5PY = "Read it with h5py, make tensors of the arrays, and torch.save a dict of them"

# of ONNX, looked through for a file's name: with external data a model is small
_MOST_MODELS = 20
_LARGEST_MODEL = 32 << 20
_LONGEST_NAME = 120  # whose length is one byte

# (where, the bytes that stand there, what the file is, what to do)
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "is compressed with gzip", "Unpack it (gunzip) and give what is inside"),
    (0, b"BZh", "is compressed with bzip2", "Unpack it (bunzip2) and give what is inside"),
    (0, b"\xfd7zXZ\0", "is compressed with xz", "Unpack it (unxz) and give what is inside"),
    (0, b"\x28\xb5\x2f\xfd", "is compressed with Zstandard", "Unpack it (unzstd) and give what is inside"),
    (0, b"\x04\x22\x4d\x18", "is compressed with LZ4", "Unpack it (unlz4) and give what is inside"),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "Unpack it (7z x) and give the file that is inside"),
    (0, b"Rar!", "is a RAR archive", "Unpack it (unrar x) and give the file that is inside"),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "is an HDF5 file (weights of Keras, .h5, or data)",
        _HDF5,
    ),
    (0, b"MATLAB 7.3", "is a file of MATLAB 7.3 (.mat)", _H5PY),
    # HDF5 may begin with a block of the user's own
    (512, b"\x89HDF\r\n\x1a\n", "is an HDF5 file (weights of Keras, .h5, or data)", _HDF5),
    (1024, b"\x89HDF\r\n\x1a\n", "is an HDF5 file (weights of Keras, .h5, or data)", _HDF5),
    (
        0,
        b"\x93NUMPY",
        "is one NumPy array (.npy)",
        "A checkpoint has many: make a dict of names and torch.from_numpy(array), and torch.save it",
    ),
    (0, b"GGUF", "is a GGUF file of llama.cpp", _CHECKPOINT),
    (
        0,
        b"ftrt",
        "is a TensorRT engine, whose weights cannot be taken out",
        _BUILT_FROM,
    ),
    (0, b"ptrt", "is a TensorRT engine, whose weights cannot be taken out", _BUILT_FROM),
    (4, b"TFL3", "is a TensorFlow Lite model (.tflite)", EXPORT),
    (
        4,
        b"ORTM",
        "is a model in ONNX Runtime's own format (.ort)",
        "Take the .onnx file that it was made from",
    ),
    (4, b"PTMF", "is a PyTorch Mobile program (.ptl)", _CHECKPOINT),
    (4, b"ET12", "is an ExecuTorch program (.pte)", _CHECKPOINT),
    (4, b"FT01", "has the weights of an ExecuTorch program (.ptd)", _CHECKPOINT),
    (0, b"RKNN", "is a model compiled for a Rockchip NPU (.rknn)", _MADE_FROM),
    (0, b"age-encryption.org/", "is encrypted with age", "Decrypt it (age -d) and give what is inside"),
    (0, b"\x89PNG", "is a picture (PNG)", _NO_WEIGHTS),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)", _NO_WEIGHTS),
    (0, b"%PDF", "is a PDF document", _NO_WEIGHTS),
    (
        4,
        b"MSL",
        "is a model of MindSpore Lite (.ms)",
        "Take the .mindir or .ckpt that it was made from",
    ),
    (
        0,
        b"IMOD",
        "is a model compiled for an Ascend NPU (.om)",
        "Take the ONNX, .mindir or .air file that it was made from",
    ),
    (0, b"ggml", "is a model of GGML", _CHECKPOINT),
    (0, b"lmgg", "is a model of GGML", _CHECKPOINT),
    (0, b"tjgg", "is a model of GGML", _CHECKPOINT),
    (0, b"GIF8", "is a picture (GIF)", _NO_WEIGHTS),
    (8, b"WEBP", "is a picture (WebP)", _NO_WEIGHTS),
    (4, b"ftyp", "is a film or a picture (MP4, HEIC)", _NO_WEIGHTS),
    (0, b"PAR1", "is a Parquet table", _NO_WEIGHTS),
    (0, b"ARROW1", "is an Arrow table", _NO_WEIGHTS),
    (0, b"SQLite format 3\0", "is a database (SQLite)", _NO_WEIGHTS),
    (
        0,
        b"MATLAB 5.0",
        "is a file of MATLAB (.mat)",
        "Read it with scipy.io.loadmat, make tensors of the arrays, and torch.save a dict of them",
    ),
    (0, b"\x7fELF", "is a program or a library (ELF)", _NO_WEIGHTS),
    (0, b"\x12\x01\0\0\0\0\0\0", "is a file of MXNet's arrays (.params)", EXPORT),
)

# what has no mark of its own
_BY_SUFFIX: Mapping[str, tuple[str, str]] = {
    ".om": ("a model compiled for an Ascend NPU", _MADE_FROM),
    ".air": ("a graph of Ascend (AIR)", "Take the .ckpt or .mindir file that it was made from"),
    ".ms": ("a model of MindSpore Lite", "Take the .mindir or .ckpt that it was made from"),
    ".mnn": ("a model of MNN", _MADE_FROM),
    ".mlmodel": ("a model of Core ML", _MADE_FROM),
    ".caffemodel": ("a model of Caffe", EXPORT),
    ".prototxt": ("a network of Caffe, without weights", EXPORT),
    ".weights": ("weights of Darknet, whose .cfg says what they are of", EXPORT),
    ".params": ("a file of MXNet's arrays, or the parameters of ncnn", EXPORT),
    ".param": ("a network of ncnn, without weights", _MADE_FROM),
    ".msgpack": ("a checkpoint of Flax", EXPORT),
    ".pdmodel": ("a program of PaddlePaddle", "Export it to ONNX (paddle2onnx)"),
    ".pdiparams": ("the parameters of a program of PaddlePaddle", "Export it to ONNX (paddle2onnx)"),
    ".engine": ("a TensorRT engine, whose weights cannot be taken out", _BUILT_FROM),
    ".plan": ("a TensorRT engine, whose weights cannot be taken out", _BUILT_FROM),
    ".trt": ("a TensorRT engine, whose weights cannot be taken out", _BUILT_FROM),
    ".gpg": ("encrypted with GnuPG", "Decrypt it (gpg -d) and give what is inside"),
    ".meta": ("the graph of a TensorFlow checkpoint", EXPORT),
    ".aria2": ("what aria2 keeps beside a download that has not ended", _UNFINISHED),
    ".partial": ("a download that has not ended", _UNFINISHED),
    ".crdownload": ("a download that has not ended", _UNFINISHED),
    ".rknn": ("a model compiled for a Rockchip NPU", _MADE_FROM),
    ".py": (
        "a text of Python",
        "Say which function makes the network, as FILE.py:factory, or give the file of its weights",
    ),
}


def begins_as_mindir(head: bytes) -> bool:
    """Return whether a file begins as MindSpore's MindIR does: ir_version, then producer_name."""
    size = head[1] if len(head) > 1 else 0
    return head[:1] == b"\x0a" and head[2 + size :].startswith(b"\x12\x09MindSpore")


def by_first_bytes(head: bytes) -> str | None:
    """Return what a file is and the next step, for a message after its name; None where nothing tells."""
    if begins_as_mindir(head):
        return "is a graph of MindSpore (MindIR), not a checkpoint. `convert FILE --to onnx` makes ONNX of it"
    for offset, mark, what, advice in _SIGNATURES:
        if head[offset : offset + len(mark)] == mark:
            return f"{what}, which is not read. {advice}"
    return None


def _onnx_beside(file: Path) -> Path | None:
    """Return the ONNX model beside a file that has its external data there, None if there is none."""
    name = os.fsencode(file.name)
    if len(name) > _LONGEST_NAME:
        return None
    # an entry of external_data, as protobuf writes it: the key, then the value and its length
    entries = [b"\x0a\x08location\x12%c%s" % (len(one), one) for one in (name, b"./" + name)]
    for model in sorted(file.parent.glob("*.onnx"))[:_MOST_MODELS]:
        with suppress(OSError):
            is_small = model != file and model.stat().st_size <= _LARGEST_MODEL
            if is_small and any(entry in model.read_bytes() for entry in entries):
                return model
    return None


def by_name(path: str) -> str | None:
    """Return the same of a file that has no mark; None where its name tells nothing either."""
    suffix = Path(path).suffix.lower()
    model = _onnx_beside(Path(path))
    if model is not None:
        return (
            f"has external data of {model.name}, numbers without names. Give {model}, which says what "
            f"they are"
        )
    if re.fullmatch(r"\.data-\d{5}-of-\d{5}", suffix):
        return f"is, by its name, the data of a TensorFlow checkpoint, which is not read. {EXPORT}"
    if suffix in (".data", ".onnx_data"):
        return (
            "is, by its name, the external data of an ONNX model, numbers without names. Give the .onnx "
            "file, and keep this one beside it"
        )
    if suffix == ".bin" and Path(path).with_suffix(".param").exists():
        return (
            f"lies beside a .param of its name, as the weights of ncnn do, which are not read. {_MADE_FROM}"
        )
    if suffix == ".bin" and Path(path).with_suffix(".xml").exists():
        return f"lies beside an .xml of its name, as the weights of OpenVINO do, which are not read. {EXPORT}"
    if suffix not in _BY_SUFFIX:
        return None
    what, advice = _BY_SUFFIX[suffix]
    return f"is, by its name, {what}, which is not read. {advice}"
