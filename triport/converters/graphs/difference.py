"""Where a file's graph is not its model's: each layer told otherwise, and the first wire that differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from triport.converters.graphs.flow import (
    COMMUTATIVE,
    Flow,
    FlowStep,
    Value,
    in_order,
    keys_of,
    shown,
    shown_value,
)
from triport.reference_models.errors import counted

_DEFAULTS: dict[str, Value] = {
    "strides": (1.0, 1.0),
    "dilations": (1.0, 1.0),
    "pads": (0.0,) * 4,
    "group": 1.0,
}


def differences(found: Flow, expected: Flow, model: str) -> list[str]:
    """Return what differs, in the order in which the model computes; empty where the two are one function.

    Layers are laid beside each other by path, so that what differs before one says nothing of what follows
    it.
    """
    ours, theirs = in_order(expected), in_order(found)
    keys = keys_of(ours) | keys_of(theirs)
    by_path = {step.layer: step for step in theirs if step.layer is not None}
    # a step of another shape in memory is the same one; with and without its bias it is not
    applied = {(one.layer, one.origin, "bias" in one.attributes) for one in theirs if one.layer is not None}
    twice = [path for path, count in Counter(path for path, _, _ in applied).items() if count > 1]
    problems = [f"{path} is applied more than once, {model} applies it once" for path in twice]
    unused = []
    wired_alike = True
    for step in ours:
        if step.layer is None:
            continue
        other = by_path.get(step.layer)
        if other is None:
            unused.append(f"{step.layer} does not reach the output as a layer, in {model} it does")
            continue
        problems += _told_otherwise(other, step, f"at {step.layer}", model)
        # what follows the first other wire may differ only because that does
        if wired_alike and other.op == step.op:
            wires = list(_wires(other, step, keys, f"before {step.layer}", model))
            wired_alike = not wires
            problems += wires
    extra = [path for path in by_path if path not in {step.layer for step in ours}]
    problems += [f"{path} is a layer that {model} does not have" for path in extra]
    if wired_alike:
        problems += _parting(found.outputs[0], expected.outputs[0], keys, "at the output", model)
    return problems + unused


def differences_of_all_outputs(found: Flow, expected: Flow, other: str) -> list[str]:
    """Return what differs between two files of no known model, whose outputs all belong to the network.

    Args:
        found: of one file.
        expected: of the other one.
        other: what the other file is called.
    """
    problems = differences(found, expected, other)
    if len(found.outputs) != len(expected.outputs):
        problems.append(f"{counted(len(found.outputs), 'output')}, {other} has {len(expected.outputs)}")
    if problems:
        return problems
    keys = keys_of(in_order(expected)) | keys_of(in_order(found))
    for name, mine, theirs in zip(found.output_names, found.outputs, expected.outputs, strict=False):
        problems += _parting(mine, theirs, keys, f"at the output {name}", other)
    return problems


def _told_otherwise(found: FlowStep, expected: FlowStep, where: str, model: str) -> Iterator[str]:
    if found.op != expected.op:
        yield f"a {found.op} {where}{_origin(found)}, {model} has a {expected.op}"
        return
    for name in sorted({*found.attributes, *expected.attributes}):
        mine, theirs = (step.attributes.get(name, _DEFAULTS.get(name, "none")) for step in (expected, found))
        if mine != theirs:
            yield f"{name} {shown_value(theirs, name)} {where}, {model} has {shown_value(mine, name)}"


def _wires(
    found: FlowStep, expected: FlowStep, keys: dict[int, str], where: str, model: str
) -> Iterator[str]:
    if len(found.inputs) != len(expected.inputs):
        yield f"{counted(len(found.inputs), 'input')} {where}, {model} has {len(expected.inputs)}"
        return
    for mine, theirs in zip(expected.inputs, found.inputs, strict=True):
        yield from _parting(theirs, mine, keys, where, model)


def _parting(
    found: FlowStep, expected: FlowStep, keys: dict[int, str], where: str, model: str
) -> Iterator[str]:
    """Follow two ways back to the step where they part."""
    while keys[id(found)] != keys[id(expected)]:
        if found.layer is not None or expected.layer is not None or found.op != expected.op:
            yield f"{shown(found)}{_origin(found)} {where}, {model} has {shown(expected)}"
            return
        if found.attributes != expected.attributes:
            yield from _told_otherwise(found, expected, f"of the {found.op} {where}{_origin(found)}", model)
            return
        theirs, mine = list(found.inputs), list(expected.inputs)
        if found.op in COMMUTATIVE:
            shared = Counter(keys[id(one)] for one in theirs) & Counter(keys[id(one)] for one in mine)
            theirs, mine = _without(theirs, shared, keys), _without(mine, shared, keys)
        else:
            pairs = [
                pair for pair in zip(theirs, mine, strict=False) if keys[id(pair[0])] != keys[id(pair[1])]
            ]
            theirs, mine = [a for a, _ in pairs[:1]], [b for _, b in pairs[:1]]
        if len(theirs) != 1 or len(mine) != 1:
            yield f"{shown(found)}{_origin(found)} {where}, {model} has {shown(expected)}"
            return
        found, expected = theirs[0], mine[0]


def _without(steps: list[FlowStep], shared: Counter[str], keys: dict[int, str]) -> list[FlowStep]:
    left = Counter(shared)
    kept = []
    for step in steps:
        if left[keys[id(step)]]:
            left[keys[id(step)]] -= 1
        else:
            kept.append(step)
    return kept


def _origin(step: FlowStep) -> str:
    return f" (node '{step.origin}')" if step.origin else ""
