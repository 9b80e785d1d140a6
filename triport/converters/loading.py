"""Which tensor of a file each parameter of a user's own network gets: all of them, one to one, or an error.

The network is described by names, shapes and dtypes alone, so this needs no framework. Names are looked for
in three ways, the first that accounts for everything is taken: they are the file's own; they are those of
the file's model in another dialect; or they are the file's, with MindSpore's leaves (gamma) in the place of
PyTorch's (weight) or the reverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from triport.converters.cautions import contradicted, other_graphs, other_preprocessing
from triport.converters.convert import check_graph
from triport.converters.finite import count_not_finite
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
from triport.converters.graphs.verdict import graph_verdict
from triport.converters.identification.deciding import decided
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import candidates, identify
from triport.converters.names import COUNTER_LEAF, name_map
from triport.converters.provenance import FOLDED_KEY
from triport.converters.statements.preparation import preparation_of
from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.kinds import KINDS
from triport.reference_models.result import SCHEMA_VERSION
from triport.reference_models.spec import Dialect, Runtime

if TYPE_CHECKING:
    import numpy as np

_OWN_NAMES = "the file's own"
_OTHER_LEAVES = "the file's, with the leaves of the other framework (gamma and weight)"
_NO_COUNTER = "counts training batches; the network has no such buffer"
_KEPT_COUNTER = "counts training batches; the file has none, so it was left as it was"


class LoadError(TriportError):
    """A file does not fit a network, or cannot be loaded into it; the network is as it was."""


class Slot(NamedTuple):
    """A parameter or buffer of a network; `aliases` are further names of the very same one."""

    shape: tuple[int, ...]
    dtype: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loading:
    """What was loaded into a network, and from where.

    Attributes:
        path: the file.
        format: of the file.
        model: the model that the file is of; None where none is known, or several are.
        named_by: how the network's names were found in the file.
        names: the network's names, and the file's that each was filled with.
        dropped: what the file holds besides, and why it is not used.
        left: what the network holds besides, and why it was left as it was.
        warnings: what whoever uses the network should know.
    """

    path: str
    format: str
    model: str | None
    named_by: str
    names: Mapping[str, str]
    dropped: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """A file that does not fit is an error, and loads nothing."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "schema_version": self.schema_version,
            "source": self.path,
            "format": self.format,
            "model": self.model,
            "named_by": self.named_by,
            "tensors_loaded": len(self.names),
            "names": dict(self.names),
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "left": [{"name": name, "reason": reason} for name, reason in self.left],
            "warnings": list(self.warnings),
        }


class WantedSlots(NamedTuple):
    """What is asked of a file: the network's slots by name, and what the file must be."""

    runtime: Runtime
    slots: Mapping[str, Slot]
    model: str | None = None
    selection: Selection = WHOLE_FILE


class _Way(NamedTuple):
    """One way to name the network's slots by the file's tensors."""

    named_by: str
    names: Mapping[str, str]
    fit: Fit | None = None
    dialect: Dialect | None = None


class Target(Protocol):
    """A parameter or buffer of a network, in its framework."""

    def read(self) -> np.ndarray:
        """Return a copy of the values, as bits that NumPy knows."""

    def write(self, array: np.ndarray) -> None:
        """Set the values, of the very shape and dtype."""


def load(path: Path, wanted: WantedSlots, targets: Mapping[str, Target]) -> Loading:
    """Load a file into a network, whole or not at all.

    Args:
        path: a checkpoint of any format.
        wanted: the network's slots.
        targets: each slot in its framework.

    Raises:
        LoadError: the file does not have just the network's tensors, or they are of other shapes or
            dtypes, or hold NaN or Inf; every problem is listed, and the network is as it was.
        TriportError: the file cannot be read, or is of another model than was said.
    """
    checkpoint = open_checkpoint(path, wanted.selection)
    if FOLDED_KEY in checkpoint.metadata:
        raise LoadError(
            f"{path}: {checkpoint.metadata[FOLDED_KEY]} is folded into the convolutions of this file, so its "
            f"weights cannot be taken out again. Load the file that was written without --optimize"
        )
    fits = _fits(checkpoint, wanted.model)
    way = _way(checkpoint, wanted, fits)
    _check(checkpoint, wanted, way)
    loading = _loading(checkpoint, wanted, way, fits)
    # all is read before anything is written: a file may turn out damaged at its end
    arrays = {name: checkpoint.tensors[theirs].numpy() for name, theirs in loading.names.items()}
    before: dict[str, np.ndarray] = {}
    try:
        for name, array in arrays.items():
            before[name] = targets[name].read()
            targets[name].write(array)
            if targets[name].read().tobytes() != array.tobytes():
                raise LoadError(f"{path}: {name} does not read back from the network as it was written")
    except Exception:
        for name, array in before.items():
            targets[name].write(array)
        raise
    return loading


