"""The two files of a diagnosis: their tensors by common names, their graphs, and what both compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from triport.converters.comparison import SideBySide, side_by_side
from triport.converters.convert import convert
from triport.converters.default_output import DEFAULT_SUFFIX
from triport.converters.formats import FLOATS, Checkpoint
from triport.converters.graphs.flow import Flow
from triport.converters.identification.deciding import flow_stated
from triport.converters.identification.fit import Fit
from triport.converters.request import ConvertRequest as Convert
from triport.parity.session import Listener, ParityRequest, ParityResult, run
from triport.reference_models.errors import TriportError
from triport.reference_models.scratch import scratch_folder
from triport.reference_models.spec import Runtime

# what computes: MindSpore would say the same of the weights, and takes as long as both
_RUNTIMES = ("pytorch", "onnx")


class DiagnosisError(TriportError):
    """Two files that cannot be set beside one another."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Two files beside one another.

    Attributes:
        paths: of the two.
        tensors: by common names.
        fits: how each meets the model that both are of.
        flows: the graph that each holds or states; None where it does neither.
        computed: what `parity` says of them.
    """

    paths: tuple[Path, Path]
    tensors: SideBySide
    fits: tuple[Fit, Fit]
    flows: tuple[Flow | None, Flow | None]
    computed: ParityResult

    @property
    def names(self) -> tuple[str, str]:
        """How the files are called in sentences."""
        first, second = self.paths
        same = first.name == second.name
        return (str(first), str(second)) if same else (first.name, second.name)


def common_names(first: Path, second: Path) -> tuple[SideBySide, tuple[Fit, Fit]]:
    """Open two files, and find the model and the names that both have.

    Raises:
        DiagnosisError: they have no model in common.
        TriportError: one of them cannot be read.
    """
    tensors = side_by_side(first, second)
    if tensors.fits is None:
        raise DiagnosisError(
            f"{first} and {second} are not of one model that is known here, with the same number of "
            "classes, by their names. `inspect` says what each is; `parity A B` compares a file whose "
            "BatchNorm was folded by its structure, and with --input SPEC files of your own networks; `pair` "
            "finds their names"
        )
    return tensors, tensors.fits


def run_both(
    tensors: SideBySide,
    fits: tuple[Fit, Fit],
    *,
    device: str,
    seed: int,
    progress: Callable[[str], None],
) -> Sides:
    """Run two files on the same inputs.

    Raises:
        TriportError: nothing that could run them is installed, or one of them cannot be run.
    """
    first, second = Path(tensors.left.path), Path(tensors.right.path)
    left, right = fits
    flows = flow_stated(tensors.left, left), flow_stated(tensors.right, right)
    progress("comparing what the two compute")
    files = tuple(str(_in_float32(*side)) for side in zip((tensors.left, tensors.right), fits, strict=True))
    request = ParityRequest(files, runtimes=_RUNTIMES, device=device, seed=seed, layers=True)
    return Sides((first, second), tensors, fits, flows, run(request, Listener(progress)))


def _in_float32(checkpoint: Checkpoint, one: Fit) -> Path:
    """Return a file, or a copy of its weights in float32: a file of weights says no precision to run in."""
    path = Path(checkpoint.path)
    dtypes = {checkpoint.tensors[name].dtype for name in one.names.values()}
    if checkpoint.runtime == "onnx" or not dtypes & (set(FLOATS) - {"float32"}):
        return path
    runtime = cast(Runtime, checkpoint.runtime)
    copy = scratch_folder() / path.with_suffix(DEFAULT_SUFFIX[runtime]).name
    convert(path, Convert(to=runtime, output=copy, model=one.spec.name, dtype="float32"))
    return copy
