"""A checkpoint beside a NAMES.toml: whose names it has, and so in which direction the map is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from triport.converters.formats import FLOATS, Checkpoint, Tensor, short
from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.kinds import COUNTER_LEAF
from triport.reference_models.spec import Runtime

from .pair_names import PairNames
from .record import NamedSide, NamesFile, shapes_digest, values_digest
from .step import StepError

SideName = Literal["a", "b"]

HALVES = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")  # rounded, so that no digest is the same
_MEAN_LEAF = "running_mean"


class NamesFitError(TriportError):
    """A checkpoint has the names of neither network of a pair, or of both, or not their shapes."""


@dataclass(frozen=True, slots=True)
class NamesFit:
    """A checkpoint's tensors as those of one network of a pair.

    Attributes:
        file: the map.
        side: whose names the checkpoint has.
        names: the map from there to the other network.
        counters: PyTorch's counts of training batches, and what the other network calls each; None where it
            has none.
        dropped: what the checkpoint holds beside the network's parameters, and why it is left out.
        notes: what a user of the map should know.
    """

    file: NamesFile
    side: SideName
    names: PairNames
    counters: Mapping[str, str | None]
    dropped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def source(self) -> NamedSide:
        """The network whose names the checkpoint has."""
        return self.file.a if self.side == "a" else self.file.b

    @property
    def target(self) -> NamedSide:
        """The other network."""
        return self.file.b if self.side == "a" else self.file.a


def fit_names(
    checkpoint: Checkpoint, file: NamesFile, to: Runtime | None = None, into: SideName | None = None
) -> NamesFit:
    """Return a checkpoint as that of one network of a pair.

    Args:
        checkpoint: the file.
        file: the map.
        to: the runtime that its tensors are wanted for; None for any.
        into: the network that they are wanted for; None where names say it.

    Raises:
        NamesFitError: its names or shapes are not those of one network.
    """
    _check_complete(checkpoint, file)
    sides = {side: _Laid(checkpoint, file, side) for side in ("a", "b")}
    exact: list[SideName] = [side for side, laid in sides.items() if not laid.problems]  # type: ignore[misc]
    if not exact:
        raise NamesFitError(_misfit(checkpoint, file, sides))
    side = _decided(checkpoint, file, exact, to, into)
    fit = sides[side].fit()
    if to is not None and fit.target.runtime != to:
        raise NamesFitError(
            f"{checkpoint.path}: has the names of {_called(file, side)}, so it becomes "
            f"{short(fit.target.net)}'s, which runs in {fit.target.runtime}, not in {to}: say --to "
            f"{fit.target.runtime}"
        )
    return fit


def _check_complete(checkpoint: Checkpoint, file: NamesFile) -> None:
    """Raise NamesFitError where parameters are in no row: they would be lost."""
    names = file.names
    if not names.complete:
        left = [
            *(f"a: {short(name)}" for name in names.left_a),
            *(f"b: {short(name)}" for name in names.left_b),
        ]
        raise NamesFitError(
            f"{checkpoint.path}: the map is not complete: "
            f"{counted(len(left), 'parameter is', 'parameters are')} in no row, so that nothing can be "
            f"converted by it\n{listed(left)}"
        )


class _Laid:
    """A checkpoint's names beside those of one network of a pair."""

    def __init__(self, checkpoint: Checkpoint, file: NamesFile, side: str) -> None:
        self.checkpoint, self.file, self.side = checkpoint, file, side
        names = file.names
        rows = [row.a if side == "a" else row.b for row in names.rows]
        self.expected = [name for row in rows for name in row]
        self.kept = dict(names.kept_a if side == "a" else names.kept_b)
        tensors, known = checkpoint.tensors, set(self.expected)
        self.counters = [
            name
            for name, tensor in tensors.items()
            if name not in known and name.endswith(f".{COUNTER_LEAF}") and _is_counter(tensor)
        ]
        beside = {*known, *self.kept, *self.counters}
        self.extra = [
            name for name, tensor in tensors.items() if name not in beside and not self._is_constant(tensor)
        ]
        self.missing = [name for name in self.expected if name not in tensors]
        self.problems = [
            *(f"{short(name)}: missing" for name in self.missing),
            *(
                f"{short(name)}: {tensors[name].shape} {tensors[name].dtype}, in no row"
                for name in self.extra
            ),
        ]

    def _is_constant(self, tensor: Tensor) -> bool:
        """Whether a tensor may be a constant of an ONNX graph, which is no parameter."""
        return self.checkpoint.runtime == "onnx" and (
            tensor.dtype in ("int64", "int32", "bool") or tensor.shape in ((), (1,))
        )

    @property
    def digest(self) -> str:
        """The digest of the shapes that the checkpoint has."""
        return shapes_digest({name: self.checkpoint.tensors[name].shape for name in self.expected})

    def fit(self) -> NamesFit:
        """Return the checkpoint as that of this network.

        Raises:
            NamesFitError: the steps cannot be undone, or its shapes are others.
        """
        forward = self.side == "a"
        try:
            names = self.file.names if forward else self.file.names.inverse
        except StepError as error:
            raise NamesFitError(
                f"{self.checkpoint.path}: has the names of {_called(self.file, self.side)}, and the map "
                f"leads there only: {error}"
            ) from None
        self._check_shapes(names)
        stated = self.file.a if forward else self.file.b
        self._check_kept(stated)
        notes = [*self._notes(names, stated)]
        target = self.file.b if forward else self.file.a
        counters = dict(self._renamed_counters(names, target))
        side: SideName = "a" if forward else "b"
        return NamesFit(self.file, side, names, counters, tuple(self._dropped(counters)), tuple(notes))

    def _check_shapes(self, names: PairNames) -> None:
        tensors = self.checkpoint.tensors
        problems = []
        for row in (row for row in names.rows if row.steps):
            dtypes = {tensors[name].dtype for name in row.a}
            try:
                row.shapes([tensors[name].shape for name in row.a])
            except StepError as error:
                problems.append(f"{short(row.a[0] if row.a else row.b[0])}: {error}")
            else:
                if len(dtypes) > 1:
                    problems.append(
                        f"{short(row.a[0])}: one tensor is made of {' and '.join(sorted(dtypes))}"
                    )
        if problems:
            raise NamesFitError(
                f"{self.checkpoint.path}: has the names of {_called(self.file, self.side)}, and tensors that "
                f"do not fit {len(problems)} of {len(names.rows)} rows\n{listed(problems)}"
            )

    def _check_kept(self, stated: NamedSide) -> None:
        """Raise NamesFitError where what the network makes itself has another value in the checkpoint.

        A whole number alone counts something, and may be any.
        """
        problems = [
            f"{short(name)}: {tensor.dtype}{list(tensor.shape)}"
            for name, tensor in self._kept_tensors()
            if _is_compared(tensor)
            and name in stated.kept_sha256
            and values_digest(tensor.numpy()) != stated.kept_sha256[name]
        ]
        if problems:
            other = self.file.b if self.side == "a" else self.file.a
            count = counted(len(problems), "buffer has", "buffers have")
            raise NamesFitError(
                f"{self.checkpoint.path}: {count} other values "
                f"than {short(stated.net)} is built with, and {short(other.net)} makes its own: it would "
                f"compute something else\n{listed(problems)}\n"
                f"Build {short(other.net)} with these values and make the map anew with `pair`; or take the "
                f"lines out of [{self.side}.kept_sha256] if they change no output"
            )

    def _kept_tensors(self) -> list[tuple[str, Tensor]]:
        return [(name, tensor) for name, tensor in self.checkpoint.tensors.items() if name in self.kept]

    def _notes(self, names: PairNames, stated: NamedSide) -> Iterator[str]:
        if stated.shapes_sha256 and stated.shapes_sha256 != self.digest:
            yield (
                "the tensors' shapes are not those of the networks of the map, which another number of "
                "classes would explain: nothing was shown of these"
            )
        unknown = [
            name
            for name, tensor in self._kept_tensors()
            if name not in stated.kept_sha256 or tensor.dtype in HALVES
        ]
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            yield (
                f"'{short(unknown[0])}'{more} of the file is left out, and the other network makes its own: "
                f"whether the values are the same was not compared"
            )
        if names.kept_b:
            listing = ", ".join(short(name, 60) for name, _ in names.kept_b[:3])
            yield (
                f"not written: {counted(len(names.kept_b), 'buffer')} that the network makes itself "
                f"({listing}{', ...' if len(names.kept_b) > 3 else ''}): they keep the value that it is "
                "built with"
            )

    def _renamed_counters(self, names: PairNames, target: NamedSide) -> Iterator[tuple[str, str | None]]:
        """Yield each counter and the other network's name for it: the one beside its running mean."""
        means = {row.a[0]: row.b[0] for row in names.rows if len(row.a) == len(row.b) == 1 and not row.steps}
        for name in self.counters:
            there = means.get(f"{name.removesuffix(COUNTER_LEAF)}{_MEAN_LEAF}", "")
            fits = target.runtime == "pytorch" and there.endswith(f".{_MEAN_LEAF}")
            yield name, f"{there.removesuffix(_MEAN_LEAF)}{COUNTER_LEAF}" if fits else None

    def _dropped(self, counters: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
        yield from ((item.name, item.reason) for item in self.checkpoint.dropped)
        known = {*self.expected, *self.kept, *self.counters}
        for name, there in counters.items():
            if there is None:
                yield name, "counts training batches; the target has no such buffer"
        for name, tensor in self.checkpoint.tensors.items():
            if name in self.kept:
                yield name, f"the other network makes its own: {self.kept[name]}"
            elif name not in known and self._is_constant(tensor):
                yield name, "a constant of the graph, not a parameter"


def _is_counter(tensor: Tensor) -> bool:
    return (tensor.dtype, tensor.shape) == ("int64", ())


def _is_compared(tensor: Tensor) -> bool:
    counts = not tensor.shape and tensor.dtype not in FLOATS
    return not counts and tensor.dtype not in HALVES


def _called(file: NamesFile, side: str) -> str:
    return f"{side}, {short((file.a if side == 'a' else file.b).net)}"


def _misfit(checkpoint: Checkpoint, file: NamesFile, sides: Mapping[str, _Laid]) -> str:
    """Return what a checkpoint has otherwise than the network whose names it has most of."""
    side, laid = min(sides.items(), key=lambda one: (len(one[1].problems), one[0]))
    total = len(laid.expected)
    return (
        f"{checkpoint.path}: has the names of neither network of the map. Nearest is {_called(file, side)}: "
        f"{total - len(laid.missing)} of {total} names are there, and {len(laid.extra)} others\n"
        f"{listed(laid.problems)}\n"
        f"Take weights of one of the two networks; --prefix and --rename say which part of a file is meant"
    )


def _decided(
    checkpoint: Checkpoint, file: NamesFile, exact: list[SideName], to: Runtime | None, into: SideName | None
) -> SideName:
    """Return whose names a checkpoint has, where names alone may say both."""
    other: dict[SideName, SideName] = {"a": "b", "b": "a"}
    if into is not None:
        if other[into] not in exact:
            raise NamesFitError(
                f"{checkpoint.path}: has the names of {_called(file, exact[0])}, which cannot become --into "
                f"{into}"
            )
        return other[into]
    if len(exact) == 1:
        return exact[0]
    runtime = {"a": file.a.runtime, "b": file.b.runtime}
    fitting = [side for side in exact if to is None or runtime[other[side]] == to] or exact
    if len(fitting) > 1:
        shapes = {"a": file.a.shapes_sha256, "b": file.b.shapes_sha256}
        fitting = [
            side for side in fitting if shapes[side] == _Laid(checkpoint, file, side).digest
        ] or fitting
    if len(fitting) > 1 and any(row.steps or row.a != row.b for row in file.names.rows):
        raise NamesFitError(
            f"{checkpoint.path}: has the names of both networks of the map, {short(file.a.net)} and "
            f"{short(file.b.net)}, and other tensors under them. Say --into b if it is a's, --into a if it "
            f"is b's"
        )
    return fitting[0]