def _fits(checkpoint: Checkpoint, model: str | None) -> list[Fit]:
    """Return how the file meets the model that was said, or those that it can be of, the likeliest first."""
    if model is not None:
        return [identify(checkpoint, model, FLOATS)]
    return candidates(checkpoint, FLOATS)


def _way(checkpoint: Checkpoint, wanted: WantedSlots, fits: list[Fit]) -> _Way:
    """Return the one way in which the network's names are found in the file.

    Raises:
        LoadError: there is none, or two that pair the tensors otherwise.
    """
    ways = [way for way in _ways(checkpoint, wanted, fits) if _is_complete(checkpoint, wanted, way)]
    if not ways:
        raise LoadError(_misfit(checkpoint, wanted, fits))
    first = ways[0]
    others = [way for way in ways if way.names != first.names]
    if others:
        name = next(one for one in first.names if others[0].names.get(one) != first.names[one])
        raise LoadError(
            f"{checkpoint.path}: fits the network in two ways: {name} is "
            f"{first.names[name]} by {first.named_by}, and {others[0].names[name]} by {others[0].named_by}. "
            f"Say which model the file is of (model=...)"
        )
    return first


def _ways(checkpoint: Checkpoint, wanted: WantedSlots, fits: list[Fit]) -> Iterator[_Way]:
    """Yield the ways to try, those by which a model is known first."""
    for fit in fits:
        own = wanted.runtime == "mindspore"
        for dialect in sorted(fit.spec.dialects, key=lambda one: (one.runtime == "mindspore") != own):
            theirs = name_map(fit.spec, dialect)
            names = {theirs[ours]: in_file for ours, in_file in fit.names.items() if ours in theirs}
            yield _Way(f"{dialect.name}'s names of {fit.spec.name}", names, fit, dialect)
    yield _Way(_OWN_NAMES, {name: name for name in checkpoint.tensors})
    yield _Way(_OTHER_LEAVES, _with_other_leaves(checkpoint, wanted.runtime))


def _with_other_leaves(checkpoint: Checkpoint, runtime: Runtime) -> dict[str, str]:
    """Return the file's names with the leaves of `runtime`, where its layers have those of the other one.

    A layer is a norm where it has all of a norm's leaves: weight and bias alone are a convolution's too.
    """
    ours = {leaf.name: leaf.in_mindspore for leaf in KINDS["norm"].values}
    here = {theirs: mine for mine, theirs in ours.items()} if runtime == "pytorch" else dict(ours)
    layers: dict[str, set[str]] = {}
    for name in checkpoint.tensors:
        layer, _, leaf = name.rpartition(".")
        layers.setdefault(layer, set()).add(leaf)
    names = {}
    for name in checkpoint.tensors:
        layer, _, leaf = name.rpartition(".")
        is_norm = layers[layer] - {COUNTER_LEAF} == set(here)
        names[f"{layer}.{here[leaf]}" if is_norm and leaf in here else name] = name
    return names


def _is_complete(checkpoint: Checkpoint, wanted: WantedSlots, way: _Way) -> bool:
    """Return whether a way names every slot, and every tensor but counters has one."""
    missing, extra = _unaccounted(wanted, way)
    if missing or extra:
        return False
    return all(
        checkpoint.tensors[theirs].shape == wanted.slots[name].shape
        for name, theirs in way.names.items()
        if name in wanted.slots
    )


def _unaccounted(wanted: WantedSlots, way: _Way) -> tuple[list[str], list[str]]:
    """Return the network's names that a way leaves out, and the way's that the network does not have."""
    known = set(way.names)
    missing = [
        name
        for name, slot in wanted.slots.items()
        if name not in known and not known.intersection(slot.aliases) and not name.endswith(COUNTER_LEAF)
    ]
    extra = [name for name in way.names if name not in wanted.slots and not name.endswith(COUNTER_LEAF)]
    return missing, extra


