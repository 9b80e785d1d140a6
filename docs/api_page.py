"""Writes docs/api.md: what `import triport` gives, from its signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import triport
from triport.api import networks

# the order of the page
MODULES = (
    "triport.api.checkpoint",
    "triport.api.models",
    "triport.api.convert",
    "triport.torch",
    "triport.mindspore",
    "triport.api.parity",
    "triport.api.diagnose",
    "triport.api.pair",
    "triport.api.from_onnx",
    "triport.api.evaluate",
    "triport.api.publish",
    "triport.api.sources",
)
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):\n((?:    .*\n|\n)+)", flags=re.MULTILINE)
_ENTRY = re.compile(r"^(\S.*?): (.*(?:\n .*)*)", flags=re.MULTILINE)
_ELSEWHERE = re.compile(r"`(triport[\w.]+)\.(\w+)` says what each means")


def api_page(notice: str) -> str:
    """Return the documentation of the API as Markdown.

    Args:
        notice: the page's first line.
    """
    sections = [
        notice,
        "# Python API\n",
        f"{inspect.getdoc(triport)}\n",
        "`import triport` costs a few milliseconds: what a program does not use is not imported.\n",
        f"## What a NET is\n\n{inspect.getdoc(networks)}\n",
    ]
    for name in MODULES:
        module = importlib.import_module(name)
        home = module if name in ("triport.torch", "triport.mindspore") else triport
        for title, value in vars(module).items():
            if title.startswith("_") or getattr(value, "__module__", None) != name:
                continue
            if inspect.isclass(value):
                sections += _of_class(value)
            elif inspect.isfunction(value) and hasattr(home, title):
                sections += [f"## {home.__name__}.{title}\n", _signature(f"{home.__name__}.{title}", value)]
                sections.append(markdown_of(inspect.getdoc(value) or ""))
    return "\n".join(sections)


def markdown_of(docstring: str) -> str:
    """Return a docstring of Google's style as Markdown: lists of arguments, examples as code."""

    def section(found: re.Match[str]) -> str:
        title, text = found.group(1), textwrap.dedent(found.group(2)).strip()
        if title == "Example":
            return f"```python\n{text}\n```\n"
        entries = _ENTRY.findall(text) if title != "Returns" else []
        if not entries:
            return f"**{title}:** {_one_line(text)}\n"
        listed = "\n".join(f"- `{name}`: {_one_line(words)}" for name, words in entries)
        return f"**{title}:**\n\n{listed}\n"

    return _SECTION.sub(lambda found: section(found) + "\n", docstring + "\n").rstrip() + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_class(value: type) -> Iterator[str]:
    """Yield what a class is, then its public methods; of options that are described elsewhere, those."""
    text = inspect.getdoc(value) or ""
    yield f"## {value.__name__}\n"
    if elsewhere := _ELSEWHERE.search(text):
        described = getattr(importlib.import_module(elsewhere.group(1)), elsewhere.group(2))
        text = f"{text.partition(';')[0]}.\n\n{_options(value, inspect.getdoc(described) or '')}"
    yield markdown_of(text)
    for title, member in vars(value).items():
        if not title.startswith("_") and inspect.isfunction(member):
            yield f"### {value.__name__}.{title}\n"
            yield markdown_of(inspect.getdoc(member) or "")


def _options(value: type, docstring: str) -> str:
    """Return which options there are, each with what is said of it; of those of a command, where that is."""
    said = dict(_ENTRY.findall(textwrap.dedent(docstring.partition("Attributes:\n")[2])))
    names = list(value.__annotations__)
    entries = [f"    {name}: {_one_line(said[name])}\n" for name in names if name in said]
    rest = ", ".join(f"`{name}`" for name in names if name not in said)
    others = f"{rest}: what the command's option of that name says, in [the command line](cli.md).\n"
    listed = f"Attributes:\n{''.join(entries)}\n" if entries else ""
    return f"{listed}{others if rest else ''}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    signature = str(inspect.signature(function)).replace("'", "")
    signature = re.sub(r"<function (\w+) at 0x\w+>", r"\1", signature)  # a default, by its name
    wrapped = f"{name}{signature}"
    if len(wrapped) > 100:
        before, _, returned = wrapped.rpartition(" -> ")
        inside = before[len(name) + 1 : -1]
        wrapped = f"{name}(\n    {_split(inside)}\n) -> {returned}"
    return f"```\n{wrapped}\n```\n"


def _split(parameters: str) -> str:
    """Put each parameter on its own line; commas in brackets are no ends."""
    depth, lines = 0, [""]
    for character in parameters:
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            lines[-1] += ","
            lines.append("")
        else:
            lines[-1] += character
    return "\n    ".join(line.strip() for line in lines)
