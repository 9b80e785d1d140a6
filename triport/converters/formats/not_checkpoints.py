"""What a file is that is no checkpoint, by its first bytes, and what its owner can do next."""

from __future__ import annotations

import json
import re

from triport.converters.formats.foreign_files import EXPORT, by_first_bytes, by_name
from triport.converters.formats.source import SourceFile
from triport.converters.formats.tensors import short

_HEAD_BYTES = 4096
_AGAIN = "If this was downloaded, it came instead of the file: see what it says, and get the file again"
_COMPLAINTS = ("error", "errors", "message", "detail", "error_msg", "errmsg", "error_message", "msg")
_TENSORFLOW_TABLE_END = bytes.fromhex("57fb808b247547db")
# a message with a name and an operator's type
_TENSORFLOW_NODE = re.compile(
    rb"\x0a.{1,3}\x0a.[\x20-\x7e]{1,250}\x12.[A-Z][A-Za-z0-9]{1,60}[\x1a\x22\x2a\x0a]", re.DOTALL
)
_SECTION = re.compile(r"\[[A-Za-z_][\w .-]*\]\s*(\n|$)")  # of an .ini or Darknet's .cfg
_PICKLE_OF_TEXT = (b"(dp", b"(lp", b"ccopy_reg", b"ccollections", b"cnumpy", b"ctorch", b"}q")


def what_it_is(source: SourceFile) -> str | None:
    """Return what a file is and the next step, for a message after its name; None where nothing tells."""
    head = source.head(_HEAD_BYTES)
    told = by_first_bytes(head)
    if told is not None:
        return told
    if head.startswith(_PICKLE_OF_TEXT):
        return (
            "is a pickle of protocol 0 or 1, not a file of torch.save. Load it where it was made and "
            "torch.save it"
        )
    if source.size > 48 and source.read(source.size - 8, 8) == _TENSORFLOW_TABLE_END:
        return f"is the index of a TensorFlow checkpoint (.index), which is not read. {EXPORT}"
    if head[:3] == b"\x08\x01\x12":
        return "is a TensorFlow SavedModel (.pb), which is not read. Export its folder to ONNX (tf2onnx)"
    if _TENSORFLOW_NODE.match(head):
        return "is a TensorFlow graph (.pb), which is not read. Export it to ONNX (tf2onnx)"
    if not head.strip(b"\0"):
        return (
            f"has only zeros in its first {len(head):,} bytes, as a download has that was not finished. "
            f"Get the file again"
        )
    return _of_text(source, head) or by_name(source.path)


def _of_text(source: SourceFile, head: bytes) -> str | None:
    """Return what a file of text is; None if it is none."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        # a piece of it may end inside a character
        text = head.decode(encoding, "strict" if source.size <= len(head) else "ignore")
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
    if low.startswith("# xet version"):
        return "is a Xet pointer, a text in the place of a file. Download the file itself (hf download)"
    if low.startswith("outs:") and "md5:" in low:
        return "is a pointer of DVC, a text in the place of a file. Run `dvc pull` in its repository"
    if low.startswith(("<!doctype html", "<html", "<head", "<script", "<!--", "<body")):
        return f"is an HTML page{_inside(text, 'title')}, not the file. {_AGAIN}"
    if "ir_version:" in low and ("opset_import" in low or low.startswith("ir_version")):
        form = "textproto" if low.startswith("ir_version") else "onnxtxt"
        return (
            f"is an ONNX model as a text. Make a file of it: onnx.save(onnx.load(FILE, format='{form}'), "
            "'x.onnx')"
        )
    if low.startswith("<net "):
        return f"is a network of OpenVINO (.xml), which is not read. {EXPORT}"
    if low.startswith(("<?xml", "<error")):
        if "<net " in low:
            return f"is a network of OpenVINO (.xml), which is not read. {EXPORT}"
        return f"is an XML text{_inside(text, 'Code')}{_inside(text, 'Message')}, not the file. {_AGAIN}"
    if low.startswith(("{", "[")) and not _SECTION.match(text):
        return _of_json(source, text)
    if low.startswith("model_checkpoint_path:"):
        return f"is the list of a folder's TensorFlow checkpoints, which are not read. {EXPORT}"
    named = by_name(source.path)
    if named is not None:
        return named
    first = short(" ".join(text.split())[:200], 80)
    return f"is of no known format (it starts with {head[:8].hex(' ')}): it is a text, '{first}'. {_AGAIN}"


def _inside(text: str, tag: str) -> str:
    """Return what an element holds, in brackets, for a message."""
    found = re.search(rf"<{tag}[^<>]{{0,200}}>([^<]{{1,500}})<", text, re.IGNORECASE)
    return f" ('{short(' '.join(found[1].split()), 100)}')" if found else ""


def _of_json(source: SourceFile, text: str) -> str:
    """Return what a JSON text is."""
    value = None
    if '"irVersion"' in text and '"graph"' in text:
        return (
            "is an ONNX model as JSON. Make a file of it: onnx.save(onnx.load(FILE, format='json'), 'x.onnx')"
        )
    if '"weightsManifest"' in text:
        return f"is a model of TensorFlow.js, which is not read. {EXPORT}"
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
