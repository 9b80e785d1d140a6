"""Names: a dialect's parameter names and the canonical (PyTorch) ones, as a checked bijection.

A family's rows (`reference_models/<family>/spec.py`) map module paths; the leaves come from the
table of kinds (`reference_models/kinds/`), by kind of layer. Rows are read both ways. Nothing is
guessed: a path that no row or two rows match, or a name reached twice, is an error that lists all such
cases.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.kinds import COUNTER_LEAF, KINDS, Leaf
from triport.reference_models.layouts import ParametricLayer
from triport.reference_models.spec import Dialect, ModelSpec

# by layers, which graphs of the same weights share
_NAME_MAPS: dict[tuple[tuple[ParametricLayer, ...], Dialect], dict[str, str]] = {}

_PLACEHOLDER = re.compile(r"\{(\w+?)([+-]\d+)?\}")


class NameMapError(TriportError):
    """A family's rows do not map its names one to one."""


class NameRow(NamedTuple):
    """One row of a name table: two module path patterns that share their placeholders."""

    dialect: str
    canonical: str

    def dialect_path(self, canonical_path: str) -> str | None:
        """Return the dialect's path of a canonical module path, None where the row does not match."""
        found = _pattern(self.canonical).fullmatch(canonical_path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for (name, offset), text in zip(_placeholders(self.canonical), found.groups(), strict=True):
            value = str(int(text) - offset) if offset or text.isdigit() else text
            if values.setdefault(name, value) != value or value.startswith("-"):
                return None
        return _PLACEHOLDER.sub(lambda p: _shifted(values[p[1]], int(p[2] or 0)), self.dialect)


def _shifted(value: str, offset: int) -> str:
    return str(int(value) + offset) if offset else value


@cache
def _placeholders(pattern: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(offset or 0)) for name, offset in _PLACEHOLDER.findall(pattern))


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(pattern)
    regex = re.escape(pieces[0])
    for offset, literal in zip(pieces[2::3], pieces[3::3], strict=True):
        regex += (r"(\d+)" if offset else r"(\w+)") + re.escape(literal)
    return re.compile(regex)


def layer_leaves(layer: ParametricLayer) -> list[tuple[Leaf, tuple[int, ...]]]:
    """Return a layer's parameters and buffers with their shapes: the weight's, or one value a channel."""
    return [
        (leaf, layer.shape if leaf.name == "weight" else layer.shape[:1])
        for leaf in KINDS[layer.kind].values
        if layer.bias or not leaf.optional
    ]


def has_counter(layer: ParametricLayer) -> bool:
    """Whether PyTorch counts training batches in it."""
    return KINDS[layer.kind].leaf(COUNTER_LEAF) is not None


@cache
def canonical_shapes(spec: ModelSpec, num_classes: int | None = None) -> dict[str, tuple[int, ...]]:
    """Return every float parameter and buffer of a model, canonical name -> shape, in order.

    `num_batches_tracked` is not among them: see `counters`.
    """
    return _shapes(spec.layers(num_classes))


@cache
def _shapes(layers: tuple[ParametricLayer, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of layers: graphs that share their weights share this too."""
    return {f"{layer.path}.{leaf.name}": shape for layer in layers for leaf, shape in layer_leaves(layer)}


@cache
def head_weight(spec: ModelSpec) -> str:
    """Return the canonical name of the last layer's weight, whose first size is the number of classes."""
    return f"{spec.layers()[-1].path}.weight"


def counters(spec: ModelSpec) -> list[str]:
    """Return the canonical names of the `num_batches_tracked` buffers."""
    return [f"{layer.path}.{COUNTER_LEAF}" for layer in spec.layers() if has_counter(layer)]


def reference_dialect(spec: ModelSpec, runtime: str) -> Dialect:
    """Return the dialect that the definition here uses in `runtime` ("onnx" uses the canonical names)."""
    wanted = "mindspore" if runtime == "mindspore" else "pytorch"
    return next(dialect for dialect in spec.dialects if dialect.runtime == wanted)


def get_dialect(spec: ModelSpec, name: str, runtime: str) -> Dialect:
    """Return the dialect of that name that `runtime` reads.

    Raises:
        NameMapError: the model has none; the message lists what it has.
    """
    wanted = "mindspore" if runtime == "mindspore" else "pytorch"
    for dialect in spec.dialects:
        if dialect.name == name and dialect.runtime == wanted:
            return dialect
    known = ", ".join(dialect.name for dialect in spec.dialects if dialect.runtime == wanted)
    raise NameMapError(f"{spec.name} has no {wanted} dialect {name!r}. It has: {known}")


def module_paths(spec: ModelSpec, dialect: Dialect) -> dict[str, str]:
    """Return canonical module path -> the dialect's, for every layer that owns parameters.

    Raises:
        NameMapError: a path matches no row or several, or two paths meet in one.
    """
    paths = [layer.path for layer in spec.layers()]
    if not dialect.rows:
        return {path: path for path in paths}
    rows = [NameRow(theirs, ours) for theirs, ours in dialect.rows.items()]
    found: dict[str, str] = {}
    problems = []
    for path in paths:
        hits = [(row, hit) for row in rows if (hit := row.dialect_path(path)) is not None]
        if len(hits) == 1:
            found[path] = hits[0][1]
        elif not hits:
            problems.append(f"{path}: no row matches")
        else:
            problems.append(
                f"{path}: {counted(len(hits), 'row matches', 'rows match')}: "
                + ", ".join(row.canonical for row, _ in hits)
            )
    for path, count in Counter(found.values()).items():
        if count > 1:
            problems.append(f"{path}: {count} canonical paths map to it")
    if problems:
        raise NameMapError(
            f"{spec.name}, dialect {dialect.name}: {counted(len(problems), 'problem')} in {len(paths)} "
            "module paths\n"
            f"{listed(problems)}\nMend the rows in reference_models/{spec.family}/spec.py"
        )
    return found


@cache
def name_map(spec: ModelSpec, dialect: Dialect) -> dict[str, str]:
    """Return canonical parameter name -> the dialect's name; one to one, in the definition's order.

    For PyTorch dialects the `num_batches_tracked` buffers are included.
    """
    layers = spec.layers()
    known = _NAME_MAPS.get((layers, dialect))
    if known is not None:
        return known
    paths = module_paths(spec, dialect)
    names: dict[str, str] = {}
    for layer in layers:
        for leaf, _ in layer_leaves(layer):
            theirs = leaf.in_mindspore if dialect.runtime == "mindspore" else leaf.name
            names[f"{layer.path}.{leaf.name}"] = f"{paths[layer.path]}.{theirs}"
        if dialect.runtime == "pytorch" and has_counter(layer):
            names[f"{layer.path}.{COUNTER_LEAF}"] = f"{paths[layer.path]}.{COUNTER_LEAF}"
    _NAME_MAPS[layers, dialect] = names
    return names
