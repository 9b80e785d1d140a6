"""What a user of a written file must know: whose code loads it, what that computes, what was assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from triport.converters.formats import Checkpoint
from triport.converters.identification.fit import Fit
from triport.converters.statements.preparation import Preparation
from triport.reference_models.errors import counted
from triport.reference_models.spec import Architecture, Dialect, ModelSpec, Preprocess, Runtime, family_models

# dialects that are a publisher's, which has code that loads them
_PUBLISHERS = {
    "mindcv": "mindcv",
    "mindcv-structural": "mindcv",
    "torchvision": "torchvision",
    "timm": "timm",
}


def loaders(spec: ModelSpec, written: Dialect) -> list[Architecture]:
    """Return the publishers' own architectures that load a model's weights under these names."""
    name = "mindcv" if written.name == "mindcv-structural" else written.name
    return [one for one in spec.architectures if one.dialect == name]


def assumptions(found: Fit, prepared: Preparation) -> tuple[str, ...]:
    """Return what nothing in the file says and was taken for granted."""
    if prepared.known != "assumed":
        return found.assumed
    return (*found.assumed, f"the preprocessing, {prepared.preprocess}: {prepared.by}")


def cautions(
    checkpoint: Checkpoint, found: Fit, written: Dialect, to: Runtime, said: bool, prepared: Preparation
) -> Iterator[str]:
    """Yield what a user of the target must know.

    Args:
        checkpoint: the source.
        found: the model that it is of.
        written: whose names were written.
        to: for which runtime.
        said: whether the user named the model.
        prepared: how images are prepared for the source.
    """
    spec = found.spec
    if found.headless:
        yield (
            f"the head is left out (--no-head): what was written is the backbone of {spec.name}, "
            f"{counted(len(found.names), 'tensor')}, and loads into a network without its head, or not "
            "strictly"
        )
    yield from contradicted(found)
    yield from other_graphs(found, written, to, said)
    if to == "onnx":
        return
    yield from _of_a_publisher_without(spec, written)
    yield from other_preprocessing(found, written, prepared)


def contradicted(found: Fit) -> Iterator[str]:
    """Yield what the file says of itself and is not so in the model that the user named."""
    for one in found.contradictions:
        yield f"{one}: you said {found.spec.name}, and so it was taken"


def other_preprocessing(found: Fit, written: Dialect, prepared: Preparation) -> Iterator[str]:
    """Yield how the weights' preprocessing differs from that of the publisher whose names were written."""
    expected = next((w.preprocess for w in found.spec.weights if w.dialect == written.name), None)
    trained = prepared.preprocess
    if trained and expected and trained != expected:
        changes = [
            f"{field.name} {getattr(trained, field.name)} (not {getattr(expected, field.name)})"
            for field in fields(Preprocess)
            if getattr(trained, field.name) != getattr(expected, field.name)
        ]
        whose = "their own" if prepared.known == "stated" else f"{found.dialect.name}'s"
        yield (
            f"the weights keep {whose} preprocessing, which is not {written.name}'s: " + ", ".join(changes)
        )


def other_graphs(found: Fit, written: Dialect, to: Runtime, said: bool) -> Iterator[str]:
    """Yield which publishers' own definitions compute something else from the same weights."""
    spec = found.spec
    publishers = {one.name: one.publisher for one in family_models(spec.family)}
    for other in spec.same_weights_as:
        publisher = publishers[other.model]
        if publisher == spec.publisher:
            continue
        function = f"another function (by {other.percent} of the largest logit)"
        if publisher == found.dialect.name and said:
            yield (
                f"the names are {publisher}'s, whose own definition is {other.model}; you said "
                f"{spec.name}, which computes {function} from the same weights: {other.why}"
            )
        if to != "onnx" and publisher == written.name:
            yield (
                f"{publisher}'s own definition ({other.model} here) loads these weights and computes "
                f"{function}: {other.why}. Load them into {_own_network(spec, to)}, or convert to ONNX, "
                f"which keeps the graph"
            )


def _of_a_publisher_without(spec: ModelSpec, written: Dialect) -> Iterator[str]:
    """Say that the publisher of the names written has no architecture of these shapes."""
    publisher = _PUBLISHERS.get(written.name)
    if publisher is None or any(one.publisher == publisher for one in loaders(spec, written)):
        return
    others = [one for one in spec.architectures if one.same_function and one.publisher != publisher]
    elsewhere = "".join(f"; {one.publisher}'s {one.name} does (--dialect {one.dialect})" for one in others)
    yield (
        f"the names are {publisher}'s, but {publisher} has no architecture with {spec.name}'s shapes that "
        f"loads this file{elsewhere}. Load it into {_own_network(spec, written.runtime)}"
    )


def _own_network(spec: ModelSpec, runtime: Runtime) -> str:
    """Return what makes triport's own network in Python, into which the weights load."""
    make = "torch" if runtime == "pytorch" else "mindspore"
    return f"triport's own network, in Python: triport.model('{spec.name}').{make}(FILE)"
