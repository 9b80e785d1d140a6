"""Which runtimes and devices are usable here, and what to do about those that are not."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata, util
from typing import TYPE_CHECKING, Any, ClassVar

from triport.converters.environment import import_mindspore, import_torch
from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .runtimes.onnx import framework as import_onnxruntime

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
    findings = (
        *_runtime("pytorch", "torch", import_torch, _torch_devices),
        *_runtime("mindspore", "mindspore", import_mindspore, _mindspore_devices),
        *_runtime("onnx", "onnxruntime", import_onnxruntime, _onnxruntime_devices),
    )
    return Diagnosis(findings, packages())


def _runtime(
    runtime: str,
    package: str,
    load: Callable[[], Any],
    devices: Callable[[Any], Iterator[tuple[str, bool, str]]],
) -> Iterator[Finding]:
    try:
        module = load()
    except TriportError as error:
        yield Finding(runtime, "", False, "", str(error))
        return
    for device, usable, advice in devices(module):
        yield Finding(runtime, device, usable, module.__version__, "" if usable else advice)


def _torch_devices(torch: Any) -> Iterator[tuple[str, bool, str]]:
    yield "cpu", True, ""
    usable = torch.cuda.is_available()
    yield "cuda", usable, "needs an NVIDIA GPU with its driver, and a CUDA build of PyTorch"
    if util.find_spec("torch_npu") is None:
        yield "npu", False, 'needs an Ascend NPU with CANN, then: pip install "triport[npu]"'
        return
    try:
        import torch_npu  # noqa: F401

        usable = torch.npu.is_available()
        yield "npu", usable, "torch_npu loads, but finds no NPU: check the driver with npu-smi info"
    except (ImportError, OSError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        yield "npu", False, f"torch_npu does not load ({reason}): install CANN and source its set_env.sh"


def _mindspore_devices(mindspore: Any) -> Iterator[tuple[str, bool, str]]:
    yield "cpu", True, ""
    for device, target, advice in (
        ("cuda", "GPU", "needs a MindSpore build with its GPU backend; the newest ones have none"),
        ("npu", "Ascend", "needs an Ascend NPU with CANN; source CANN's set_env.sh before starting"),
    ):
        try:
            usable = bool(mindspore.hal.is_available(target))
        except (RuntimeError, ValueError):
            usable = False
        yield device, usable, advice


def _onnxruntime_devices(onnxruntime: Any) -> Iterator[tuple[str, bool, str]]:
    providers = onnxruntime.get_available_providers()
    for device, provider, advice in (
        ("cpu", "CPUExecutionProvider", "reinstall onnxruntime"),
        (
            "cuda",
            "CUDAExecutionProvider",
            "needs an NVIDIA GPU; pip install onnxruntime-gpu instead of onnxruntime",
        ),
        ("npu", "CANNExecutionProvider", "needs an Ascend NPU and an onnxruntime that is built with CANN"),
    ):
        yield device, provider in providers, advice


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
