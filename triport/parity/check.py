"""Runs one model in every runtime on one batch, and a few further ones, and judges each against float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.reference_models.spec import RUNTIMES, ModelSpec

from .batches import logits_of
from .candidates import (
    GIVEN_FILE,
    Candidate,
    Exporter,
    ParityError,
    candidates_of,
    framework_errors,
)
from .compare import Comparison, ComparisonError, compare
from .device import parse_device
from .further import Computed, Expected, FurtherResult, computed
from .inputs import Further
from .layers.judge import LayerReport
from .layers.reference import Reference
from .layers.trace import following, layers_of
from .noise import CALIBRATIONS
from .precision import check_precision
from .reference import REFERENCE, REFERENCES, ModelReference, Subject, reference_of
from .runtimes import Runner, runtime_called

# What a report calls its inputs where they are not noise: this, and the folder.
IMAGES_OF = "images in "
# What it says of weights that a foreign graph was run with: this, and both files.
GRAPH_OF = "the graph of "

# Called with what begins, how many steps are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate, its verdict, what it ran on, and how long it took from its weights to its logits.

    `layers` and `isolated` are the comparisons of its modules, where they were asked for; `further` is what
    the further inputs showed; `notes` say what of it was not compared, or was run otherwise than elsewhere.
    Where two files are compared with one another, `reference` and `candidate` are their paths.
    """

    reference: str
    candidate: str
    device: str
    comparison: Comparison
    seconds: float
    versions: Mapping[str, str]
    layers: LayerReport | None = None
    isolated: LayerReport | None = None
    further: tuple[FurtherResult, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the logits of every input, and the modules that were compared, are within tolerance."""
        return (
            self.comparison.passed
            and all(report is None or report.passed for report in (self.layers, self.isolated))
            and all(result.passed for result in self.further)
        )

    @property
    def of_files(self) -> bool:
        """Whether it is two files beside one another."""
        return self.reference not in REFERENCES


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """What a subject computes: by its own graph where it is an ONNX file, and otherwise in float64.

    `logits` is of the main batch, `further` of each that `expected` is of, in the same order.
    """

    num_classes: int
    batch: np.ndarray
    logits: np.ndarray
    allowed: float
    expected: tuple[Expected, ...]
    further: tuple[Computed, ...]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The verdict on a model.

    `noise` is how far `precision` is from itself in PyTorch on the CPU (see noise.py), relative to the
    largest logit; `weights` says which weights ("random seed 0", or a file) and `files` the SHA-256
    of every file that took part; `seed` is the input's, None where it is made of images;
    `reference_seconds` is what the float64 reference took; `not_run` says what was left out, and why.
    """

    model: str
    weights: str
    input_shape: tuple[int, ...]
    noise: float
    pairs: tuple[Pair, ...]
    reference_seconds: float
    inputs: str = "noise"
    seed: int | None = 0
    precision: str = "float32"
    files: Mapping[str, str] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()
    function: Function | None = field(default=None, compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)

    @property
    def candidates(self) -> tuple[Pair, ...]:
        """The pairs of a candidate and the reference, without those of two files."""
        return tuple(pair for pair in self.pairs if not pair.of_files)


def check_model(
    spec: ModelSpec,
    parameters: Mapping[str, np.ndarray],
    batch: np.ndarray,
    *,
    further: Sequence[Further] = (),
    num_classes: int | None = None,
    runtimes: Sequence[str] = RUNTIMES,
    device: str = "cpu",
    weights: str = "random seed 0",
    tolerance: float | None = None,
    onnx_file: Path | None = None,
    exporters: Mapping[str, Exporter] | None = None,
    progress: Progress | None = None,
    layers: bool = False,
    isolate: bool = False,
    seed: int = 0,
    files: Mapping[str, str] | None = None,
    inputs: str = "noise",
    precision: str = "float32",
    skip_missing: bool = False,
) -> ModelReport:
    """Compare every runtime's logits with those of PyTorch in float64 on the CPU.

    One model is in memory at a time, beside the parameters.

    Args:
        spec: the model.
        parameters: values by canonical name, all of them; float64 ones are rounded to float32 first.
        batch: (N, 3, H, W) float32, H = W; ONNX files are made for that size.
        further: what every candidate is run on besides; see inputs.py.
        num_classes: outputs; the model's own by default.
        runtimes: which to run. "onnx" means ONNX Runtime on the file made from each other runtime
            that is listed, or from both where neither is. May be none where `onnx_file` is given.
        device: `cpu`, `cuda[:i]` or `npu[:i]`, for the candidates.
        weights: what the report says about the parameters.
        tolerance: relative to the largest reference value; by default the noise's, as noise.py has it.
        onnx_file: an ONNX file to be run as it is, as one more candidate.
        exporters: "mindspore" and "pytorch" to functions that make ONNX; `converters`' by default.
        progress: called before every step.
        layers: compare every module's output too.
        isolate: compare every module alone too, fed the reference's input.
        seed: of the batch, which the report repeats; of the noise's draws too.
        files: the files that took part and their SHA-256, which the report repeats.
        inputs: what the batch is made of, which the report repeats.
        precision: that of the candidates, and of the noise.
        skip_missing: leave out a runtime that is not installed, and say so; the file is never left out.

    Raises:
        TriportError: a runtime or the device is missing, the parameters do not fit, or a runtime failed.
    """
    classes = spec.num_classes if num_classes is None else num_classes
    parameters = {name: _as_float32(array) for name, array in parameters.items()}
    candidates = candidates_of(
        spec,
        classes,
        parameters,
        runtimes,
        device,
        precision,
        onnx_file,
        exporters or {},
        layers or isolate,
        batch,
    )
    for runtime in runtimes:
        one = runtime_called(runtime)
        check_precision(precision, parse_device(device), one.NAME, one.PRECISIONS, one.WHY_NOT)
    total = len(candidates) + 2
    tell = progress or (lambda what, done, total: None)
    alone = [*([False] if layers else []), *([True] if isolate else [])]
    given = Subject(spec, classes, parameters, batch, tuple(further), seed, precision, tolerance)
    tell(REFERENCE, 0, total)
    reference = reference_of(
        given, alone, lambda: tell(f"noise of {precision}", 1, total), without_torch=skip_missing
    )
    pairs: list[Pair] = []
    not_run = list(reference.not_run)
    own: tuple[np.ndarray, tuple[Computed, ...]] | None = None
    fixed: list[str] = []
    for number, candidate in enumerate(candidates):
        if candidate.name in reference.is_of:
            continue
        tell(candidate.name, 2 + number, total)
        try:
            pair, logits, outputs = _judged(candidate, batch, reference, precision, tolerance)
        except MissingRuntimeError as error:
            if not skip_missing or candidate.name == GIVEN_FILE:
                raise
            not_run.append(f"{candidate.name}: {error}")
            continue
        pairs.append(pair)
        if any(output is None for output in outputs):
            fixed.append(candidate.name)
        if candidate.name == GIVEN_FILE:
            own = logits, outputs
    if not pairs:
        raise ParityError("no runtime could be compared with PyTorch:\n  " + "\n  ".join(not_run))
    if fixed:
        not_run.append(f"other sizes than {batch.shape[-1]} px: {', '.join(fixed)}, made for that size")
    tell("", total, total)
    return ModelReport(
        spec.name,
        weights,
        batch.shape,
        float(reference.noise),
        tuple(pairs),
        reference.seconds,
        inputs=inputs,
        seed=seed,
        precision=precision,
        files=dict(files or {}),
        not_run=tuple(not_run),
        function=_function(classes, batch, reference, own),
    )


def _judged(
    candidate: Candidate,
    batch: np.ndarray,
    reference: ModelReference,
    precision: str,
    tolerance: float | None,
) -> tuple[Pair, np.ndarray, tuple[Computed, ...]]:
    """Return a candidate's verdict, and its logits of the main batch and of the further inputs."""
    start = time.perf_counter()
    with framework_errors(candidate.name):
        runner = candidate.make()
        logits = logits_of(runner, batch)
        seconds = time.perf_counter() - start
        comparison = _compared(reference, logits, runner, candidate)
        outputs = tuple(computed(runner, one.given) for one in reference.expected)
        found = {
            alone: layers_of(
                runner, trace, alone=alone, calibration=CALIBRATIONS[precision], tolerance=tolerance
            )
            for alone, trace in reference.traces.items()
        }
        if False in found:
            found[False] = _with_what_follows(found[False], comparison, runner, reference.traces[False])
    pair = Pair(
        reference.name,
        candidate.name,
        runner.device,
        comparison,
        seconds,
        runner.versions(),
        found.get(False),
        found.get(True),
        tuple(
            one.judged(output)
            for one, output in zip(reference.expected, outputs, strict=True)
            if output is not None
        ),
        tuple(runner.notes),
    )
    return pair, logits, outputs


def _compared(
    reference: ModelReference, logits: np.ndarray, runner: Runner, candidate: Candidate
) -> Comparison:
    """Compare the main batch's logits; where that cannot be done, say of which candidate or file."""
    try:
        return compare(reference.logits, logits, reference.allowed)
    except ComparisonError as error:
        what = getattr(runner, "what", candidate.name)
        raise ParityError(f"{what}: {error}. Compare files of one model and as many classes") from error


def _with_what_follows(
    layers: LayerReport, comparison: Comparison, runner: Runner, trace: Reference
) -> LayerReport:
    """Name what follows the last module where the logits are out and no module is."""
    if comparison.passed or layers.parting is not None or not layers.steps:
        return layers
    return replace(layers, behind=following(runner, trace, layers))


def _function(
    num_classes: int,
    batch: np.ndarray,
    reference: ModelReference,
    own: tuple[np.ndarray, tuple[Computed, ...]] | None,
) -> Function:
    logits, further = own or (reference.logits, tuple(one.logits for one in reference.expected))
    return Function(num_classes, batch, logits, reference.allowed, reference.expected, further)


def _as_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array
