"""The folded weights of a foreign ONNX file beside those that the model's weights give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from triport.parity.judge.tolerance import CALIBRATIONS, FLOAT32

from .match import matched
from .units import IMAGES, Unit

# Whoever folds in float32 rounds each value a few times: the root, the quotient, the product.
ALLOWED = FLOAT32.least
# In float16 a weight is rounded once more, and so are the scale and the variance that are folded into it.
ALLOWED_FLOAT16 = 4 * CALIBRATIONS["float16"].rounding + ALLOWED
# And whoever quantises, once more: relative to the largest weight that has the same step.
ALLOWED_INT8 = CALIBRATIONS["int8"].rounding + ALLOWED
WORST_CHANNELS = 5
Step = Literal["layer", "channel"]


@dataclass(frozen=True, slots=True)
class FoldedDifference:
    """A layer whose folded weight or bias differs; `relative` is to the largest value `within` the layer.

    `within` is "layer" or "channel": in int8 each channel may have a step of its own. `layer` is the path of
    the convolution, and of the BatchNorm that is folded into it. `channels` are the output channels that
    differ, the worst first, with their relative differences; `count` says how many do.
    """

    layer: str
    what: str
    max_abs: float
    relative: float
    count: int
    of: int
    channels: tuple[tuple[int, float], ...]
    within: Step = "layer"

    def __str__(self) -> str:
        where = f"in {self.count} of {self.of} channels"
        if not math.isfinite(self.relative):
            named = ", ".join(str(channel) for channel, _ in self.channels)
            return f"{self.layer}: folded {self.what} has NaN or Inf on one side, {where}: {named}"
        worst = ", ".join(f"{channel} ({error:.1e})" for channel, error in self.channels)
        largest = "its" if self.within == "layer" else "a channel's"
        far = f"{self.relative:.1e} of {largest} largest value"
        return f"{self.layer}: folded {self.what} differs by {far}, {where}: {worst}"


@dataclass(frozen=True, slots=True)
class FoldedComparison:
    """What the units of a file are beside the model's.

    `outputs` are the tensors of the file by the module whose output they hold, in the order in which they
    run, and `feeding` the modules of the model that feed each. `unmatched` are layers of the model that the
    file has no counterpart of; `strange` counts units of the file that the model has none of.
    `parts` is the first layer that is connected otherwise.
    """

    compared: int
    differences: tuple[FoldedDifference, ...]
    outputs: dict[str, str]
    feeding: dict[str, tuple[str, ...]]
    unmatched: tuple[str, ...]
    strange: int
    parts: str | None


def compare_folded(
    model: Sequence[Unit], file: Sequence[Unit], *, quantised: Step | None = None, halves: bool = False
) -> FoldedComparison:
    """Compare the units of a model, whose initializers have canonical names, with those of a file.

    Where the file has `halves`, each of its weights may be as far off as float16 rounds it. Where the file is
    `quantised`, weights may be as far off as int8 is with one step for a layer, or with one for each of its
    channels.
    """
    match = matched(model, file)
    pairs = match.pairs
    differences: list[FoldedDifference] = []
    outputs = {}
    for index, ours in enumerate(model):
        if index not in pairs:
            continue
        theirs = file[pairs[index]]
        outputs[ours.modules[-1]] = theirs.output
        differences += _differences(ours, theirs, quantised, ALLOWED_FLOAT16 if halves else ALLOWED)
    if quantised is not None:  # a coarse step is everywhere: where it is coarsest comes first
        differences.sort(key=lambda difference: -difference.relative)
    return FoldedComparison(
        len(pairs),
        tuple(differences),
        outputs,
        {unit.modules[-1]: _feeding(model, unit) for unit in model},
        tuple(_layer(unit) for index, unit in enumerate(model) if index not in pairs),
        len(file) - len(pairs),
        None if match.parts is None else _layer(model[match.parts]),
    )


def _differences(ours: Unit, theirs: Unit, quantised: Step | None, rounding: float) -> list[FoldedDifference]:
    a, b = ours.folded(), theirs.folded()
    sizes = np.abs(a)
    allowed, largest = rounding * sizes, np.broadcast_to(sizes.max(initial=0.0), len(a))
    allowed_bias = rounding * np.maximum(ours.bias_size, theirs.bias_size)
    if rounding == ALLOWED_FLOAT16:
        # the smallest numbers of float16 are even steps
        least = 2.0**-24 * np.maximum(np.abs(ours.scale), 1)
        allowed = allowed + least.reshape(-1, *[1] * (a.ndim - 1))
        allowed_bias = allowed_bias + least
    if quantised is not None:
        axes = tuple(range(0 if quantised == "layer" else 1, a.ndim))
        largest = np.broadcast_to(sizes.max(axes), len(a))
        # a channel of no weight beside the others may be lost
        allowed = ALLOWED_INT8 * sizes.max(axes, keepdims=True) + ALLOWED * sizes.max()
        allowed = np.broadcast_to(allowed, a.shape)
        allowed_bias = allowed_bias + ALLOWED_INT8 * np.abs(ours.bias).max()
    found = [
        _difference(_layer(ours), "weight", a, b, allowed, largest, quantised or "layer"),
        _difference(
            _layer(ours),
            "bias",
            ours.bias,
            theirs.bias,
            allowed_bias,
            np.broadcast_to(np.abs(ours.bias).max(initial=0.0), len(a)),
        ),
    ]
    return [difference for difference in found if difference is not None]


def _difference(
    layer: str,
    what: str,
    ours: np.ndarray,
    theirs: np.ndarray,
    allowed: np.ndarray,
    largest: np.ndarray,
    within: Step = "layer",
) -> FoldedDifference | None:
    """Return the difference where a value is off by more than is allowed; `largest` is by channel."""
    errors = np.abs(ours - theirs)
    wrong = ~(errors <= allowed + np.finfo(np.float32).tiny)
    if not wrong.any():
        return None
    largest = np.where(largest > 0, largest, 1.0)
    other_axes = tuple(range(1, ours.ndim))
    by_channel = (
        np.where(wrong, errors, 0.0).max(axis=other_axes) if other_axes else np.where(wrong, errors, 0)
    )
    bad = wrong.any(axis=other_axes) if other_axes else wrong
    by_channel = by_channel / largest
    worst = np.argsort(-np.nan_to_num(by_channel, nan=np.inf), kind="stable")[
        : min(WORST_CHANNELS, bad.sum())
    ]
    return FoldedDifference(
        layer,
        what,
        float(errors.max()),
        float(by_channel.max()),
        int(bad.sum()),
        len(ours),
        tuple((int(channel), float(by_channel[channel])) for channel in worst),
        within,
    )


def _feeding(model: Sequence[Unit], unit: Unit) -> tuple[str, ...]:
    before = sorted({index for index, _ in unit.sources if index != IMAGES})
    return tuple(model[index].modules[-1] for index in before)


def _layer(unit: Unit) -> str:
    return " + ".join(unit.modules)
