"""What is known of a model without any framework: frozen records, found by discovery.

A family folder's `spec.py` defines `MODELS`, a tuple of ModelSpec.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from .errors import TriportError
from .layouts import ParametricLayer, path_of, stored_layers
from .program import program

Runtime = Literal["mindspore", "pytorch", "onnx"]
RUNTIMES: tuple[Runtime, ...] = ("mindspore", "pytorch", "onnx")


class UnknownModelError(TriportError):
    """No model of that name is defined."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a publisher turns an image file into the network's input.

    The short side is resized to `resize_px` with `interpolation`, the centre `crop_px` square is
    cut, and RGB in 0..1 becomes (x - mean) / std. `library` made the published figure: "pil"
    (antialiased), "mindspore" or "opencv" (not antialiased). `channels` is the order in which the
    network takes them; mean and std are in that order.
    """

    resize_px: int
    crop_px: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    library: Literal["pil", "mindspore", "opencv"]
    channels: Literal["rgb", "bgr"] = "rgb"

    def __str__(self) -> str:
        mean, std = ("/".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return (
            f"{self.library} {self.interpolation} {self.resize_px} -> {self.crop_px}, mean {mean}, std {std}"
            + (", BGR" if self.channels == "bgr" else "")
        )


# what the words of a Preprocess may be
CHOICES = {
    "library": ("pil", "mindspore", "opencv"),
    "interpolation": ("bilinear", "bicubic"),
    "channels": ("rgb", "bgr"),
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A published ImageNet-1k validation accuracy, in percent.

    `source` is a URL (with commit where it has one), `context` what it was measured on, as the
    publisher words it ("D910x8-G": device x pieces - MindSpore mode), `date` ISO 8601 of the
    source, to the precision that is known.
    """

    top1_percent: float
    top5_percent: float | None
    source: str
    context: str
    date: str


@dataclass(frozen=True, slots=True)
class Weights:
    """A published checkpoint of a model, such as `resnet50.torchvision`.

    `url` is empty where the publisher gives figures but no file. `num_parameters` counts
    trainable values in millions as the publisher prints them, None where it does not. `sha256` is
    the file's where it is known and the address does not have its first digits.
    """

    name: str
    dialect: str
    url: str
    preprocess: Preprocess
    accuracies: tuple[Accuracy, ...]
    num_parameters_millions: float | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """A publisher's names for a family's layers.

    `rows` maps the dialect's module paths to the canonical ones, with placeholders and offsets:
    `"layer{s}.{b}.down_sample.{i}": "layer{s}.{b}.downsample.{i}"`, `"s{s+1}.b{b+1}"`; without
    rows the paths are the canonical ones. `runtime` decides the leaves: "mindspore" gamma,
    moving_mean; "pytorch" weight, running_mean. `name` is the publisher's, or "triport" where
    the definition here is the only one in that runtime.
    """

    name: str
    runtime: Literal["mindspore", "pytorch"]
    rows: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OtherGraph:
    """A model that the same weights fit and that computes another function, and why it does.

    `relative_difference` is max|a - b| / max|a| of the two models' logits on seeded random weights
    (a few per cent more or less where the other is the reference); benchmarks/same_weights.py
    prints it.
    """

    model: str
    why: str
    relative_difference: float

    @property
    def percent(self) -> str:
        """The difference in percent, to two digits where it is small."""
        return f"{self.relative_difference:.{1 if self.relative_difference >= 0.001 else 2}%}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A publisher's own architecture that has just a model's parameter names and shapes in one dialect.

    What a publisher does not have is not listed: its own code then loads no file of the model.
    `same_function` is whether it computes what the model does; if not, `why` says what differs. Found by
    building every candidate of timm 1.0.31, torchvision 0.28 and MindCV 0.3.0, and comparing functions on
    seeded weights (tests/reference_models/test_architectures.py does it again where these are installed).
    """

    publisher: str
    name: str
    dialect: str
    same_function: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ModelSpec:
    """One graph: what to build, what its checkpoints hold, and what was published of it.

    `dialects` lists every naming that its checkpoints come in; the first of each runtime names the
    definition here, and the first "pytorch" one is canonical (no rows). `publisher` is whose graph
    this is. `same_weights_as` lists the other models that the same weights fit, `architectures` the
    publishers' own that load them. Which layers there are is what the PyTorch definition says
    (`layouts.py`).
    """

    name: str
    family: str
    config: Any
    input_size_px: int
    publisher: str
    dialects: tuple[Dialect, ...]
    weights: tuple[Weights, ...] = ()
    num_classes: int = 1000
    same_weights_as: tuple[OtherGraph, ...] = ()
    architectures: tuple[Architecture, ...] = ()

    def layers(self, num_classes: int | None = None) -> tuple[ParametricLayer, ...]:
        """Return every layer that owns parameters, in the PyTorch definition's order."""
        wanted = self.num_classes if num_classes is None else num_classes
        stored = stored_layers(self.family, repr(self.config), wanted)
        return _defined_layers(self, wanted) if stored is None else stored

    @property
    def arguments(self) -> Mapping[str, tuple[object, ...]]:
        """The values of publishers' constructor arguments that mean this model, by the arguments' names."""
        return self.config.arguments() if hasattr(self.config, "arguments") else {}

    @property
    def num_parameters(self) -> int:
        """The number of trainable values at `num_classes` outputs; BatchNorm statistics are none."""
        return sum(math.prod(one.shape) + (one.shape[0] if one.bias else 0) for one in self.layers())

    @property
    def timm_name(self) -> str | None:
        """What timm calls this graph, None where it has none that computes the same."""
        names = (one.name for one in self.architectures if one.publisher == "timm" and one.same_function)
        return next(names, None)

    def build_torch(self, num_classes: int | None = None) -> Any:
        """Return the PyTorch definition, a `torch.nn.Module` with fresh weights."""
        return self._net("net_torch").build(
            self.config, self.num_classes if num_classes is None else num_classes
        )

    def build_mindspore(self, num_classes: int | None = None) -> Any:
        """Return the MindSpore definition, a `mindspore.nn.Cell` with fresh weights."""
        return self._net("net_mindspore").build(
            self.config, self.num_classes if num_classes is None else num_classes
        )

    def _net(self, module: str) -> Any:
        return importlib.import_module(f"{__package__}.{self.family}.{module}")


