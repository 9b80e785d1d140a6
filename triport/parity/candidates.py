"""What is judged: the runtimes that were asked for, each made when its turn comes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.convert import exporter_for
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import RUNTIMES, ModelSpec

from .runners import Runner
from .runners.mindspore import MindSporeRunner
from .runners.onnx import OnnxRunner
from .runners.pytorch import PyTorchRunner
from .runners.quantised import quantised

# The candidate that is an ONNX file as it was given.
GIVEN_FILE = "onnxruntime (given file)"

# (spec, num_classes, parameters) -> onnx.ModelProto
Exporter = Callable[[ModelSpec, int, Mapping[str, np.ndarray]], Any]


class ParityError(TriportError):
    """A runtime failed where it should have computed logits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime by name, and what makes its runner."""

    name: str
    make: Callable[[], Runner]


def candidates_of(
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
) -> list[Candidate]:
    """Return the candidates of `check_model`, whose arguments these are; `keep_model` to look into ONNX."""
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
            Candidate(
                "pytorch",
                lambda: PyTorchRunner(spec, num_classes, parameters, device, precision=precision),
            )
        )
    if "mindspore" in runtimes:
        candidates.append(
            Candidate(
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

            candidates.append(Candidate(f"onnxruntime (from {source})", make))
    if onnx_file is not None:
        candidates.append(
            Candidate(
                GIVEN_FILE, lambda: OnnxRunner(onnx_file, device, keep_model=keep_model, precision=precision)
            )
        )
    return candidates


@contextmanager
def framework_errors(name: str) -> Iterator[None]:
    """Turn what a framework raises into a ParityError that names the candidate."""
    try:
        yield
    except TriportError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise ParityError(f"{name} failed: {type(error).__name__}: {reason}") from error
