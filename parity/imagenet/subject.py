"""What `evaluate` is asked to score: a file, or the model that triport ships, ready to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.convert import SHIPPED, check_finite, exporter_for, parameters_of
from converters.formats import Checkpoint, open_checkpoint
from converters.identify import FOLDED_KEY, MODEL_KEY, Fit, identify
from parity.runners import Runner
from parity.runners.mindspore import MindSporeRunner, import_mindspore
from parity.runners.onnx import OnnxRunner
from parity.runners.pytorch import PyTorchRunner, import_torch
from reference_models.errors import TriportError, listed
from reference_models.spec import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    Preprocess,
    Runtime,
    Weights,
    all_models,
    get_model,
)

PREPROCESSING_KEY = "triport.preprocessing"
NUM_CLASSES_KEY = "triport.num_classes"


class SubjectError(TriportError):
    """There is nothing to run: no weights, or a file that another runtime cannot take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with its weights in a runner; `published` are the weights whose figure to compare with."""

    spec: ModelSpec
    num_classes: int
    runner: Runner
    profile: Preprocess
    published: Weights | None


def open_subject(
    what: str,
    *,
    model: str | None = None,
    runtime: Runtime | None = None,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda step: None,
) -> Subject:
    """Open a file, or the shipped model by its name, in a runtime.

    Args:
        what: a checkpoint or ONNX file, or the name of the shipped model.
        model: what the file must be a checkpoint of; found from the file by default.
        runtime: where to run; the file's own by default.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        progress: is told each step.

    Raises:
        TriportError: there are no weights, they do not fit, or the runtime or device is missing.
    """
    path = _path_of(what)
    progress(f"reading {path.name}")
    checkpoint = open_checkpoint(path)
    if FOLDED_KEY in checkpoint.metadata:
        return _folded(checkpoint, runtime, device)
    found = identify(checkpoint, model)
    check_finite(checkpoint, found)
    published = _published(found)
    progress(f"loading {found.spec.name} in {runtime or checkpoint.runtime}")
    return Subject(
        found.spec,
        found.num_classes,
        _runner(checkpoint, found, runtime or checkpoint.runtime, device),
        _profile(checkpoint, found.spec, published),
        published,
    )


def _path_of(what: str) -> Path:
    path = Path(what)
    if path.exists() or what not in all_models():
        return path
    spec = get_model(what)
    if spec.name == SHIPPED.stem:
        return SHIPPED
    published = [f"{weights.name}: {weights.url}" for weights in spec.weights if weights.url]
    where = f"Published are\n{listed(published)}" if published else "None are published."
    raise SubjectError(
        f"{what} is a model's name and its weights are not here: give a checkpoint file. {where}"
    )


def _runner(checkpoint: Checkpoint, found: Fit, runtime: str, device: str) -> Runner:
    if runtime == "onnx":
        if checkpoint.runtime == "onnx":
            return OnnxRunner(checkpoint.path, device)
        import_mindspore() if checkpoint.runtime == "mindspore" else import_torch()
        model = exporter_for(checkpoint.runtime).export(
            found.spec, found.num_classes, parameters_of(checkpoint, found)
        )
        return OnnxRunner(model.SerializeToString(), device)
    parameters = parameters_of(checkpoint, found)
    if runtime == "mindspore":
        return MindSporeRunner(found.spec, found.num_classes, parameters, device, mode="graph")
    return PyTorchRunner(found.spec, found.num_classes, parameters, device)


def _folded(checkpoint: Checkpoint, runtime: str | None, device: str) -> Subject:
    """Return an optimised ONNX file, which only ONNX Runtime runs."""
    if runtime not in (None, "onnx"):
        raise SubjectError(
            f"{checkpoint.path}: BatchNorm is folded in this file, so only --runtime onnx runs it"
        )
    spec = get_model(checkpoint.metadata[MODEL_KEY])
    num_classes = int(checkpoint.metadata[NUM_CLASSES_KEY])
    return Subject(
        spec, num_classes, OnnxRunner(checkpoint.path, device), _profile(checkpoint, spec, None), None
    )


def _published(found: Fit) -> Weights | None:
    """Return the weights record that a file's names and classes point to."""
    if found.num_classes != found.spec.num_classes:
        return None
    return next((w for w in found.spec.weights if w.dialect == found.dialect.name), None)


def _profile(checkpoint: Checkpoint, spec: ModelSpec, published: Weights | None) -> Preprocess:
    """Return the preprocessing that the file states, or its names' publisher's, or the model's first."""
    if PREPROCESSING_KEY in checkpoint.metadata:
        stated: dict[str, Any] = json.loads(checkpoint.metadata[PREPROCESSING_KEY])
        return Preprocess(**{key: tuple(v) if isinstance(v, list) else v for key, v in stated.items()})
    if published is not None:
        return published.preprocess
    if spec.weights:
        return spec.weights[0].preprocess
    size = spec.input_size_px
    return Preprocess(round(size / 0.875), size, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")
