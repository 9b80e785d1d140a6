"""Which runtimes and devices are usable here, and what to do about those that are not."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from triport.converters.versions import tested
from triport.converters.versions.installed import installed_version, standings
from triport.converters.versions.tested import Standing
from triport.reference_models.errors import TriportError, listed
from triport.reference_models.result import SCHEMA_VERSION

from .runtimes import runtimes

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class RuntimeFinding:
    """A runtime on a device; `advice` says what to do where it is not usable."""

    runtime: str
    device: str
    usable: bool
    version: str
    advice: str


@dataclass(frozen=True, slots=True)
class MachineReport:
    """What this machine can run; `packages` has the version of each, or that it is not installed.

    `versions` compares what is installed with the versions that triport is tested with.
    """

    findings: tuple[RuntimeFinding, ...]
    packages: Mapping[str, str]
    versions: tuple[Standing, ...]
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
            "versions": [asdict(standing) for standing in self.versions],
        }


def examine(progress: Callable[[str], None] = lambda step: None) -> MachineReport:
    """Load every runtime and ask it for its devices; `progress` is told which one it is."""
    findings: list[RuntimeFinding] = []
    for name in runtimes():
        progress(f"asking {runtimes()[name].TITLE}")
        findings += _of_runtime(name)
    return MachineReport(tuple(findings), packages(), standings())


def _of_runtime(name: str) -> Iterator[RuntimeFinding]:
    runtime = runtimes()[name]
    try:
        version = str(runtime.framework().__version__).partition("-")[0]
        for device, usable, advice in runtime.devices():
            yield RuntimeFinding(name, device, usable, version, "" if usable else advice)
    except TriportError as error:
        yield RuntimeFinding(name, "", False, "", str(error))


def packages() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter."""
    found = {name: installed_version(name) or "not installed" for name in (*tested.packages(), "torch_npu")}
    return {**found, "python": f"{found['python']} on {platform.platform()}"}


def tables_of(found: MachineReport) -> Iterator[Table | str]:
    """Yield the runtimes and the packages as tables, and what the versions amount to in a sentence."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("runtime", "version", "device", "usable", "what to do", title="Runtimes and devices")
    for finding in found.findings:
        mark = "[green]yes[/]" if finding.usable else "no"
        table.add_row(finding.runtime, finding.version, finding.device, mark, escape(finding.advice))
    yield table
    said = {standing.package: standing.text() for standing in found.versions}
    table = Table("package", "version", "tests", title="Packages")
    for name, version in found.packages.items():
        table.add_row(name, version, said.get(name, ""))
    yield table
    yield _summary(found.versions)


def _summary(versions: tuple[Standing, ...]) -> str:
    """Return which of the versions are outside of those that are tested."""
    outside = [one for one in versions if one.verdict in ("older", "newer", "faulty")]
    if not outside:
        return "Every version here is one that triport is tested with, or between two of them."
    rows = listed(f"{one.package} {one.installed} is {one.text()}" for one in outside)
    return f"{len(outside)} of {len(versions)} versions here are outside of what is tested:\n{rows}"
