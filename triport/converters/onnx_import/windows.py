"""Kernel, strides, dilations and padding of convolutions and pools."""

from __future__ import annotations

import ast
from typing import Any

from .call import Call
from .expressions import OMIT, code


def short(values: list[int]) -> int | tuple[int, ...]:
    """Return one number for equal ones."""
    return values[0] if len(set(values)) == 1 else tuple(values)


class Window:
    """Kernel, strides, dilations and padding of a convolution or a pool, read and checked."""

    def __init__(self, call: Call, kernel: list[int] | None = None) -> None:
        """Read the attributes; `kernel` is the weight's where none is stated."""
        self.rank = call.rank(0) - 2
        stated = call.attribute("kernel_shape", kernel)
        if stated is None:
            call.refuse("attribute kernel_shape is missing, and the weight's shape is not known")
        self.kernel = [int(k) for k in stated]
        if kernel is not None and self.kernel != kernel:
            call.refuse(f"attribute kernel_shape is {self.kernel}, the weight's is {kernel}")
        self.strides = call.attribute("strides", [1] * self.rank)
        self.dilations = call.attribute("dilations", [1] * self.rank)
        self.auto_pad = call.attribute("auto_pad", "NOTSET")
        pads = call.attribute("pads", None)
        if self.rank < 1 or not len(self.kernel) == len(self.strides) == len(self.dilations) == self.rank:
            call.refuse("kernel, strides and dilations do not fit the input's rank")
        if self.auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            call.refuse("attribute auto_pad is unknown")
        self.call = call
        self.is_same_at_run_time = False
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            self.begin, self.end = self._same()
        elif self.auto_pad == "VALID" or pads is None:
            self.begin, self.end = [0] * self.rank, [0] * self.rank
        else:
            if len(pads) != 2 * self.rank:
                call.refuse("attribute pads does not fit the input's rank")
            self.begin, self.end = list(pads[: self.rank]), list(pads[self.rank :])
        if min(*self.kernel, *self.strides, *self.dilations) < 1:
            call.refuse("a kernel, stride or dilation below 1")

    def _same(self) -> tuple[list[int], list[int]]:
        begin, end = [], []
        for i in range(self.rank):
            size = self.call.size(0, i + 2)
            reach = (self.kernel[i] - 1) * self.dilations[i] + 1
            if size is None and self.strides[i] != 1:
                self.is_same_at_run_time = True
                return [0] * self.rank, [0] * self.rank
            elif size is None:
                size = reach
            total = max((-(-size // self.strides[i]) - 1) * self.strides[i] + reach - size, 0)
            less, more = total // 2, total - total // 2
            begin.append(less if self.auto_pad == "SAME_UPPER" else more)
            end.append(more if self.auto_pad == "SAME_UPPER" else less)
        return begin, end

    def same_padding(self, x: ast.expr) -> ast.expr:
        """Return SAME padding along free axes, computed of the input: all begins, then all ends."""
        return code(
            "f(tuple(x.shape[2:]), k, s, dl, l)",
            f=self.call.function("same_padding"),
            x=x,
            k=tuple(self.kernel),
            s=tuple(self.strides),
            dl=tuple(self.dilations),
            l=self.auto_pad == "SAME_LOWER",
        )

    def pads(self, x: ast.expr) -> Any:
        """Return the padding of an input as functions of pieces/ take it: all begins, then all ends."""
        return self.same_padding(x) if self.is_same_at_run_time else (*self.begin, *self.end)

    def padded_same(self, x: ast.expr, value: float = 0.0) -> ast.expr:
        """Return the input with SAME padding that depends on a free axis; as it is where there is none."""
        if not self.is_same_at_run_time:
            return x
        x = self.call.let("x", x)
        return code(
            "f(x, p, v)",
            f=self.call.function("pad_windows"),
            x=x,
            p=self.same_padding(x),
            v=OMIT if value == 0 else value,
        )

    def by_function(self, template: str, name: str, x: ast.expr, **more: Any) -> ast.expr:
        """Return a call of a function of pieces/ that takes a whole window.

        Args:
            template: has f, x, k, s, pads and dl, and what else the function takes.
            name: of the function.
            x: the input.
            more: what else it takes.
        """
        return code(
            template,
            f=self.call.function(name),
            x=x,
            k=tuple(self.kernel),
            s=tuple(self.strides),
            pads=self.pads(x),
            dl=tuple(self.dilations),
            **more,
        )

    @property
    def symmetric(self) -> bool:
        """Whether the padding is the same on both sides, and none is negative."""
        return self.begin == self.end and min(self.begin) >= 0

    @property
    def torch_pads(self) -> tuple[int, ...]:
        """Padding as torch's pad takes it: from the last axis on."""
        return tuple(n for b, e in zip(self.begin[::-1], self.end[::-1], strict=True) for n in (b, e))

    def given(self, **more: Any) -> dict[str, Any]:
        """Return kernel arguments for a template, those at their defaults left out."""
        return {
            "k": short(self.kernel),
            "s": OMIT if set(self.strides) == {1} else short(self.strides),
            "p": OMIT if not self.symmetric or set(self.begin) == {0} else short(self.begin),
            "dl": OMIT if set(self.dilations) == {1} else short(self.dilations),
            **more,
        }


def kernel_of(call: Call, index: int = 1) -> list[int] | None:
    """Return the kernel of the weight that is input `index`, None where its shape is not known."""
    shape = call.shape(index)
    if shape is None or not all(isinstance(n, int) for n in shape):
        return None
    return [n for n in shape[2:] if isinstance(n, int)]


def padded(window: Window, x: ast.expr, value: Any = None) -> ast.expr:
    """Return the input with the padding that a layer cannot have itself, in PyTorch."""
    if window.symmetric:
        return window.padded_same(x)
    return code("F.pad(x, p, value=v)", x=x, p=window.torch_pads, v=OMIT if value is None else value)
