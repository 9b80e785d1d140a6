"""Holds a call of the API against what the function says that it takes: its annotations.

A program that hands over something else gets a sentence in terms of what it called, not a TypeError from
far inside. What a value means (a known runtime, a file that is there) is checked where it is used.
"""

from __future__ import annotations

import difflib
import errno
import functools
import inspect
import numbers
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError

P = ParamSpec("P")
R = TypeVar("R")

_WORDS = {
    type(None): "None",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


class ArgumentError(TriportError, TypeError):
    """A function was called with something that it does not take; to Python that is a TypeError too."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that refuses what its annotations do not name, as an ArgumentError."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        name = _name(function)
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{name}: {error}") from None
        for argument, value, hint in _arguments(function, name, bound):
            if not _fits(value, hint):
                raise ArgumentError(
                    f"{name}({argument}={short(repr(value), 60)}): expected {_in_words(hint)}, found "
                    f"{type(value).__name__}"
                )
            if isinstance(value, str | os.PathLike) and "\0" in os.fspath(value):
                raise ArgumentError(f"{name}({argument}={short(repr(value), 60)}): has a zero byte")
        try:
            return function(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ArgumentError(f"{name}: {short(str(error.filename), 60)}: {error.strerror}") from None

    return call


def _name(function: Callable[..., Any]) -> str:
    """Return a function's name as a program writes it."""
    package = function.__module__.removeprefix("triport.")
    inner = "" if package.startswith("api.") else f"{package}."
    return f"triport.{inner}{function.__qualname__}"


def _arguments(
    function: Callable[..., Any], name: str, bound: inspect.BoundArguments
) -> Iterator[tuple[str, Any, Any]]:
    """Yield each argument's name, value and type; what has no type is left out."""
    for argument, value in bound.arguments.items():
        parameter = bound.signature.parameters[argument]
        if parameter.kind is parameter.VAR_KEYWORD:
            options = _evaluated(re.sub(r"^Unpack\[(.*)\]$", r"\1", str(parameter.annotation)), function)
            yield from _options(options, name, value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            hint = _evaluated(parameter.annotation, function)
            yield from ((argument, one, hint) for one in value)
        else:
            yield argument, value, _evaluated(parameter.annotation, function)


def _options(options: Any, name: str, given: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the arguments that a TypedDict describes."""
    known = options.__annotations__
    for argument, value in given.items():
        if argument not in known:
            near = difflib.get_close_matches(argument, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; it takes {', '.join(known)}"
            raise ArgumentError(f"{name}: takes no argument {argument}{hint}")
        described = known[argument]
        yield argument, value, _evaluated(getattr(described, "__forward_arg__", described), options)


def _evaluated(annotation: Any, owner: Any) -> Any:
    """Return the type that an annotation names; what is only there for type checkers allows everything."""
    if not isinstance(annotation, str):
        return Any if annotation is inspect.Parameter.empty else annotation
    try:
        one = types.SimpleNamespace(__annotations__={"it": annotation})
        return typing.get_type_hints(one, vars(sys.modules[owner.__module__]))["it"]
    except NameError:
        return Any


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, as far as that is known here."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is typing.Literal:  # which of them, the function says better
        return isinstance(value, str)
    if origin is Callable:
        return callable(value)
    if origin is Sequence:
        is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return is_list and all(_fits(one, inner[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items()
        )
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, origin or hint or type(None))


def _in_words(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        is_path = any(typing.get_origin(one) is os.PathLike for one in inner)
        words = ["a path"] if is_path else []
        words += [
            _in_words(one)
            for one in inner
            if not (is_path and (one is str or typing.get_origin(one) is os.PathLike))
        ]
        return " or ".join(words)
    if origin is typing.Literal:
        return " or ".join(map(repr, inner))
    if origin is Sequence:
        return "a list" if inner[0] is Any else f"a list, each of it {_in_words(inner[0])}"
    if origin is Mapping:
        return f"a mapping of {_in_words(inner[0])} to {_in_words(inner[1])}"
    return "a function" if origin is Callable else _WORDS.get(hint, getattr(hint, "__name__", str(hint)))
