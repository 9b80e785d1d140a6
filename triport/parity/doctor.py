"""Which runtimes and devices are usable here, and what to do about those that are not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .runtimes import runtimes

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """A runtime on a device; `advice` says what to do where it is not usable."""

    runtime: str
    device: str
    usable: bool
    version: str
    advice: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What this machine can run; `packages` has the version of each, or that it is not installed."""

    findings: tuple[Finding, ...]
    packages: Mapping[str, str]
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """A runtime that is not here is no failure."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return what `doctor --json` prints."""
        return {
            "schema_version": self.schema_version,
            "runtimes": [asdict(finding) for finding in self.findings],
            "packages": dict(self.packages),
        }


def examine() -> Diagnosis:
    """Load every runtime and ask it for its devices."""
    findings = [finding for name in runtimes() for finding in _of_runtime(name)]
    return Diagnosis(tuple(findings), packages())


def _of_runtime(name: str) -> Iterator[Finding]:
    runtime = runtimes()[name]
    try:
        version = str(runtime.framework().__version__).partition("-")[0]
        for device, usable, advice in runtime.devices():
            yield Finding(name, device, usable, version, "" if usable else advice)
    except TriportError as error:
        yield Finding(name, "", False, "", str(error))


def packages() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter."""
    found = {"python": f"{sys.version.split()[0]} on {platform.platform()}"}
    for name in (
        "click",
        "numpy",
        "onnx",
        "onnxscript",
        "pillow",
        "protobuf",
        "rich",
        "safetensors",
        "torch_npu",
    ):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def tables_of(found: Diagnosis) -> Iterator[Table]:
    """Yield the runtimes and the packages as tables."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("runtime", "version", "device", "usable", "what to do", title="Runtimes and devices")
    for finding in found.findings:
        mark = "[green]yes[/]" if finding.usable else "no"
        table.add_row(finding.runtime, finding.version, finding.device, mark, escape(finding.advice))
    yield table
    table = Table("package", "version", title="Packages")
    for name, version in found.packages.items():
        table.add_row(name, version)
    yield table
