"""How a network is checked, and what a report repeats of where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .runtimes import by_default


@dataclass(frozen=True, slots=True)
class Options:
    """How a network is checked.

    `runtimes`: which to run; one that loads ONNX runs the file made from each other one that is listed, or
    from every realisation where none is. `device`: `cpu`, `cuda[:i]` or `npu[:i]`, for the candidates.
    `precision`: that of the candidates, and of the noise. `tolerance`: relative to the largest reference
    value; None is the noise's, as noise/ has it. `seed`: of the noise's draws and of further inputs.
    `layers`: compare every module's output too; `isolate`: every module alone too, fed the reference's
    inputs. `skip_missing`: leave out a runtime that is not installed, and say so; what was given as a
    file is never left out.
    """

    runtimes: tuple[str, ...] = field(default_factory=by_default)
    device: str = "cpu"
    precision: str = "float32"
    tolerance: float | None = None
    seed: int = 0
    layers: bool = False
    isolate: bool = False
    skip_missing: bool = False

    @property
    def observed(self) -> bool:
        """Whether modules are looked at."""
        return self.layers or self.isolate

    @property
    def alone(self) -> list[bool]:
        """Which traces are compared: of the modules as they run, of each fed apart."""
        return [*([False] if self.layers else []), *([True] if self.isolate else [])]


@dataclass(frozen=True, slots=True)
class ReportSources:
    """What a report says of where its weights and inputs are from, and the SHA-256 of each file.

    `repeat` are the words of the command that say which networks these are; empty where the name or the file
    says it.
    """

    weights: str = "random seed 0"
    files: Mapping[str, str] = field(default_factory=dict)
    inputs: str = "noise"
    repeat: tuple[str, ...] = ()


DEFAULT_OPTIONS = Options()
NOTHING_TOLD = ReportSources()
