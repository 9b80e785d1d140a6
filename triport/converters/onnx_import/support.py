"""Which ONNX operators become source in a framework, and which nodes of a file do not, and why.

A file is translated as `convert` does it, but goes on behind what is refused; nothing is written or run.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triport.converters.formats.tensors import short
from triport.converters.operator_support import Need, Needs, Supported

from .body import Body, Shared
from .operators import Operator, load_operators
from .reading import ImportRefusedError, read_model
from .state import State
from .targets import TARGETS as TARGETS
from .translate import Translation
from .tree import flat
from .values import Variable

_NOTE = (
    "Each node was translated from the file's own opset, and nothing was run: `convert` compares the results."
)


def reads(path: Path) -> bool:
    """Return whether a file is an ONNX graph."""
    return path.suffix.lower() == ".onnx"


def list_operators(to: str) -> list[Supported]:
    """Return every operator that can be written in a framework."""
    return [
        Supported(_name(domain, op_type), _group(found[0]), _description(found[0]), (_versions(found),))
        for (domain, op_type, target), found in load_operators().items()
        if target == to and not domain.startswith("triport.")
    ]


def find_needs(path: Path, to: str, opset: int) -> Needs:
    """Return which operators a file has, and which nodes of them a framework lacks.

    Raises:
        TriportError: the file cannot be read.
    """
    del opset  # the file's own
    target = next(one for one in TARGETS if one == to)
    model = read_model(path)
    found = _Found()
    root = flat(model.graph)
    translation = _Trying(Shared(target, State()), dict(model.opset_imports), found)
    try:
        translation.graph(model.graph, root)
    except ImportRefusedError as error:  # an input or an output
        found.add("(inputs and outputs)", str(error), "")
    needs = tuple(
        Need(short(name), count, tuple((why, tuple(at)) for why, at in found.lacks.get(name, {}).items()))
        for name, count in sorted(found.counts.items())
    )
    return Needs(str(path), to, None, needs, _NOTE)


@dataclass(slots=True)
class _Found:
    """How often each operator was met, and of what was refused the reasons and the places."""

    counts: dict[str, int] = field(default_factory=dict)
    lacks: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, name: str, reason: str, place: str) -> None:
        """Note what is refused."""
        self.counts.setdefault(name, 1)
        self.lacks.setdefault(name, {}).setdefault(reason, []).append(place)


class _Trying(Translation):
    """A translation that notes what is refused, and lets its results be tensors of which nothing is known."""

    def __init__(self, shared: Shared, opsets: dict[str, int], found: _Found) -> None:
        """Begin; `found` is filled."""
        super().__init__(shared, opsets)
        self._found = found

    def node(self, node: Any, body: Body) -> None:
        """Translate one node, or note why not."""
        name = _name("" if node.domain == "ai.onnx" else node.domain, node.op_type)
        self._found.counts[name] = self._found.counts.get(name, 0) + 1
        try:
            super().node(node, body)
        except ImportRefusedError as error:
            place = short(node.name or str(node.outputs[0].name))
            self._found.add(name, str(error).partition("): ")[2] or str(error), place)
            for value in node.outputs:
                self.reps[value] = Variable(self.shared.fresh("x"))


def _name(domain: str, op_type: str) -> str:
    return f"{domain}.{op_type}" if domain else op_type


def _group(operator: Operator) -> str:
    return operator.translate.__module__.rpartition(".")[2]


def _description(operator: Operator) -> str:
    return (inspect.getdoc(operator.translate) or "").partition("\n\n")[0].replace("\n", " ")


def _versions(operators: list[Operator]) -> str:
    return "schema versions " + ", ".join(f"{one.since} to {one.until}" for one in operators)
