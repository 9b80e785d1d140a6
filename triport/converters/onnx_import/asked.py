"""Whether `convert` is asked for source: an ONNX graph to a folder, not weights to a file."""

from __future__ import annotations

import re
from pathlib import Path

from triport.converters.formats.atomic import check_place
from triport.converters.mindir.asked import is_mindir
from triport.converters.request import ConvertRequest
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Runtime

_OF_WEIGHTS = (
    *("model", "dialect", "dtype", "optimize", "crc", "plain", "selection", "with_head", "opset"),
    *("size", "io_dtype"),
)


def is_folder_asked(request: ConvertRequest) -> bool:
    """Return whether the output is a folder, for another framework than ONNX: a graph's source."""
    output = request.output
    if output is None or request.to == "onnx":
        return False
    return output.is_dir() or not output.suffix or str(output).endswith("/")


def check_report(request: ConvertRequest) -> None:
    """Raise TriportError where a report is asked for of anything but a graph's source, or has no place."""
    if request.report is None:
        return
    if not is_folder_asked(request):
        raise TriportError(
            f"--report {request.report}: is of a graph's source: name a folder with -o, and --to pytorch "
            f"or mindspore"
        )
    check_place(request.report)


def is_source_asked(source: Path | None, request: ConvertRequest) -> bool:
    """Return whether a file's graph is to be written as source into a folder; imports nothing.

    Raises:
        TriportError: options that are of weights, or of networks in code, alone.
    """
    if source is None or not is_folder_asked(request):
        return False
    is_of_mindspore = is_mindir(source)
    if not is_of_mindspore and not _is_onnx(source):
        return False
    check_options(str(source), request, "mindspore" if is_of_mindspore else "onnx")
    of_code = request.given("cell", "checkpoint", "inputs")
    if of_code:
        raise TriportError(
            f"{source}: holds a whole graph with its weights and inputs, and {', '.join(of_code)} are of "
            "networks in code: leave them out"
        )
    if not request.check and not is_of_mindspore:
        raise TriportError(
            f"{source}: the source of an ONNX file is always compared with the file: leave --no-check out"
        )
    return True


def check_options(source: str, request: ConvertRequest, runtime: Runtime) -> None:
    """Raise TriportError where options are of weights alone, or a source of another runtime is asked for."""
    given = request.given(*_OF_WEIGHTS)
    output = request.output
    if request.source_runtime not in (None, runtime):
        given.append("--from")
    if given:
        suffix = "pth" if request.to == "pytorch" else "ckpt"
        raise TriportError(
            f"{source}: its graph becomes source in the folder {output}, as it is: leave "
            f"{', '.join(given)} out. For weights alone name a file, such as -o {output}.{suffix}"
        )


def _is_onnx(path: Path) -> bool:
    """Return whether a file is an ONNX model by its name, or begins as one."""
    if path.suffix.lower() == ".onnx":
        return path.is_file()
    try:
        with path.open("rb") as file:
            head = file.read(2)
    except OSError:
        return False
    return path.suffix.lower() not in (".ckpt", ".mindir") and head[:1] == b"\x08" and head[1:2] < b"\x20"


def module_name(source: Path) -> str:
    """Return the name of the module that is written: the file's, as an identifier."""
    from .expressions import is_identifier

    found = re.sub(r"[^A-Za-z0-9_]+", "_", source.stem).strip("_").lower()[:60] or "network"
    found = f"net_{found}" if found[0].isdigit() else found
    taken = {
        "torch",
        "json",
        "math",
        "mindspore",
        "numpy",
        "pathlib",
        "build",
        "test",
        "site",
        "types",
        "typing",
    }
    return (
        found if is_identifier(found) and found not in taken and not _is_standard(found) else f"{found}_net"
    )


def _is_standard(name: str) -> bool:
    """A module of that name would hide one of Python's own."""
    import sys

    return name in sys.stdlib_module_names
