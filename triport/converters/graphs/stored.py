"""The graphs of the models as text, one line a step: written from our exporter's trace, read for comparison.

conv1 = conv pads=3,3,3,3 strides=2,2 images
bn1 = norm epsilon=1e-05 conv1
%1 = relu bn1
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from triport.converters.graphs.flow import IMAGES, Flow, FlowStep, Value, in_order

FOLDER = Path(__file__).parent / "models"
_OUTPUT = "logits"


def text_of(flow: Flow) -> str:
    """Return a graph as it is stored."""
    names: dict[int, str] = {}
    lines = []
    for step in in_order(flow):
        if step.op == IMAGES:
            names[id(step)] = IMAGES
            continue
        names[id(step)] = step.layer or f"%{len(names)}"
        told = [f"{name}={_text(value)}" for name, value in sorted(step.attributes.items())]
        read = [names[id(one)] for one in step.inputs]
        lines.append(" ".join([names[id(step)], "=", step.op, *told, *read]))
    lines.append(" ".join([_OUTPUT, "=", *(names[id(one)] for one in flow.outputs)]))
    return "\n".join(lines) + "\n"


@cache
def stored_flow(model: str) -> Flow | None:
    """Return a model's graph, None where none is stored."""
    path = FOLDER / f"{model}.txt"
    return flow_of_text(path.read_text(encoding="utf-8")) if path.exists() else None


def flow_of_text(text: str) -> Flow:
    """Return the graph that a stored text is of."""
    steps = {IMAGES: FlowStep(IMAGES)}
    for line in text.splitlines():
        name, _, op, *rest = line.split()
        if name == _OUTPUT:
            return Flow(tuple(steps[one] for one in (op, *rest)))
        told = dict(word.split("=") for word in rest if "=" in word)
        inputs = tuple(steps[word] for word in rest if "=" not in word)
        layer = None if name.startswith("%") else name
        steps[name] = FlowStep(op, {key: _value(one) for key, one in told.items()}, inputs, layer)
    raise ValueError("a stored graph has no line of its output")


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{one:g}" for one in value) + ("," if len(value) == 1 else "")
    return value if isinstance(value, str) else f"{value:g}"


def _value(text: str) -> Value:
    if "," in text:
        return tuple(float(one) for one in text.split(",") if one)
    try:
        return float(text)
    except ValueError:
        return text
