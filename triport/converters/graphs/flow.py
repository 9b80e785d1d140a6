"""The normal form of a network's graph: layers, and the steps without parameters between them.

What exporters do differently and what computes the same has one form here: a Pad before a convolution or in
it, a mean over the image as one of three operators, a Reshape of what is pooled already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from triport.converters.formats.tensor_protos import ONNX_TYPES

IMAGES = "images"
PADDING = "padding"  # around the image with one value; a Pad that does something else keeps its own name
COMMUTATIVE = ("add", "mul")

_SHOWN = 3  # attributes, in a message

# a number, a word, or numbers
Value = float | str | tuple[float, ...]


@dataclass(slots=True, eq=False)
class FlowStep:
    """One step of a graph.

    Attributes:
        op: "conv", "norm", "dense", or what lies between layers: "relu", "maxpool", "add", ...
        attributes: what it was told, defaults left out.
        inputs: the steps that it reads, in order.
        layer: the canonical module path, where it owns parameters.
        origin: the file's own name for it, for messages.
        shape: of what it returns, (N, C, H, W) or (N, C); None where a size is not known.
        precision: "float16" or "bfloat16" where the layer's own weights are so; no part of the form.
    """

    op: str
    attributes: dict[str, Value] = field(default_factory=dict)
    inputs: tuple[FlowStep, ...] = ()
    layer: str | None = None
    origin: str = ""
    shape: tuple[int | None, ...] = ()
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole graph: its outputs, the size of its images where that is fixed, and a file's names of outputs.

    `output_names` are those of all that the file returns, the first one, which is compared, included; `dtype`
    is that of its images, "" where the file does not say, and `channels` how many they have, where it does.
    """

    outputs: tuple[FlowStep, ...]
    size_px: tuple[int | None, int | None] = (None, None)
    output_names: tuple[str, ...] = ()
    dtype: str = ""
    channels: int | None = None


def in_order(flow: Flow) -> list[FlowStep]:
    """Return the steps that reach an output, each after those that it reads."""
    found: dict[int, FlowStep] = {}
    waiting: list[tuple[FlowStep, bool]] = [(step, False) for step in reversed(flow.outputs)]
    while waiting:
        step, read = waiting.pop()
        if id(step) in found:
            continue
        if read:
            found[id(step)] = step
        else:
            waiting.append((step, True))
            waiting += [(one, False) for one in reversed(step.inputs)]
    return list(found.values())


def keys_of(steps: Sequence[FlowStep]) -> dict[int, str]:
    """Return, by `id`, what equal steps share: the way back to layers, which stand for themselves."""
    keys: dict[int, str] = {}
    for step in steps:
        if step.layer is not None:
            keys[id(step)] = f"layer {step.layer}"
            continue
        inputs = [keys[id(one)] for one in step.inputs]
        if step.op in COMMUTATIVE:
            inputs.sort()
        what = repr((step.op, sorted(step.attributes.items()), inputs))
        keys[id(step)] = hashlib.blake2b(what.encode(), digest_size=16).hexdigest()
    return keys


def shown_value(value: Value, name: str = "") -> str:
    """Return the value of an attribute of that name for a message."""
    if name == "to" and value in ONNX_TYPES:  # of a cast
        return ONNX_TYPES[int(value)]
    if isinstance(value, tuple):
        return f"[{', '.join(f'{one:g}' for one in value)}]"
    return value if isinstance(value, str) else f"{value:g}"


def shown(step: FlowStep, depth: int = 2) -> str:
    """Return a step in words, with what it reads."""
    if step.layer is not None:
        return step.layer
    if step.op == IMAGES:
        return "the images"
    told = "".join(
        f" {name} {shown_value(value, name)}" for name, value in sorted(step.attributes.items())[:_SHOWN]
    )
    if not step.inputs or not depth:
        return f"{step.op}{told}"
    read = [shown(one, depth - 1) for one in step.inputs[:_SHOWN]]
    more = len(step.inputs) - len(read)
    return f"{step.op}{told} of {' and '.join(read)}{f' and {more} more' if more else ''}"
