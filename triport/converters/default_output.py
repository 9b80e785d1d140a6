"""File that a conversion writes where none is named, and what it may not replace there."""

from __future__ import annotations

import re
from pathlib import Path

from triport.converters.formats import Checkpoint, file_sha256, open_checkpoint
from triport.converters.provenance import SOURCE_SHA256_KEY
from triport.converters.request import ConvertError
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Runtime

_IN_HUB_CACHE = re.compile(r"/models--[^/]+?--(?P<name>[^/]+)/snapshots/[^/]+/[^/]+$")
DEFAULT_SUFFIX = {"mindspore": ".ckpt", "pytorch": ".pth", "onnx": ".onnx"}


def default_output(path: Path, to: Runtime) -> Path:
    """Return the file in the working directory that is written where none is named.

    It has the source's name, or that of the hub's repository which was downloaded: there every file is called
    model.safetensors.
    """
    repository = _IN_HUB_CACHE.search(path.absolute().as_posix())
    suffix = DEFAULT_SUFFIX[to]
    return Path(f"{repository['name']}{suffix}" if repository else path.absolute().with_suffix(suffix).name)


def check_not_taken(output: Path, source: Checkpoint) -> None:
    """Raise ConvertError where an output that nobody named would replace a file that is not its elder.

    Converting the same source once more may replace what it made before, which says so itself.
    """
    if not output.exists():
        return
    try:
        elder = open_checkpoint(output).metadata.get(SOURCE_SHA256_KEY)
    except TriportError:
        elder = None
    if elder is None or elder != file_sha256(source.path):
        raise ConvertError(
            f"{output}: is there already, and does not say that it was made from {source.path}; nothing was "
            f"written. Say -o {output} to replace it, or name another output"
        )
