"""What differs between two checkpoints, whatever their formats and whosever names they use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from triport.converters.formats import (
    FLOATS,
    WHOLE_FILE,
    Checkpoint,
    Selection,
    Tensor,
    open_checkpoint,
    same_payload,
    short,
)
from triport.converters.graphs.difference import differences, differences_of_all_outputs
from triport.converters.graphs.stored import stored_flow
from triport.converters.identification.deciding import flow_stated
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import candidates
from triport.converters.names import COUNTER_LEAF
from triport.converters.not_compared import not_compared
from triport.converters.stated_images import stated_otherwise
from triport.converters.statements.config_file import labels_beside
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.result import SCHEMA_VERSION

if TYPE_CHECKING:
    import numpy as np

# of images, where two files of no known model leave it free: any size, as long as both have the same
_SIZE_PX = 224


class FilesComparisonError(TriportError):
    """Two files hold nothing that can be compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor that differs.

    Attributes:
        name: canonical, where both files are of one model.
        kind: "missing" (from the second file), "extra", "shape", "dtype" or "value".
        first: what the first file has, in words.
        second: what the second file has.
        max_abs: the largest difference of two values, where both have the shape; None where a value is
            NaN or Inf on one side only.
        values: how many values differ, NaN against NaN not counted.
    """

    name: str
    kind: str
    first: str | None
    second: str | None
    max_abs: float | None = None
    values: int | None = None

    @property
    def values_in_words(self) -> str:
        """How many values differ, and that none does where only the bits of equal ones do."""
        if self.values == 0 and self.kind == "dtype":
            return "no value differs"
        if self.values == 0:
            return "no value differs, but bits do: 0 and -0, or other bits of a NaN"
        return counted(self.values or 0, "value differs", "values differ")

    def to_dict(self) -> dict[str, Any]:
        """Return what `inspect A B --json` prints of it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "first": self.first,
            "second": self.second,
            "max_abs": self.max_abs,
            "values": self.values,
        }


