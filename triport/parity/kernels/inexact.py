"""PyTorch as other libraries compute: functions a few roundings off, sums from the other end.

What a kind of layer says of itself decides how (`reference_models/kinds/`). Runs that differ so are as
far from each other as float32 is from itself, also where memory has no other order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from triport.reference_models.kinds import kind_of, public_name
from triport.reference_models.kinds.kind import Inexact, Summed
from triport.reference_models.modules import Part, parts_of

ROUNDING = 2.0**-24


@contextmanager
def inexact(net: Any, sign: int) -> Iterator[None]:
    """Let every function that no library rounds exactly be off: up with sign 1, down with -1, not with 0."""
    handles = [
        # before what looks at the outputs
        module.register_forward_hook(_off(kind.inexact, sign), prepend=True)
        for module in net.modules()
        if sign and (kind := kind_of(module)) is not None and kind.inexact is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _off(inexact: Inexact, sign: int) -> Any:
    by = sign * inexact.roundings * ROUNDING

    def hook(module: Any, arguments: tuple[Any, ...], output: Any) -> Any:
        if inexact.of == "input":
            return output + by * arguments[0]
        return _mapped(output, lambda tensor: tensor + (by * tensor if inexact.of == "output" else by))

    return hook


def _mapped(value: Any, change: Any) -> Any:
    """Return the floating-point tensors of a value changed, in tuples and lists too."""
    if isinstance(value, tuple | list):
        return type(value)(_mapped(one, change) for one in value)
    if hasattr(value, "is_floating_point") and value.is_floating_point():
        return change(value)
    return value


@contextmanager
def reversed_sums(net: Any) -> Iterator[None]:
    """Let every layer whose kind says what it sums over take its sums from the other end.

    Only just the classes of the table: one that inherits may compute over other axes. Hooks see what they
    see otherwise.
    """
    turned = [(part.module, summed) for part in parts_of(net) if (summed := _sum_of(part)) is not None]
    for module, summed in turned:
        module.forward = partial(_reversed, module, module.forward, summed)
    try:
        yield
    finally:
        for module, _ in turned:
            del module.forward


def _sum_of(part: Part) -> Summed | None:
    """Return what a module sums over, where its class is the table's and its tensors are its own."""
    kind, module = part.kind, part.module
    if kind is None or kind.summed is None or public_name(type(module)) not in kind.torch:
        return None
    own = all(leaf in module._parameters or not hasattr(module, leaf) for leaf in kind.summed.leaves)
    return kind.summed if own and kind.summed.where(module) and "forward" not in vars(module) else None


def _reversed(module: Any, forward: Any, summed: Summed, *arguments: Any, **words: Any) -> Any:
    """Run a layer turned round, and leave it as it was: others may read its weights too."""
    axis = _axis(module, summed.axis)
    count = len(summed.inputs)
    turned = [argument.flip(axis) for argument in arguments[:count]]
    turned_words = {name: words[name].flip(axis) for name in summed.inputs if name in words}
    kept = {
        leaf: parameter.data
        for leaf in summed.leaves
        if (parameter := module._parameters.get(leaf)) is not None
    }
    try:
        for leaf, data in kept.items():
            module._parameters[leaf].data = data.flip(summed.leaves[leaf])
        output = forward(*turned, *arguments[count:], **{**words, **turned_words})
    finally:
        for leaf, data in kept.items():
            module._parameters[leaf].data = data
    return output if summed.output is None else output.flip(_axis(module, summed.output))


def _axis(module: Any, axis: int | str) -> int:
    return axis if isinstance(axis, int) else int(getattr(module, axis))
