"""Which of the models that a file fits it is of: what it says of itself, the graph that it holds, its names.

Names and shapes alone do not tell graphs apart; `identify` finds what fits, and this says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from triport.converters.formats import Checkpoint, short
from triport.converters.graphs.flow import Flow
from triport.converters.graphs.stored import stored_flow
from triport.converters.graphs.verdict import graph_verdict
from triport.converters.statements import Holds, Judgement, judge, statements_of
from triport.reference_models.errors import listed
from triport.reference_models.spec import Runtime, get_model

from .fit import Fit
from .published_weights import recognised

_MOST_UNCHECKED = 8
_WORDS_OF_UNCHECKED = {
    "unknown": "nothing here says whether this changes the network",
    "option": "the model's own value is not known here",
    "class": "a class of that name is not known here",
    "preparation": "how images are prepared is not taken from there",
}


def judged(checkpoint: Checkpoint, one: Fit) -> Fit:
    """Return a fit with what the file says of itself held against its model."""
    runtime = cast(Runtime, checkpoint.runtime)
    statements = statements_of(checkpoint)
    judgements = tuple(judge(each, one.spec, one.num_classes, runtime) for each in statements)
    return one._replace(judgements=judgements, notes=(*one.notes, *_unchecked(judgements)))


def _unchecked(judgements: Iterable[Judgement]) -> Iterator[str]:
    """Yield what was read and not held against the model, and what was not read."""
    said = [one.statement for one in judgements if one.holds is Holds.UNCHECKED]
    yield from (f"{one.where} was not read: {one.value}" for one in said if one.about == "unread")
    for about, words in _WORDS_OF_UNCHECKED.items():
        of_it = [f"{one.where} ({short(str(one.value), 40)})" for one in said if one.about == about]
        if of_it:
            more = f" and {len(of_it) - _MOST_UNCHECKED} more" if len(of_it) > _MOST_UNCHECKED else ""
            yield f"not checked: {', '.join(of_it[:_MOST_UNCHECKED])}{more}: {words}"


def by_likelihood(checkpoint: Checkpoint, exact: Iterable[Fit]) -> list[Fit]:
    """Return the fits of a file, the most likely first, each judged."""
    fits = [judged(checkpoint, one) for one in exact]
    likely = {one.spec.name: _likelihood(checkpoint, one, len(fits)) for one in fits}
    return sorted(fits, key=lambda one: likely[one.spec.name], reverse=True)


def decided(checkpoint: Checkpoint, fits: list[Fit]) -> Fit | str:
    """Return the one model that a file is of, or why that cannot be said.

    Args:
        checkpoint: the file.
        fits: every model that it fits, from `by_likelihood`.

    Returns:
        The fit, with what had to be assumed; or the text of an error that names what is to be decided.
    """
    first = fits[0]
    if first.contradictions:
        return _contradicted(checkpoint, fits)
    likelihood = _likelihood(checkpoint, first, len(fits))
    likely = [one for one in fits if one is first or _likelihood(checkpoint, one, len(fits)) == likelihood]
    if len(likely) > 1:
        names = [one.spec.name for one in likely]
        return (
            f"{checkpoint.path}: the weights fit {' and '.join(names)}, which are different graphs with "
            f"the same names and shapes. Say which with --model {'|'.join(names)}"
        )
    _, named, by_graph, _ = likelihood
    if named or by_graph or checkpoint.runtime == "onnx":  # a graph speaks for itself, though for no model
        return first
    published = recognised(checkpoint.path, [one.spec for one in fits])
    if published is not None:
        return next(one for one in fits if one.spec is published.spec)
    return first._replace(assumed=tuple(_look_alikes(first, fits)))


def flow_stated(checkpoint: Checkpoint, one: Fit) -> Flow | None:
    """Return the graph that a file holds, or that of the model that it names; None where it does neither.

    Args:
        checkpoint: the file.
        one: how it meets a model; what it says may be another one with the same names and shapes.
    """
    if checkpoint.runtime == "onnx":
        from triport.converters.graphs.reader import (
            flow_of_file,  # imports numpy, which files of weights do without
        )

        return flow_of_file(checkpoint, one.names, one.spec.input_size_px)
    specs = [one.spec, *(get_model(other.model) for other in one.spec.same_weights_as)]
    stated = [spec for spec in specs if _is_named(judged(checkpoint, one._replace(spec=spec)))]
    return stored_flow(stated[0].name) if len(stated) == 1 else None


def _likelihood(checkpoint: Checkpoint, one: Fit, candidates: int) -> tuple[bool, bool, bool, bool]:
    """Return what speaks for a model, in order of weight: the last is a guess, and said to be one."""
    verdict = graph_verdict(checkpoint, one.spec, one.names) if candidates > 1 else None
    return (
        not one.contradictions,
        _is_named(one),
        verdict is not None and verdict.equal,
        f"{one.dialect.name}-".startswith(f"{one.spec.publisher}-"),
    )


def _is_named(one: Fit) -> bool:
    about = ("model", "our model")
    return any(each.statement.about in about and each.holds is Holds.YES for each in one.judgements)


def _look_alikes(chosen: Fit, fits: list[Fit]) -> list[str]:
    """Return what a file without a word about its graph could be of as well."""
    spec = chosen.spec
    fitting = {each.spec.name for each in fits}
    others = [one.model for one in spec.same_weights_as if one.model in fitting]
    others += [
        f"{one.publisher}'s {one.name}"
        for one in spec.architectures
        if not one.same_function
        and one.dialect == chosen.dialect.name
        and one.name not in {spec.name, *fitting}
    ]
    if not others:
        return []
    return [
        f"that the weights are of {spec.name}, whose publisher's names they have: nothing in the file says "
        f"so, and they fit {', '.join(others)} as well, which compute something else (`models {spec.name}` "
        f"says what). --model says which"
    ]


def _contradicted(checkpoint: Checkpoint, fits: list[Fit]) -> str:
    """Return the error that names what the file says and what it fits."""
    first = fits[0]
    names = [one.spec.name for one in fits]
    return (
        f"{checkpoint.path}: its names and shapes are those of {' and '.join(names)} "
        f"({first.num_classes} classes), but the file says otherwise of itself\n"
        f"{listed(str(one) for one in first.contradictions)}\n"
        f"Weights of another graph compute something else there. If the file is of {first.spec.name} all the "
        f"same, say so with --model {'|'.join(names)}"
    )