@dataclass(frozen=True, slots=True)
class FilesComparison:
    """Two checkpoints side by side; `model` is the one by whose canonical names they were compared.

    `graphs` says where the graphs differ that the files state or hold; `graphs_compared` is whether both do;
    `images` says what both state of how images are prepared, and do not state alike, `classes` which
    classes the config.json beside each has at another output;
    `notes` say which part of a file was compared, where it holds more than the model; `left_out` are those of
    them that say what was not. `whole` is whether
    all that both hold was compared: not so where an ONNX file has branches, loops or functions, or where the
    graphs of two ONNX files are not compared, nor where a file has more than the tensors of its network.
    """

    first: str
    second: str
    model: str | None
    tensors: int
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    graphs: tuple[str, ...] = ()
    graphs_compared: bool = False
    notes: tuple[str, ...] = ()
    whole: bool = True
    images: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return self.equal

    @property
    def weights_equal(self) -> bool:
        """Whether every tensor is there in both with the same shape, dtype and bits."""
        return not self.differences

    @property
    def equal(self) -> bool:
        """Whether the weights are equal, and the graphs and what both files state of images and classes."""
        return self.weights_equal and not (self.graphs or self.images or self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return what `inspect A B --json` prints."""
        return {
            "schema_version": self.schema_version,
            "first": self.first,
            "second": self.second,
            "model": self.model,
            "equal": self.equal,
            "weights_equal": self.weights_equal,
            "graphs_equal": not self.graphs if self.graphs_compared else None,
            "graph_differences": list(self.graphs),
            "preprocessing_differences": list(self.images),
            "class_name_differences": list(self.classes),
            "tensors_compared": self.tensors,
            "differences": [difference.to_dict() for difference in self.differences],
            "not_compared": list(self.not_compared),
            "notes": list(self.notes),
            "whole": self.whole,
        }


def compare_files(
    first: Path, second: Path, selection: Selection = WHOLE_FILE, with_head: bool = True
) -> FilesComparison:
    """Compare two checkpoints tensor by tensor.

    Where both are of one model, that is by its canonical names, and PyTorch's counters of training
    batches are left out if only one file can have them; otherwise by the names in the files.

    Args:
        first: a file.
        second: another.
        selection: which tensors of the first are meant, where it holds more than one network.
        with_head: whether the last layers must be there; without them, they are left out.

    Raises:
        TriportError: one of them cannot be read.
    """
    return compared(side_by_side(first, second, selection, with_head))


def compared(sides: SideBySide) -> FilesComparison:
    """Compare two checkpoints that stand side by side, as `compare_files` does."""
    fits = sides.fits
    whole = all(map(_is_read_whole, (sides.left, sides.right)))
    notes = tuple(_notes(sides))
    left_out = tuple(not_compared(sides))
    if fits:
        graphs = _graphs((sides.left, fits[0]), (sides.right, fits[1]))
    else:
        graphs = _graphs_of_no_model(sides.left, sides.right) if whole else None
    if not (sides.mine or sides.theirs or graphs is not None):
        both = f"{sides.left.path} and {sides.right.path}"
        if whole:
            raise FilesComparisonError(f"{both}: neither has a tensor, so there is nothing to compare")
        raise FilesComparisonError(
            f"{both}: neither has a tensor outside of branches, loops and functions, which are not read. "
            "Compare what they compute: parity"
        )
    return FilesComparison(
        str(sides.left.path),
        str(sides.right.path),
        fits[0].spec.name if fits else None,
        len(sides.mine.keys() & sides.theirs.keys()),
        tuple(_differences(sides.mine, sides.theirs)),
        tuple(sorted(sides.not_compared)),
        tuple(graphs or ()),
        graphs is not None,
        (*notes, *left_out),
        whole
        and not left_out
        and not (graphs is None and sides.left.runtime == sides.right.runtime == "onnx"),
        tuple(stated_otherwise(sides.left, sides.right, fits)),
        tuple(_classes(sides)),
        left_out,
    )


def _classes(sides: SideBySide) -> Iterator[str]:
    """Yield the classes that the config.json beside each file has at another output; other words are none."""
    left, right = (labels_beside(one.path) for one in (sides.left, sides.right))
    for place, name in enumerate(left):
        if name in right and right.index(name) != place and left.index(name) == place:
            there = f"{right.index(name)} beside {sides.right.path}"
            yield f"{short(name)} is output {place} beside {sides.left.path}, {there}"


def _notes(sides: SideBySide) -> Iterator[str]:
    """Yield which part of each file was compared."""
    for one, fit in zip((sides.left, sides.right), sides.fits or (), strict=False):
        yield from (f"{one.path}: {note}" for note in fit.notes)


class SideBySide(NamedTuple):
    """Two checkpoints, and the tensors of each by the names that both are compared by.

    `fits` says how each meets the first model that both can be of, whose canonical names are then taken; it
    is None where there is none. `not_compared` are counters that only one of the files can have.
    """

    left: Checkpoint
    right: Checkpoint
    fits: tuple[Fit, Fit] | None
    mine: Mapping[str, Tensor]
    theirs: Mapping[str, Tensor]
    not_compared: tuple[str, ...] = ()


def side_by_side(
    first: Path, second: Path, selection: Selection = WHOLE_FILE, with_head: bool = True
) -> SideBySide:
    """Open two checkpoints, as `compare_files` takes them, and find the names that both have.

    Raises:
        TriportError: one of them cannot be read.
    """
    left, right = open_checkpoint(first, selection), open_checkpoint(second)
    fits = _common_model(left, right, with_head)
    if fits is None:
        return SideBySide(left, right, None, left.tensors, right.tensors)
    mine, theirs = (
        {ours: checkpoint.tensors[name] for ours, name in one.names.items()}
        for checkpoint, one in zip((left, right), fits, strict=True)
    )
    lone = [name for name in mine.keys() ^ theirs.keys() if name.rpartition(".")[2] == COUNTER_LEAF]
    mine, theirs = (
        {name: tensor for name, tensor in tensors.items() if name not in lone} for tensors in (mine, theirs)
    )
    return SideBySide(left, right, fits, mine, theirs, tuple(lone))


def _graphs(first: tuple[Checkpoint, Fit], second: tuple[Checkpoint, Fit]) -> list[str] | None:
    """Return where the graphs differ that two files state or hold; None where one of them does neither."""
    sides = [(flow_stated(checkpoint, one), str(checkpoint.path)) for checkpoint, one in (first, second)]
    (mine, _), (theirs, name) = sides
    if mine is None or theirs is None:
        return None
    found = differences(mine, theirs, Path(name).name)
    if mine.dtype and theirs.dtype and mine.dtype != theirs.dtype:
        found.insert(0, f"takes images of {mine.dtype}, {Path(name).name} of {theirs.dtype}")
    if found or _same_operators(first[0], second[0]):
        return found
    # steps that the model has not may mean something else in another version
    expected = stored_flow(first[1].spec.name)
    return found if expected is not None and not differences(mine, expected, "the model") else None


def _is_read_whole(checkpoint: Checkpoint) -> bool:
    if checkpoint.runtime != "onnx":
        return True
    from triport.converters.graphs.reader import is_read_whole

    return is_read_whole(checkpoint)


def _same_operators(first: Checkpoint, second: Checkpoint) -> bool:
    """Whether two files are not both ONNX, or are of one version of the operators."""
    if first.runtime != "onnx" or second.runtime != "onnx":
        return True
    from triport.converters.graphs.reader import opsets_of

    return opsets_of(first) == opsets_of(second)


def _graphs_of_no_model(first: Checkpoint, second: Checkpoint) -> list[str] | None:
    """Return where the graphs of two ONNX files differ; None where that cannot be told.

    An operator of one name, and what it does without an attribute, may be another one in another version:
    softmax changed its axis with opset 13.
    """
    if first.runtime != "onnx" or second.runtime != "onnx" or not _same_operators(first, second):
        return None
    # imports numpy, which files of weights do without
    from triport.converters.graphs.reader import flow_of_file

    mine, theirs = (
        flow_of_file(one, {name: name for name in one.tensors}, _SIZE_PX) for one in (first, second)
    )
    if mine is None or theirs is None:
        return None
    return differences_of_all_outputs(mine, theirs, Path(second.path).name)


def _common_model(left: Checkpoint, right: Checkpoint, with_head: bool) -> tuple[Fit, Fit] | None:
    """Return how both meet the first model that both can be of."""
    others = {one.spec.name: one for one in candidates(right, FLOATS, with_head)}
    for one in candidates(left, FLOATS, with_head):
        if one.spec.name in others and others[one.spec.name].num_classes == one.num_classes:
            return one, others[one.spec.name]
    return None


def _differences(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[Difference]:
    found = []
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        a, b = mine.get(name), theirs.get(name)
        if a is None or b is None:
            kind = "missing" if b is None else "extra"
            found.append(Difference(name, kind, _shown(a), _shown(b)))
        elif a.shape != b.shape:
            found.append(Difference(name, "shape", _shown(a), _shown(b)))
        elif a.dtype != b.dtype:
            found.append(Difference(name, "dtype", a.dtype, b.dtype, *_distance(a, b)))
        elif not same_payload(a, b):
            found.append(Difference(name, "value", _shown(a), _shown(b), *_distance(a, b)))
    return found


def _shown(tensor: Tensor | None) -> str | None:
    return f"{tensor.dtype}{list(tensor.shape)}" if tensor is not None else None


def _distance(a: Tensor, b: Tensor) -> tuple[float | None, int]:
    """Return the largest difference of two values, and how many differ, of tensors of one shape."""
    import numpy as np

    largest: float | None = 0.0
    count = 0
    for mine, theirs in _in_step(a, b):
        wide = np.complex128 if mine.dtype.kind == "c" or theirs.dtype.kind == "c" else np.float64
        x, y = mine.astype(wide), theirs.astype(wide)
        both_nan = np.isnan(x) & np.isnan(y)
        differ = (x != y) & ~both_nan
        count += int(np.count_nonzero(differ))
        with np.errstate(invalid="ignore"):
            distance = np.abs(x[differ] - y[differ])
        if largest is not None and distance.size:
            largest = max(largest, float(distance.max())) if np.isfinite(distance).all() else None
    return largest, count


def _in_step(a: Tensor, b: Tensor) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the values of two tensors of one size in pieces of one length."""
    import numpy as np

    left, right = np.empty(0), np.empty(0)
    for more_a, more_b in zip_longest(a.arrays(), b.arrays()):
        left = left if more_a is None else np.concatenate([left, more_a]) if left.size else more_a
        right = right if more_b is None else np.concatenate([right, more_b]) if right.size else more_b
        size = min(left.size, right.size)
        yield left[:size], right[:size]
        left, right = left[size:], right[size:]
    yield left, right
