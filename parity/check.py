"""Runs one model in every runtime on one batch and judges each against PyTorch in float64."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.convert import exporter_for
from reference_models.errors import TriportError
from reference_models.spec import RUNTIMES, ModelSpec

from .compare import Comparison, compare, default_tolerance
from .runners import Runner
from .runners.mindspore import MindSporeRunner
from .runners.onnx import OnnxRunner
from .runners.pytorch import PyTorchRunner

REFERENCE = "pytorch-float64"

# Called with what begins, how many steps are done, and how many there are.
Progress = Callable[[str, int, int], None]
# (spec, num_classes, parameters) -> onnx.ModelProto
Exporter = Callable[[ModelSpec, int, Mapping[str, np.ndarray]], Any]


class ParityError(TriportError):
    """A runtime failed where it should have computed logits."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate, its verdict, what it ran on, and how long it took from its weights to its logits."""

    reference: str
    candidate: str
    device: str
    comparison: Comparison
    seconds: float
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The verdict on a model.

    `noise` is the model's own float32-to-float64 difference in PyTorch on the CPU, relative to the
    largest logit; `weights` says which weights ("random seed 0", or a file); `reference_seconds`
    is what the float64 reference took.
    """

    model: str
    weights: str
    input_shape: tuple[int, ...]
    noise: float
    pairs: tuple[Pair, ...]
    reference_seconds: float

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.comparison.passed for pair in self.pairs)


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
) -> ModelReport:
    """Compare every runtime's logits with those of PyTorch in float64 on the CPU.

    One model is in memory at a time, beside the parameters.

    Args:
        spec: the model.
        parameters: values by canonical name, all of them; float64 ones are rounded to float32 first.
        batch: (N, 3, H, W) float32; ONNX files are fixed to the model's own input size.
        num_classes: outputs; the model's own by default.
        runtimes: which to run. "onnx" means ONNX Runtime on the file made from each other runtime
            that is listed, or from both where neither is.
        device: `cpu`, `cuda[:i]` or `npu[:i]`, for the candidates.
        weights: what the report says about the parameters.
        tolerance: relative to the largest reference logit; by default `default_tolerance` of the noise.
        onnx_file: an ONNX file to be run as it is, as one more candidate.
        exporters: "mindspore" and "pytorch" to functions that make ONNX; `converters`' by default.
        progress: called before every step.

    Raises:
        TriportError: a runtime or the device is missing, the parameters do not fit, or a runtime failed.
    """
    classes = spec.num_classes if num_classes is None else num_classes
    parameters = {name: _as_float32(array) for name, array in parameters.items()}
    candidates = _candidates(spec, classes, parameters, runtimes, device, onnx_file, exporters or {})
    on_cpu = device == "cpu" and "pytorch" in runtimes
    total = len(candidates) + (1 if on_cpu else 2)
    tell = progress or (lambda what, done, total: None)

    tell(REFERENCE, 0, total)
    start = time.perf_counter()
    reference, _, _ = _computed(
        REFERENCE, lambda: PyTorchRunner(spec, classes, parameters, dtype="float64"), batch
    )
    reference_seconds = time.perf_counter() - start
    noise = np.nan
    if not on_cpu:
        # the tolerance must not be widened by a fault of the device that is being judged
        tell("pytorch-float32 on the CPU", 1, total)
        logits, _, _ = _computed("pytorch", lambda: PyTorchRunner(spec, classes, parameters), batch)
        noise = compare(reference, logits, np.inf).max_rel
    pairs: list[Pair] = []
    for candidate in candidates:
        tell(candidate.name, total - len(candidates) + len(pairs), total)
        start = time.perf_counter()
        logits, ran_on, versions = _computed(candidate.name, candidate.make, batch)
        seconds = time.perf_counter() - start
        if on_cpu and candidate.name == "pytorch":
            noise = compare(reference, logits, np.inf).max_rel
        allowed = default_tolerance(noise) if tolerance is None else tolerance
        comparison = compare(reference, logits, allowed)
        pairs.append(Pair(REFERENCE, candidate.name, ran_on, comparison, seconds, versions))
    tell("", total, total)
    return ModelReport(spec.name, weights, batch.shape, float(noise), tuple(pairs), reference_seconds)


def _candidates(
    spec: ModelSpec,
    num_classes: int,
    parameters: Mapping[str, np.ndarray],
    runtimes: Sequence[str],
    device: str,
    onnx_file: Path | None,
    exporters: Mapping[str, Exporter],
) -> list[_Candidate]:
    unknown = [runtime for runtime in runtimes if runtime not in RUNTIMES]
    if unknown or not runtimes:
        raise ParityError(
            f"runtimes {', '.join(unknown) or '(none)'} are not known: use {', '.join(RUNTIMES)}"
        )
    candidates = []
    # PyTorch first: its float32 is the noise that the others' tolerance comes from
    if "pytorch" in runtimes:
        candidates.append(_Candidate("pytorch", lambda: PyTorchRunner(spec, num_classes, parameters, device)))
    if "mindspore" in runtimes:
        candidates.append(
            _Candidate("mindspore", lambda: MindSporeRunner(spec, num_classes, parameters, device))
        )
    if "onnx" in runtimes:
        sources = [source for source in ("mindspore", "pytorch") if source in runtimes]
        for source in sources or ("mindspore", "pytorch"):

            def make(source: str = source) -> Runner:
                export = exporters.get(source) or exporter_for(source).export
                content = export(spec, num_classes, parameters).SerializeToString()
                gc.collect()  # exporters leave networks in reference cycles; runners do not
                return OnnxRunner(content, device)

            candidates.append(_Candidate(f"onnxruntime (from {source})", make))
    if onnx_file is not None:
        candidates.append(_Candidate("onnxruntime (given file)", lambda: OnnxRunner(onnx_file, device)))
    return candidates


def _computed(
    name: str, make: Callable[[], Runner], batch: np.ndarray
) -> tuple[np.ndarray, str, Mapping[str, str]]:
    """Return the logits of a runner that lives no longer than this call, its device and versions."""
    with _framework_errors(name):
        runner = make()
        return runner.run(batch), runner.device, runner.versions()


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
