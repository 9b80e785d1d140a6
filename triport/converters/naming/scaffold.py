"""From a pair to a family: the rows of a dialect and the layout, a start for whoever adds an architecture."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError
from triport.reference_models.kinds import KINDS
from triport.reference_models.layouts import FILE, Kind, ParametricLayer, rows_of, text_of

from .dialect_rows import dialect_rows
from .record import NamesFile
from .step import Shape

_OTHER = {"pytorch": "PyTorch", "mindspore": "MindSpore"}


class ScaffoldError(TriportError):
    """A pair cannot become the start of a family."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The texts of a family's files by name, and what is left to a person, in words."""

    family: str
    files: Mapping[str, str]
    notes: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Make the folder, whole or not at all.

        Raises:
            ScaffoldError: it is there already, or cannot be made.
        """
        try:
            folder.mkdir()
        except OSError as error:
            raise ScaffoldError(f"{folder}: cannot be made: {error.strerror}; name a new folder") from None
        try:
            for name, text in self.files.items():
                (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            for name in self.files:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
            raise ScaffoldError(f"{folder}: cannot be written: {error.strerror}") from None


def check_family(folder: Path) -> None:
    """Raise ScaffoldError where a folder cannot become a family's."""
    family = folder.name
    if not family.isidentifier() or keyword.iskeyword(family):
        raise ScaffoldError(f"{short(family)!r}: a family's folder is a Python package, such as my_net")
    if folder.exists() or not folder.absolute().parent.is_dir():
        raise ScaffoldError(f"{folder}: name a new folder, in one that is there")


def scaffold_of(
    found: NamesFile, shapes: tuple[Mapping[str, Shape], Mapping[str, Shape]], family: str, size_px: int
) -> Scaffold:
    """Return the start of a family.

    Args:
        found: the map. Its first PyTorch network has the canonical names.
        shapes: of the parameters of both networks, in each one's order.
        family: the name of its folder.
        size_px: of the images that went in.

    Raises:
        ScaffoldError: no network of the pair is PyTorch's, or the map is not complete.
    """
    sides = (found.a, found.b)
    if not found.names.complete:
        raise ScaffoldError(f"{family}: {found.standing}: a family needs all of its names")
    if "pytorch" not in (found.a.runtime, found.b.runtime):
        raise ScaffoldError(
            f"{family}: canonical names are PyTorch's, and neither network of the pair has any"
        )
    first = 0 if found.a.runtime == "pytorch" else 1
    ours, theirs = sides[first], sides[1 - first]
    layers, rest = _layers(shapes[first])
    paths, problems = _paths(found, layers, first, theirs.runtime)
    notes = [
        *(f"{short(name)}: of no kind of layer that layouts know (conv, norm, dense)" for name in rest),
        *problems,
    ]
    head = next((layer.shape[0] for layer in reversed(layers) if layer.kind == "dense"), 0)
    if not head:
        notes.append("no dense layer: say in layouts.txt and spec.py what the number of classes is")
    texts = _Texts(family, found, dialect_rows(paths), (ours.net, theirs.net, theirs.runtime), notes)
    return Scaffold(
        family,
        {
            "__init__.py": texts.package(),
            "spec.py": texts.spec(size_px, head),
            FILE: text_of([(_Config(texts.config), _layout(layers))]),
        },
        tuple(notes),
    )


class _Config:
    """A configuration as `spec.py` will make it, by what Python shows of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name}()"


def _layers(shapes: Mapping[str, Shape]) -> tuple[list[ParametricLayer], list[str]]:
    """Return the layers of a network, and the names of parameters that are of none that is known."""
    modules: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes.items():
        path, _, leaf = name.rpartition(".")
        modules.setdefault(path, {})[leaf] = tuple(shape)
    layers, rest = [], []
    for path, leaves in modules.items():
        kind = _kind(leaves)
        if kind is None or not path:
            rest += [f"{path}.{leaf}".lstrip(".") for leaf in leaves]
        else:
            layers.append(ParametricLayer(path, kind, leaves["weight"], "bias" in leaves))
    return layers, rest


def _kind(leaves: Mapping[str, Shape]) -> Kind | None:
    """Return the kind of a layer by its parameters; None where that is none of which a family is made."""
    statistics = {"running_mean", "running_var"}
    if "weight" not in leaves or not leaves.keys() <= {"weight", "bias", *statistics}:
        return None
    rank = len(leaves["weight"])
    if statistics <= leaves.keys():
        return "norm" if rank == 1 else None
    if statistics & leaves.keys():
        return None
    return {4: "conv", 2: "dense"}.get(rank)  # type: ignore[return-value]


def _paths(
    found: NamesFile, layers: Sequence[ParametricLayer], first: int, runtime: str
) -> tuple[dict[str, str], list[str]]:
    """Return canonical module path -> the other network's, and what rows of module paths cannot say."""
    plain = {}
    stepped = {}
    for row in found.names.rows:
        mine, other = (row.a, row.b) if first == 0 else (row.b, row.a)
        for name in mine:
            if len(mine) == len(other) == 1 and not row.steps:
                plain[name] = other[0]
            else:
                stepped[name] = ", ".join(map(str, row.steps)) or "a row of several tensors"
    paths: dict[str, str] = {}
    problems = []
    for layer in layers:
        for leaf in KINDS[layer.kind].values:
            name = f"{layer.path}.{leaf.name}"
            if name in stepped:
                problems.append(f"{short(name)}: lies otherwise in the other network ({stepped[name]})")
                continue
            if name not in plain:
                continue
            wanted = leaf.in_mindspore if runtime == "mindspore" else leaf.name
            path, _, last = plain[name].rpartition(".")
            if last != wanted:
                problems.append(f"{short(name)}: is {short(plain[name])}, which does not end in {wanted}")
            elif paths.setdefault(layer.path, path) != path:
                problems.append(f"{short(name)}: lies in {short(path)}, other parameters of it do not")
    return paths, problems