def _misfit(checkpoint: Checkpoint, wanted: WantedSlots, fits: list[Fit]) -> str:
    """Return in words how far the file is from the network, by the way that comes closest."""
    closest = min(_ways(checkpoint, wanted, fits), key=lambda way: sum(map(len, _unaccounted(wanted, way))))
    missing, extra = _unaccounted(wanted, closest)
    problems = [f"{name}: {_sizes(wanted.slots[name])} in the network, not in the file" for name in missing]
    in_file = {name: checkpoint.tensors[theirs] for name, theirs in closest.names.items()}
    problems += [
        f"{short(closest.names[name])}: {_sizes(in_file[name])} in the file, not in the network"
        for name in extra
    ]
    problems += [
        f"{name}: {_sizes(slot)} in the network, {_sizes(in_file[name])} in the file"
        for name, slot in wanted.slots.items()
        if name in in_file and in_file[name].shape != slot.shape
    ]
    of = f", a checkpoint of {fits[0].spec.name}," if fits else ""
    return (
        f"{checkpoint.path}{of} does not fit the network: of its {counted(len(wanted.slots), 'parameter')} "
        f"and buffers and the file's {counted(len(checkpoint.tensors), 'tensor')} {len(problems)} differ, "
        f"by {closest.named_by}\n"
        f"{listed(problems)}\n"
        "Nothing was loaded. Make the network as the file's was made (classes, variant), or say which "
        "tensors are meant with key, prefix and renames"
    )


def _sizes(one: Slot | Tensor) -> str:
    return f"{one.dtype}{list(one.shape)}"


def _check(checkpoint: Checkpoint, wanted: WantedSlots, way: _Way) -> None:
    """Raise LoadError where a tensor that fits cannot be loaded bit by bit, or should not be."""
    if way.fit is not None and wanted.model is not None:
        check_graph(checkpoint, way.fit)
    problems = []
    for name, theirs in way.names.items():
        slot, tensor = wanted.slots.get(name), checkpoint.tensors[theirs]
        if slot is None:
            continue
        twins = [one for one in slot.aliases if one in way.names and one > name]
        if tensor.dtype != slot.dtype:
            problems.append(
                f"{name}: {slot.dtype} in the network, {tensor.dtype} in the file; `convert --dtype "
                f"{slot.dtype}` converts the values and says how far they are rounded"
            )
        elif tensor.dtype in FLOATS and (bad := count_not_finite(tensor)):
            problems.append(f"{name}: NaN or Inf in {bad} of {tensor.count} values")
        problems += [
            f"{name}: is one with {twin} in the network, and has other values in the file"
            for twin in twins
            if not same_payload(tensor, checkpoint.tensors[way.names[twin]])
        ]
    if problems:
        raise LoadError(
            f"{checkpoint.path}: {counted(len(problems), 'tensor cannot', 'tensors cannot')} be "
            f"loaded\n{listed(problems)}\n"
            "Nothing was loaded"
        )


def _loading(checkpoint: Checkpoint, wanted: WantedSlots, way: _Way, fits: list[Fit]) -> Loading:
    """Return the record of what a way loads."""
    loaded = {name: theirs for name, theirs in way.names.items() if name in wanted.slots}
    dropped = dict(way.fit.dropped if way.fit else ((item.name, item.reason) for item in checkpoint.dropped))
    used = {*loaded.values(), *dropped}
    dropped |= {name: _NO_COUNTER for name in checkpoint.tensors if name not in used}
    left = [
        (name, _KEPT_COUNTER)
        for name, slot in wanted.slots.items()
        if name not in loaded and not set(loaded).intersection(slot.aliases)
    ]
    model, warnings = _of_model(checkpoint, wanted, way, fits)
    return Loading(
        path=checkpoint.path,
        format=checkpoint.format,
        model=model,
        named_by=way.named_by,
        names=loaded,
        dropped=tuple(dropped.items()),
        left=tuple(left),
        warnings=(*checkpoint.notes, *warnings),
    )


def _of_model(
    checkpoint: Checkpoint, wanted: WantedSlots, way: _Way, fits: list[Fit]
) -> tuple[str | None, list[str]]:
    """Return the model that the file is of, and what its user must know; the network's graph is not known."""
    fit = way.fit
    if fit is None or way.dialect is None:
        return None, []
    warnings = list(fit.notes)
    said = wanted.model is not None
    if not said:
        found = decided(checkpoint, fits)
        if isinstance(found, str):
            names = " and ".join(one.spec.name for one in fits)
            contradictions = [str(one) for one in fit.contradictions]
            several = [f"the weights fit {names}, and nothing says which graph they were trained in"]
            return None, [*warnings, *(contradictions or several)]
        fit = found
        verdict = graph_verdict(checkpoint, fit.spec, fit.names)
        if verdict is not None and verdict.differences:
            warnings.append(
                f"the file's graph is not that of {fit.spec.name}, in "
                f"{counted(len(verdict.differences), 'place')}, {verdict.differences[0]} the first: make "
                "sure that your network computes what the file does"
            )
    prepared = preparation_of(checkpoint, fit.spec, fit.dialect.name, wanted.model)
    if said:
        warnings += contradicted(fit)
    warnings += other_graphs(fit, way.dialect, wanted.runtime, said)
    warnings += other_preprocessing(fit, way.dialect, prepared)
    warnings += (f"assumed: {one}" for one in fit.assumed)
    return fit.spec.name, warnings
