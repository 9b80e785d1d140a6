"""A network of one framework to another's source, by way of ONNX: each of the two steps proven."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from triport.converters.onnx_import.asked import module_name
from triport.converters.onnx_import.targets import Target
from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .convert import check_folder, convert_to_source
from .result import ImportedSource


class ToOnnx(Protocol):
    """What the first step did: an ONNX file beside its source, or none and why."""

    @property
    def passed(self) -> bool:
        """Whether a file was kept."""

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --to onnx --json` prints."""

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""


@dataclass(frozen=True, slots=True)
class Chained:
    """A network that became source: what the step to ONNX did, and the step from there, if there was one."""

    source: str
    to_onnx: ToOnnx
    from_onnx: ImportedSource | None
    target: Target
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def output(self) -> str | None:
        """The file of source, None if it was not kept."""
        return self.from_onnx.output if self.from_onnx is not None else None

    @property
    def passed(self) -> bool:
        """Whether both steps are proven, and the source was kept."""
        return self.from_onnx is not None and self.from_onnx.passed

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints: the second step's fields, and the first's as `by_way_of`."""
        first = {**self.to_onnx.to_dict(), "output": None}  # the file in between is not kept
        last = self.from_onnx.to_dict() if self.from_onnx is not None else {**first, "output": None}
        return {**last, "source": self.source, "from": first["from"], "to": self.target, "by_way_of": first}

    def lines(self) -> list[str]:
        """Return both steps as lines for a terminal."""
        first = [line for line in self.to_onnx.lines() if not line.strip().startswith(("source ", "output "))]
        if self.from_onnx is None:
            return [*self.to_onnx.lines(), "Not converted: the step to ONNX is not right"]
        return ["To ONNX:", *first, "From ONNX:", *self.from_onnx.lines()]


def convert_by_onnx(
    source: str,
    name: str,
    to_onnx: Callable[[Path], ToOnnx],
    output: Path,
    target: Target,
    progress: Callable[[str], None] = lambda step: None,
    report: Path | None = None,
) -> Chained:
    """Write a network's source for a framework into a folder, if both steps are proven.

    Args:
        source: what the network is called in the report.
        name: of the module that is written, which becomes an identifier.
        to_onnx: writes the network as an ONNX file that is proven.
        output: the folder; it is made if it is not there.
        target: "pytorch" or "mindspore".
        progress: is told each step.
        report: the page of the source's modules, if one is to be written.

    Raises:
        TriportError: one of the steps cannot be done.
    """
    name = module_name(Path(f"{name}.onnx"))
    check_folder(output, name)
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        path = Path(folder) / f"{name}.onnx"
        with _named(path, source):
            first = to_onnx(path)
            if not first.passed:
                return Chained(source, first, None, target)
            second = convert_to_source(path, output, target, progress, name, report, source)
    return Chained(source, first, replace(second, source=source), target)


@contextmanager
def _named(path: Path, source: str) -> Iterator[None]:
    """Let errors name the network, not the file in between, which is gone when they are read."""
    try:
        yield
    except TriportError as error:
        if str(path) not in str(error):
            raise
        raise TriportError(str(error).replace(str(path), f"{source} as ONNX")) from None