def _layout(layers: Sequence[ParametricLayer]) -> str:
    """Return the rows of a layout; the first size of the last dense layer is the number of classes."""
    place = max((place for place, layer in enumerate(layers) if layer.kind == "dense"), default=None)
    if place is None:
        return rows_of({0: tuple(layers)})
    head = layers[place]
    other = [*layers]
    other[place] = head._replace(shape=(head.shape[0] + 1, *head.shape[1:]))
    return rows_of({head.shape[0]: tuple(layers), head.shape[0] + 1: tuple(other)})


class _Texts:
    """The Python files of a family that is not finished."""

    def __init__(
        self,
        family: str,
        found: NamesFile,
        rows: Mapping[str, str],
        nets: tuple[str, str, str],
        notes: Sequence[str],
    ) -> None:
        self.family, self.found, self.rows, self.notes = family, found, rows, notes
        self.ours, self.theirs, self.runtime = nets
        words = "".join(part.capitalize() for part in re.split(r"_+", family))
        self.config = f"{words or 'Family'}Config"

    def package(self) -> str:
        """Return `__init__.py`, which is a docstring."""
        nets = f"{self.ours} and {self.theirs}"
        return (
            f"{_docstring(f'{self.family}: begun by `pair --scaffold` of {nets}. TODO: paper, sources.')}\n"
        )

    def spec(self, size_px: int, classes: int) -> str:
        """Return `spec.py`."""
        return "\n".join([*self._head(), *self._dialects(), *self._models(size_px, classes), ""])

    def _head(self) -> Iterator[str]:
        yield _docstring(f"{self.family}: variants and names, as tables. Begun by `pair --scaffold`.")
        yield "\nfrom __future__ import annotations\n"
        yield "from dataclasses import dataclass\n"
        yield "from triport.reference_models.spec import Dialect, ModelSpec\n"
        yield _remark(f"{self.ours} and {self.theirs}: the map is {self.found.standing}")
        yield from (_remark(f"TODO: {note}") for note in self.notes)
        yield "\n\n@dataclass(frozen=True, slots=True)"
        yield f"class {self.config}:"
        yield '    """TODO: what tells one variant from another; both definitions build by it."""\n\n'

    def _dialects(self) -> Iterator[str]:
        title = _OTHER.get(self.runtime, self.runtime).upper()
        name = title if self.runtime != "pytorch" else "OTHER"
        yield f"{name} = Dialect("
        yield f'    "TODO_publisher",\n    "{self.runtime}",\n    {{'
        yield from (f"        {_text(theirs)}: {_text(ours)}," for theirs, ours in self.rows.items())
        yield "    },\n)"
        yield 'PYTORCH = Dialect("triport", "pytorch", {})  # canonical\n'

    def _models(self, size_px: int, classes: int) -> Iterator[str]:
        first = "PYTORCH, OTHER" if self.runtime == "pytorch" else f"{_OTHER[self.runtime].upper()}, PYTORCH"
        yield "MODELS = ("
        yield "    ModelSpec("
        yield f"        name={_text(self.family)},\n        family={_text(self.family)},"
        yield f"        config={self.config}(),"
        yield f"        input_size_px={size_px},"
        yield '        publisher="TODO_publisher",'
        yield f"        dialects=({first}),"
        yield f"        num_classes={classes},"
        yield "    ),\n)"


def _text(value: str) -> str:
    """Return a text as it stands in Python."""
    return repr(value) if not value.isprintable() or set(value) & {'"', "\\"} else f'"{value}"'


def _remark(text: str) -> str:
    """Return a text as comments."""
    lines = textwrap.wrap(_comment(text), 106, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in lines)


def _docstring(text: str) -> str:
    """Return a text as a docstring, in which nothing can end it."""
    plain = _comment(text).replace("\\", "/").replace('"', "'")
    return f'"""{plain}"""'


def _comment(text: str) -> str:
    """Return a text on one line of printable characters."""
    return "".join(character if character.isprintable() else "?" for character in text)
