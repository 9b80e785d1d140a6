"""Runs one model in every runtime on one batch and judges each against PyTorch in float64."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.convert import exporter_for
from reference_models.errors import TriportError
from reference_models.spec import RUNTIMES, ModelSpec

from .compare import Comparison, compare
from .layers.judge import LayerReport
from .layers.reference import Reference
from .layers.trace import layers_of
from .noise import CALIBRATIONS, noise_of, rounded_runner
from .runners import Runner
from .runners.device import parse_device
from .runners.mindspore import MindSporeRunner
from .runners.onnx import OnnxRunner
from .runners.precision import check_precision
from .runners.pytorch import PyTorchRunner
from .runners.quantised import quantised

REFERENCE = "pytorch-float64"
# What a report calls its inputs where they are not noise: this, and the folder.
IMAGES_OF = "images in "
# What it says of weights that a foreign graph was run with: this, and both files.
GRAPH_OF = "the graph of "
# The candidate that is an ONNX file as it was given.
GIVEN_FILE = "onnxruntime (given file)"

# Called with what begins, how many steps are done, and how many there are.
Progress = Callable[[str, int, int], None]
# (spec, num_classes, parameters) -> onnx.ModelProto
Exporter = Callable[[ModelSpec, int, Mapping[str, np.ndarray]], Any]


class ParityError(TriportError):
    """A runtime failed where it should have computed logits."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate, its verdict, what it ran on, and how long it took from its weights to its logits.

    `layers` and `isolated` are the comparisons of its modules, where they were asked for.
    """

    reference: str
    candidate: str
    device: str
    comparison: Comparison
    seconds: float
    versions: Mapping[str, str]
    layers: LayerReport | None = None
    isolated: LayerReport | None = None

    @property
    def passed(self) -> bool:
        """Whether the logits, and the modules where they were compared, are within tolerance."""
        return self.comparison.passed and all(
            report is None or report.passed for report in (self.layers, self.isolated)
        )


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The verdict on a model.

    `noise` is how far `precision` is from itself in PyTorch on the CPU (see noise.py), relative to the
    largest logit; `weights` says which weights ("random seed 0", or a file) and `files` the SHA-256
    of every file that took part; `seed` is the input's, None where it is made of images;
    `reference_seconds` is what the float64 reference took.
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

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    make: Callable[[], Runner]


def check_model(
    spec: ModelSpec,
    parameters: Mapping[str, np.ndarray],
    batch: np.ndarray,
    *,
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
) -> ModelReport:
    """Compare every runtime's logits with those of PyTorch in float64 on the CPU.

    One model is in memory at a time, beside the parameters.

    Args:
        spec: the model.
        parameters: values by canonical name, all of them; float64 ones are rounded to float32 first.
        batch: (N, 3, H, W) float32, H = W; ONNX files are made for that size.
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

    Raises:
        TriportError: a runtime or the device is missing, the parameters do not fit, or a runtime failed.
    """
    classes = spec.num_classes if num_classes is None else num_classes
    parameters = {name: _as_float32(array) for name, array in parameters.items()}
    candidates = _candidates(
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
    for runtime in (*runtimes, *(["onnx"] if onnx_file else [])):
        check_precision(precision, runtime, parse_device(device))
    calibration = CALIBRATIONS[precision]
    total = len(candidates) + 2
    tell = progress or (lambda what, done, total: None)

    tell(REFERENCE, 0, total)
    start = time.perf_counter()
    with _framework_errors(REFERENCE):
        exact = PyTorchRunner(spec, classes, parameters, dtype="float64")
        reference = exact.run(batch)
    reference_seconds = time.perf_counter() - start
    tell(f"noise of {precision}", 1, total)
    traces: dict[bool, Reference] = {}
    with _framework_errors("pytorch"):
        rounded = rounded_runner(spec, classes, parameters, precision, seed)
        noise = noise_of(rounded, batch, seed, float(np.abs(reference).max()))
        for alone in [*([False] if layers else []), *([True] if isolate else [])]:
            traces[alone] = Reference(exact, rounded, batch, seed=seed, alone=alone)
    del exact, rounded
    allowed = calibration.tolerance_of(noise) if tolerance is None else tolerance
    pairs: list[Pair] = []
    for candidate in candidates:
        tell(candidate.name, 2 + len(pairs), total)
        start = time.perf_counter()
        with _framework_errors(candidate.name):
            runner = candidate.make()
            logits = runner.run(batch)
            seconds = time.perf_counter() - start
            found = {
                alone: layers_of(runner, trace, alone=alone, calibration=calibration, tolerance=tolerance)
                for alone, trace in traces.items()
            }
        pairs.append(
            Pair(
                REFERENCE,
                candidate.name,
                runner.device,
                compare(reference, logits, allowed),
                seconds,
                runner.versions(),
                found.get(False),
                found.get(True),
            )
        )
        del runner  # before the next is made
    tell("", total, total)
    return ModelReport(
        spec.name,
        weights,
        batch.shape,
        float(noise),
        tuple(pairs),
        reference_seconds,
        inputs=inputs,
        seed=seed,
        precision=precision,
        files=dict(files or {}),
    )


def _candidates(
    spec: ModelSpec,
    num_classes: int,
    parameters: Mapping[str, np.ndarray],
    runtimes: Sequence[str],
    device: str,
    precision: str,
    onnx_file: Path | None,
    exporters: Mapping[str, Exporter],
    keep_model: bool,
    batch: np.ndarray,
) -> list[_Candidate]:
    unknown = [runtime for runtime in runtimes if runtime not in RUNTIMES]
    if unknown or not (runtimes or onnx_file):
        raise ParityError(
            f"runtimes {', '.join(unknown) or '(none)'} are not known: use {', '.join(RUNTIMES)}"
        )
    candidates = []
    # a file is fixed to one image size: that of the batch
    sized = replace(spec, input_size_px=batch.shape[-1])
    if "pytorch" in runtimes:
        candidates.append(
            _Candidate(
                "pytorch",
                lambda: PyTorchRunner(spec, num_classes, parameters, device, precision=precision),
            )
        )
    if "mindspore" in runtimes:
        candidates.append(
            _Candidate(
                "mindspore",
                lambda: MindSporeRunner(spec, num_classes, parameters, device, precision=precision),
            )
        )
    if "onnx" in runtimes:
        sources = [source for source in ("mindspore", "pytorch") if source in runtimes]
        for source in sources or ("mindspore", "pytorch"):

            def make(source: str = source) -> Runner:
                export = exporters.get(source) or exporter_for(source).export
                model = export(sized, num_classes, parameters)
                gc.collect()  # exporters leave networks in reference cycles; runners do not
                if precision == "int8":
                    model = quantised(model, batch)
                content = model.SerializeToString()
                del model
                return OnnxRunner(content, device, keep_model=keep_model, precision=precision)

            candidates.append(_Candidate(f"onnxruntime (from {source})", make))
    if onnx_file is not None:
        candidates.append(
            _Candidate(
                GIVEN_FILE, lambda: OnnxRunner(onnx_file, device, keep_model=keep_model, precision=precision)
            )
        )
    return candidates


@contextmanager
def _framework_errors(name: str) -> Iterator[None]:
    """Turn what a framework raises into a ParityError that names the candidate."""
    try:
        yield
    except TriportError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise ParityError(f"{name} failed: {type(error).__name__}: {reason}") from error


def _as_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array
