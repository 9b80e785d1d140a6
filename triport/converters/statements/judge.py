"""Whether a statement holds of the model that a file's names and shapes are of."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import NamedTuple

from triport.converters.formats import short
from triport.converters.graphs.flow import in_order
from triport.converters.graphs.stored import stored_flow
from triport.converters.statements.arguments import allowed_values, means
from triport.converters.statements.statement import Statement, activation_of, plain_name
from triport.reference_models.spec import Architecture, ModelSpec, Runtime, all_models

_OF_A_TASK = re.compile(r"(for[a-z]+|model|backbone)$")  # ResNetForImageClassification, ResNetModel
_WORD = re.compile(r"[^a-z0-9]+")


class Holds(Enum):
    """What became of a statement."""

    YES = "holds"
    NO = "contradicts"
    GENERAL = "says nothing more"  # the family's name, where any of its models could be meant
    UNCHECKED = "not checked"


class Judgement(NamedTuple):
    """A statement beside a model: whether it holds, and why it does not."""

    statement: Statement
    holds: Holds
    why: str = ""

    def __str__(self) -> str:
        return (
            f"{self.statement.where} says {short(str(self.statement.value))!r}{self.why and ', '}{self.why}"
        )


def judge(statement: Statement, spec: ModelSpec, num_classes: int, runtime: Runtime) -> Judgement:
    """Hold a statement against a model.

    Args:
        statement: what the file says.
        spec: the model that its names and shapes fit.
        num_classes: that its head has.
        runtime: whose file it is, and so whose names of architectures it may use.
    """
    if statement.about == "model":
        return _of_model(statement, spec, runtime)
    if statement.about == "our model":
        return _judgement(statement, statement.value == spec.name, f"which is not {spec.name}")
    if statement.about == "classes":
        if not num_classes:  # the head is left out
            return Judgement(statement, Holds.GENERAL)
        right = statement.value == num_classes
        return _judgement(statement, right, f"its head has {num_classes} classes")
    if statement.about == "epsilon":
        found = epsilons(spec)
        right = all(math.isclose(one, float(statement.value), rel_tol=1e-6) for one in found)  # a float32
        return _judgement(statement, bool(found) and right, f"{spec.name} has {_numbers(found)}")
    if statement.about == "activation":
        used = activations(spec)
        right = activation_of(str(statement.value)) in used
        return _judgement(statement, right, f"{spec.name} has {' and '.join(sorted(used))}")
    if statement.about == "class":
        return _of_class(statement, spec)
    if statement.about == "option":
        return _of_option(statement, spec)
    if statement.about == "argument":
        return Judgement(
            statement, Holds.NO, f"and what that makes of {spec.name} is not known here: it cannot be checked"
        )
    return Judgement(statement, Holds.UNCHECKED)


def _of_class(statement: Statement, spec: ModelSpec) -> Judgement:
    """Hold the class that made a network, such as mmengine's "ResNet", against a model's family."""
    word = _OF_A_TASK.sub("", _letters(str(statement.value).rpartition(".")[2]))
    if word == _letters(spec.family) or _letters(spec.name).startswith(word):
        return Judgement(statement, Holds.GENERAL)
    if word in {_letters(one.family) for one in all_models().values()}:
        return Judgement(statement, Holds.NO, f"which is not the family of {spec.name}")
    return Judgement(statement, Holds.UNCHECKED)


def _of_option(statement: Statement, spec: ModelSpec) -> Judgement:
    allowed = allowed_values(spec, statement.option)
    if allowed is None:
        return Judgement(statement, Holds.UNCHECKED)
    plain = [one for one in allowed if one not in (False, None, "", "none")]
    built = f"has {plain[0]}" if plain else "is built without it"
    return _judgement(statement, means(statement.value, allowed), f"{spec.name} {built}")


def _judgement(statement: Statement, right: bool, why: str) -> Judgement:
    return Judgement(statement, Holds.YES) if right else Judgement(statement, Holds.NO, why)


def _of_model(statement: Statement, spec: ModelSpec, runtime: Runtime) -> Judgement:
    stated = plain_name(str(statement.value))
    if stated == spec.name or str(statement.value) in {weights.name for weights in spec.weights}:
        return Judgement(statement, Holds.YES)
    named = [one for one in spec.architectures if one.name == stated and _may_say(one, runtime)]
    if any(one.same_function for one in named):
        return Judgement(statement, Holds.YES)
    if named:
        return Judgement(statement, Holds.NO, f"which is not {spec.name}: {named[0].why}")
    words = _letters(str(statement.value))
    known = {
        _letters(one) for one in (spec.name, *(one.name for one in spec.architectures if one.same_function))
    }
    if words in known and stated not in all_models():
        return Judgement(statement, Holds.YES)
    if words == _letters(spec.family):
        return Judgement(statement, Holds.GENERAL)
    return Judgement(statement, Holds.NO, f"which is no name of {spec.name}")


def _may_say(architecture: Architecture, runtime: Runtime) -> bool:
    """Whether a runtime's file can mean this publisher's architecture: MindCV has none in PyTorch."""
    return runtime != "pytorch" or architecture.publisher != "mindcv"


def _letters(text: str) -> str:
    return _WORD.sub("", text.lower())


def activations(spec: ModelSpec) -> set[str]:
    """Return the names of a model's activations."""
    flow = stored_flow(spec.name)
    steps = in_order(flow) if flow is not None else []
    clipped = {"relu6" for step in steps if step.op == "clip" and step.attributes == {"max": 6, "min": 0}}
    return clipped | {step.op for step in steps if step.op in ("relu", "relu6")}


def epsilons(spec: ModelSpec) -> set[float]:
    """Return the epsilons of a model's BatchNorm layers."""
    flow = stored_flow(spec.name)
    steps = in_order(flow) if flow is not None else []
    return {float(str(step.attributes["epsilon"])) for step in steps if "epsilon" in step.attributes}


def _numbers(values: set[float]) -> str:
    return " and ".join(f"{value:g}" for value in sorted(values))