@cache
def _defined_layers(spec: ModelSpec, num_classes: int) -> tuple[ParametricLayer, ...]:
    """Return the layers of a configuration that is not stored, of the PyTorch definition itself."""
    try:
        from .layouts_torch import layers_of
    except ImportError as error:
        raise TriportError(
            f"{spec.name}: the layers of {spec.config!r} are not in {path_of(spec.family)}, and its "
            f"definition cannot be asked without PyTorch ({error}).\n"
            "Install PyTorch, or run python docs/generate.py where it is installed"
        ) from error
    return layers_of(spec.build_torch, num_classes)


def family_models(family: str) -> tuple[ModelSpec, ...]:
    """Return the models that a family folder beside this file defines."""
    models: tuple[ModelSpec, ...] = importlib.import_module(f"{__package__}.{family}.spec").MODELS
    return models


@cache
def all_models() -> dict[str, ModelSpec]:
    """Return every model by name: the `MODELS` of each family folder beside this file."""
    found: dict[str, ModelSpec] = {}
    for entry in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda m: m.name):
        if not entry.ispkg or entry.name == "kinds":  # every other folder is a family
            continue
        for spec in family_models(entry.name):
            if spec.name in found:
                raise ValueError(
                    f"two families define a model {spec.name}: {found[spec.name].family}, {spec.family}"
                )
            found[spec.name] = spec
    return found


def get_model(name: str) -> ModelSpec:
    """Return the model called `name`, or the model of the published weights called `name`.

    Raises:
        UnknownModelError: neither is known; the message names close matches.
    """
    models = all_models()
    if name in models:
        return models[name]
    by_weights = {weights.name: spec for spec in models.values() for weights in spec.weights}
    if name in by_weights:
        return by_weights[name]
    import difflib

    close = difflib.get_close_matches(name, [*models, *by_weights], n=5, cutoff=0.5)
    hint = f"Did you mean {', '.join(close)}?" if close else f"See `{program()} models`."
    raise UnknownModelError(f"no model or weights called {name!r}. {hint}")
