"""The windows of convolutions and pools: kernel, strides, dilations and pads in one form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from triport.converters.graphs.flow import PADDING, FlowStep, Value

_AUTO_PADS = ("SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class ImageWindow:
    """A window over an image; `pads` is top, left, bottom, right."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    ceil: bool = False

    @classmethod
    def of(cls, told: dict[str, Any], kernel: tuple[int, ...], x: FlowStep) -> ImageWindow | None:
        """Return the window that a node's attributes describe on an image; None where it has not two axes."""
        window = cls(
            tuple(kernel),
            tuple(told.get("strides", (1, 1))),
            tuple(told.get("dilations", (1, 1))),
            tuple(told.get("pads", (0, 0, 0, 0))),
            bool(told.get("ceil_mode", 0)),
        )
        sizes = [len(window.kernel), len(window.strides), len(window.dilations), len(window.pads)]
        if sizes != [2, 2, 2, 4] or min(*window.kernel, *window.strides, *window.dilations) < 1:
            return None
        how = told.get("auto_pad", "NOTSET")
        if how != "NOTSET" and (any(window.pads) or how not in _AUTO_PADS):
            return None  # ONNX allows one of the two
        if how in ("SAME_UPPER", "SAME_LOWER"):
            window = replace(window, pads=pads_of(window, x, upper=how == "SAME_UPPER"), ceil=False)
        if window.ceil and size_after(x, window) == size_after(x, replace(window, ceil=False)):
            window = replace(window, ceil=False)  # on images of this size
        return window

    def attributes(self, with_kernel: bool) -> dict[str, Value]:
        """Return what a step of the normal form is told of it, defaults left out."""
        found: dict[str, Value] = {}
        if with_kernel:
            found["kernel"] = tuple(map(float, self.kernel))
        for name, value, default in (
            ("strides", self.strides, 1),
            ("dilations", self.dilations, 1),
            ("pads", self.pads, 0),
        ):
            if any(one != default for one in value):
                found[name] = tuple(map(float, value))
        if self.ceil:
            found["ceil"] = 1.0
        return found


def _sizes(x: FlowStep) -> tuple[int | None, int | None]:
    return (x.shape[2], x.shape[3]) if len(x.shape) == 4 else (None, None)


def pads_of(window: ImageWindow, x: FlowStep, upper: bool) -> tuple[int, ...]:
    """Return the pads that "same" means: as many outputs as inputs / stride, the odd one at one end."""
    begin, end = [], []
    for size, kernel, stride, dilation in zip(
        _sizes(x), window.kernel, window.strides, window.dilations, strict=True
    ):
        reach = dilation * (kernel - 1) + 1
        total = 0 if size is None else max((-(-size // stride) - 1) * stride + reach - size, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if upper else large)
        end.append(large if upper else small)
    return (*begin, *end)


def size_after(x: FlowStep, window: ImageWindow) -> tuple[int | None, ...]:
    """Return height and width of what a window makes of an image."""
    found: list[int | None] = []
    for axis, size in enumerate(_sizes(x)):
        if size is None:
            found.append(None)
            continue
        reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1
        stride = window.strides[axis]
        left = size + window.pads[axis] + window.pads[axis + 2] - reach
        count = (-(-left // stride) if window.ceil else left // stride) + 1
        if window.ceil and (count - 1) * stride >= size + window.pads[axis]:
            count -= 1  # no window begins in the padding at the end
        found.append(count)
    return tuple(found)


def all_of_it(x: FlowStep, window: ImageWindow) -> bool:
    """Whether one window is the whole image."""
    return window.kernel == _sizes(x) and not any(window.pads)


def with_pads_inside(
    x: FlowStep, window: ImageWindow, filled: tuple[float, ...]
) -> tuple[FlowStep, ImageWindow]:
    """Take a Pad step into the window after it, where its values are as good as the window's own pads.

    Args:
        x: what the window reads.
        window: without pads of its own, or nothing is done.
        filled: the values of a Pad that the window's own pads equal.
    """
    if x.op != PADDING or any(window.pads):
        return x, window
    value, pads = x.attributes.get("value", 0.0), x.attributes["pads"]
    if isinstance(value, tuple) or float(value) not in filled or not isinstance(pads, tuple) or min(pads) < 0:
        return x, window
    return x.inputs[0], replace(window, pads=tuple(int(one) for one in pads))
