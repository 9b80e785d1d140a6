"""What a file is that is no checkpoint, by its first bytes, and what its owner can do next."""

from __future__ import annotations

import json
import re

from triport.converters.formats.source import SourceFile
from triport.converters.formats.tensors import short

_HEAD_BYTES = 4096
_AGAIN = "The download gave this instead of the file: see what it says, and get the file again"
_EXPORT = "Load it in the framework that wrote it, and save its weights as safetensors or export it to ONNX"

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
        "Load it in Keras and export the model to ONNX (model.export or tf2onnx)",
    ),
    (
        0,
        b"\x93NUMPY",
        "is one NumPy array (.npy)",
        "A checkpoint has many: make a dict of names and torch.from_numpy(array), and torch.save it",
    ),
    (0, b"GGUF", "is a GGUF file of llama.cpp", "Take the checkpoint that it was made from"),
    (
        0,
        b"ftrt",
        "is a TensorRT engine, whose weights cannot be taken out",
        "Take the file it was built from",
    ),
    (4, b"TFL3", "is a TensorFlow Lite model (.tflite)", _EXPORT),
    (
        4,
        b"ORTM",
        "is a model in ONNX Runtime's own format (.ort)",
        "Take the .onnx file that it was made from",
    ),
    (4, b"PTMF", "is a PyTorch Mobile program (.ptl)", "Take the checkpoint that it was made from"),
    (4, b"ET12", "is an ExecuTorch program (.pte)", "Take the checkpoint that it was made from"),
    (0, b"\x89PNG", "is a picture (PNG)", "Give a file of weights"),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)", "Give a file of weights"),
    (0, b"%PDF", "is a PDF document", "Give a file of weights"),
)
_COMPLAINTS = ("error", "errors", "message", "detail")
_TENSORFLOW_TABLE_END = bytes.fromhex("57fb808b247547db")
# a message with a name and an operator's type
_TENSORFLOW_NODE = re.compile(
    rb"\x0a.{1,3}\x0a.[\x20-\x7e]{1,250}\x12.[A-Z][A-Za-z0-9]{1,60}[\x1a\x22\x2a\x0a]", re.DOTALL
)
_PICKLE_OF_TEXT = (b"(dp", b"(lp", b"ccopy_reg", b"ccollections", b"cnumpy", b"ctorch", b"}q")


def what_it_is(source: SourceFile) -> str | None:
    """Return what a file is and the next step, for a message after its name; None where nothing tells."""
    head = source.head(_HEAD_BYTES)
    for offset, mark, what, advice in _SIGNATURES:
        if head[offset : offset + len(mark)] == mark:
            return f"{what}, which is not read. {advice}"
    if head.startswith(_PICKLE_OF_TEXT):
        return (
            "is a pickle of protocol 0 or 1, not a file of torch.save. Load it where it was made and "
            "torch.save it"
        )
    if source.size > 48 and source.read(source.size - 8, 8) == _TENSORFLOW_TABLE_END:
        return f"is the index of a TensorFlow checkpoint (.index), which is not read. {_EXPORT}"
    if head[:3] == b"\x08\x01\x12":
        return "is a TensorFlow SavedModel (.pb), which is not read. Export its folder to ONNX (tf2onnx)"
    if _TENSORFLOW_NODE.match(head):
        return "is a TensorFlow graph (.pb), which is not read. Export it to ONNX (tf2onnx)"
    if not head.strip(b"\0"):
        return (
            f"has only zeros in its first {len(head):,} bytes, as a download has that was not finished. "
            f"Get the file again"
        )
    return _of_text(source, head)


def _of_text(source: SourceFile, head: bytes) -> str | None:
    """Return what a file of text is; None if it is none."""
    try:
        # a piece of it may end inside a character
        text = head.decode("utf-8", "strict" if source.size <= len(head) else "ignore")
    except UnicodeDecodeError:
        return None
    text = text.lstrip("\ufeff \t\r\n")
    if "\0" in text or sum(not (char.isprintable() or char.isspace()) for char in text) > len(text) // 50:
        return None
    low = text[:200].lower()
    if low.startswith("version https://git-lfs.github.com/spec/"):
        size = re.search(r"^size (\d{1,15})\s*$", text, re.MULTILINE)
        bytes_elsewhere = f" of {int(size[1]):,} bytes" if size else ""
        return (
            f"is a Git LFS pointer, a short text in the place of a file{bytes_elsewhere}. Run `git lfs pull` "
            f"in its repository, or download the file itself"
        )
    if "/annex/objects/" in low:
        return (
            "is a git-annex pointer, a text in the place of the file. Run `git annex get` in its repository"
        )
    if low.startswith(("<!doctype html", "<html", "<head", "<script", "<!--", "<body")):
        return f"is an HTML page{_inside(text, 'title')}, not the file. {_AGAIN}"
    if low.startswith("<net "):
        return f"is a network of OpenVINO (.xml), which is not read. {_EXPORT}"
    if low.startswith(("<?xml", "<error")):
        if "<net " in low:
            return f"is a network of OpenVINO (.xml), which is not read. {_EXPORT}"
        return f"is an XML text{_inside(text, 'Code')}{_inside(text, 'Message')}, not the file. {_AGAIN}"
    if low.startswith(("{", "[")):
        return _of_json(source, text)
    if low.startswith("model_checkpoint_path:"):
        return f"is the list of a folder's TensorFlow checkpoints, which are not read. {_EXPORT}"
    first = short(" ".join(text.split())[:200], 80)
    return f"is of no known format (it starts with {head[:8].hex(' ')}): it is a text, '{first}'. {_AGAIN}"


def _inside(text: str, tag: str) -> str:
    """Return what an element holds, in brackets, for a message."""
    found = re.search(rf"<{tag}[^<>]{{0,200}}>([^<]{{1,500}})<", text, re.IGNORECASE)
    return f" ('{short(' '.join(found[1].split()), 100)}')" if found else ""


def _of_json(source: SourceFile, text: str) -> str:
    """Return what a JSON text is."""
    value = None
    if source.size <= len(text.encode()) + 3:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return f"starts like a JSON text, '{short(text[:60])}', and is none. {_AGAIN}"
    said = [value[key] for key in value if str(key).lower() in _COMPLAINTS] if isinstance(value, dict) else []
    if said:
        return f"is a JSON text that reports an error ('{short(str(said[0]), 100)}'), not the file. {_AGAIN}"
    return (
        f"is a JSON text, '{short(' '.join(text[:60].split()))}', without weights. Give the file of weights"
    )
