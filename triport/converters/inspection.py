"""What a checkpoint file is: format, names, model, classes, and what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from triport.converters.cautions import assumptions
from triport.converters.convert import ConvertError, check_finite
from triport.converters.formats import (
    FLOATS,
    NO_CHECKSUM,
    WHOLE_FILE,
    Checkpoint,
    Selection,
    file_sha256,
    open_checkpoint,
    short,
)
from triport.converters.graphs.verdict import GraphVerdict, graph_verdict
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import IdentifyError, candidates, identify
from triport.converters.naming.fitting import NamesFit, NamesFitError, fit_names
from triport.converters.naming.reading import read_names
from triport.converters.provenance import FOLDED_KEY, VERSION_KEY, ProvenanceError
from triport.converters.statements import Judgement
from triport.converters.statements.preparation import Preparation, preparation_of
from triport.converters.statistics import TensorStatistics, statistics_of, untouched_norms
from triport.reference_models.errors import counted, listed
from triport.reference_models.kinds import COUNTER_LEAF, STATISTICS
from triport.reference_models.result import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Inspection:
    """A checkpoint and what was found out about it.

    Attributes:
        checkpoint: the file.
        fits: every model that it could be of.
        sha256: of the whole file.
        problems: what is wrong with it.
        untouched_norms: BatchNorm layers that no training has touched.
        statistics: by tensor, where they were asked for; None for complex values.
        graph: what became of comparing its graph with the model's; None where it has none, or no model.
        prepared: how images are prepared for it, and how that is known.
        assumed: what nothing in the file says.
        pair: the file as one network's of a NAMES.toml; None where none was given, or it is of neither.
    """

    checkpoint: Checkpoint
    fits: tuple[Fit, ...]
    sha256: str
    problems: tuple[str, ...]
    untouched_norms: tuple[str, ...]
    statistics: Mapping[str, TensorStatistics | None] | None
    graph: GraphVerdict | None = None
    prepared: Preparation | None = None
    assumed: tuple[str, ...] = ()
    pair: NamesFit | None = None
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it; the command's exit code says so with --strict."""
        return not self.problems

    @property
    def statements(self) -> tuple[Judgement, ...]:
        """What the file says of itself, held against the likeliest model."""
        return self.fits[0].judgements if self.fits else ()

    @property
    def dropped(self) -> tuple[tuple[str, str], ...]:
        """What the file holds beside the model's tensors, and why it is left out."""
        if self.fits:
            return self.fits[0].dropped
        if self.pair is not None:
            return self.pair.dropped
        return tuple((item.name, item.reason) for item in self.checkpoint.dropped)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading the file."""
        of_pair = self.pair.notes if self.pair is not None else ()
        of_graph = self.graph.notes if self.graph is not None else ()
        return (*self.checkpoint.notes, *(self.fits[0].notes if self.fits else ()), *of_pair, *of_graph)

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors there are of each dtype."""
        return dict(Counter(tensor.dtype for tensor in self.checkpoint.tensors.values()))

    @property
    def producer(self) -> str | None:
        """What wrote the file, as far as it says."""
        version = self.checkpoint.metadata.get(VERSION_KEY)
        return f"triport {version}" if version else self.checkpoint.producer

    @property
    def num_parameters(self) -> int:
        """Trainable values: BatchNorm statistics and counters are not among them."""
        return sum(
            math.prod(tensor.shape)
            for name, tensor in self.checkpoint.tensors.items()
            if name.rsplit(".", 1)[-1] not in STATISTICS
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `inspect --json` prints."""
        checkpoint = self.checkpoint
        first = self.fits[0] if self.fits else None
        return {
            "schema_version": self.schema_version,
            "file": str(checkpoint.path),
            "format": checkpoint.format,
            "runtime": checkpoint.runtime,
            "dialect": first.dialect.name if first else None,
            "model": first.spec.name if first else None,
            "models": [one.spec.name for one in self.fits],
            "num_classes": first.num_classes if first else None,
            "num_parameters": self.num_parameters,
            "tensors": [
                {
                    "name": name,
                    "shape": list(tensor.shape),
                    "dtype": tensor.dtype,
                    **self._statistics_entry(name),
                }
                for name, tensor in checkpoint.tensors.items()
            ],
            "dtypes": self.dtypes,
            "producer": self.producer,
            "integrity": checkpoint.integrity,
            "untouched_norms": list(self.untouched_norms),
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "notes": list(self.notes),
            "metadata": dict(checkpoint.metadata),
            "statements": [
                {
                    "where": one.statement.where,
                    "says": one.statement.value,
                    "verdict": one.holds.value,
                    "why": one.why or None,
                }
                for one in self.statements
            ],
            "names": None
            if self.pair is None
            else {**self.pair.file.to_dict(), "from": self.pair.side, "net": self.pair.source.net},
            "graph": self._graph_entry(),
            "preprocessing_known": str(self.prepared) if self.prepared else None,
            "assumed": list(self.assumed),
            "sha256": self.sha256,
            "problems": list(self.problems),
        }

    def _graph_entry(self) -> dict[str, Any] | None:
        if self.graph is None:
            return None
        compared = self.graph.not_compared is None
        return {
            "compared_with": self.fits[0].spec.name,
            "equal": self.graph.equal if compared else None,
            "differences": list(self.graph.differences),
            "not_compared": self.graph.not_compared,
        }

    def _statistics_entry(self, name: str) -> dict[str, Any]:
        if self.statistics is None:
            return {}
        found = self.statistics[name]
        return {"statistics": found.to_dict() if found else None}


def inspect_file(
    path: Path,
    stats: bool = False,
    selection: Selection = WHOLE_FILE,
    with_head: bool = True,
    names: Path | None = None,
) -> Inspection:
    """Open a checkpoint of any format, find its model and look for faults.

    Args:
        path: the file.
        stats: whether to compute every tensor's statistics too.
        selection: which tensors are meant, where the file holds more than one network.
        with_head: whether the last layer must be there; without it, it is left out.
        names: a NAMES.toml of a pair, one of whose networks the file is of, instead of a model that is known.

    Raises:
        TriportError: there is no such file, or it cannot be read as any format.
    """
    if names is not None:
        return _inspected_by_names(path, stats, selection, names)
    checkpoint = open_checkpoint(path, selection)
    fits, problems = _fits(checkpoint, with_head)
    graph, prepared = None, None
    assumed: tuple[str, ...] = ()
    if fits:
        graph, more = _judged(checkpoint, fits[0])
        problems += more
        try:
            prepared = preparation_of(checkpoint, fits[0].spec, fits[0].dialect.name)
            assumed = _assumed(checkpoint, prepared)
        except ProvenanceError as error:
            problems.append(str(error))
        try:
            check_finite(checkpoint, fits[0])
        except ConvertError as error:
            problems.append(str(error))
    if not fits and checkpoint.format == "ckpt" and checkpoint.integrity == NO_CHECKSUM:
        problems.append(
            "a .ckpt has neither a count nor an end mark, this one has no CRC, and no model is known to "
            "compare it with: nothing can prove that it is complete (cut where a tensor ends, it would look "
            "the same)"
        )
    checkpoint = _without_dropped(checkpoint, fits)
    untouched, layers = untouched_norms(checkpoint.tensors)
    statistics = {name: statistics_of(t) for name, t in checkpoint.tensors.items()} if stats else None
    problems += _untrained(untouched, layers, checkpoint, statistics)
    return Inspection(
        checkpoint,
        tuple(fits),
        file_sha256(checkpoint.path),
        tuple(problems),
        tuple(untouched),
        statistics,
        graph,
        prepared,
        assumed,
    )


def _inspected_by_names(path: Path, stats: bool, selection: Selection, names: Path) -> Inspection:
    """Inspect a checkpoint as one of a network of a pair; no model is looked for."""
    from triport.converters.naming.convert import check_finite as check_finite_of

    file = read_names(names)
    checkpoint = open_checkpoint(path, selection)
    pair, problems = None, []
    try:
        pair = fit_names(checkpoint, file)
        check_finite_of(checkpoint, pair)
    except (NamesFitError, ConvertError) as error:
        problems.append(str(error))
    if not file.is_proven:
        problems.append(f"the map {names} is {file.standing}")
    untouched, layers = untouched_norms(checkpoint.tensors)
    statistics = {name: statistics_of(t) for name, t in checkpoint.tensors.items()} if stats else None
    problems += _untrained(untouched, layers, checkpoint, statistics)
    sha256 = file_sha256(checkpoint.path)
    return Inspection(checkpoint, (), sha256, tuple(problems), tuple(untouched), statistics, pair=pair)


def _fits(checkpoint: Checkpoint, with_head: bool) -> tuple[list[Fit], list[str]]:
    """Return every model that a file could be of, the likeliest first, and what speaks against any."""
    if FOLDED_KEY in checkpoint.metadata:
        folded = checkpoint.metadata[FOLDED_KEY]
        return [], [f"{folded} is folded: the weights cannot be taken out again"]
    fits = candidates(checkpoint, FLOATS, with_head)
    if not fits:
        try:
            identify(checkpoint, None, FLOATS, with_head)
        except IdentifyError as error:
            from triport.converters.identification.misfit import notes_below

            # they stand among the notes
            return [], [str(error).removesuffix(notes_below(checkpoint))]
    elif fits[0].names and not candidates(checkpoint, with_head=with_head):
        return fits, [
            f"the parameters are {', '.join(sorted(_parameter_dtypes(checkpoint, fits[0])))}: "
            f"`convert --dtype float32` converts the values; other commands take float32 only"
        ]
    return fits, []


def _judged(checkpoint: Checkpoint, one: Fit) -> tuple[GraphVerdict | None, list[str]]:
    """Return what became of comparing a file's graph with its model's, and what the file says wrongly."""
    problems = [str(statement) for statement in one.contradictions]
    graph = graph_verdict(checkpoint, one.spec, one.names)
    if graph is not None and graph.differences:
        problems.append(
            f"the graph is not {one.spec.name}'s, in {counted(len(graph.differences), 'place')}\n"
            f"{listed(graph.differences)}"
        )
    return graph, problems


def _assumed(checkpoint: Checkpoint, prepared: Preparation) -> tuple[str, ...]:
    """Return what a conversion of the file would have to take for granted."""
    try:
        return assumptions(identify(checkpoint, dtypes=FLOATS), prepared)
    except IdentifyError:  # said among the problems, or asked for with --model
        return ()


def _without_dropped(checkpoint: Checkpoint, fits: list[Fit]) -> Checkpoint:
    """Return the checkpoint without what the model does not use; a graph's constants stay."""
    if not fits or checkpoint.runtime == "onnx":
        return checkpoint
    dropped = {name for name, _ in fits[0].dropped}
    return replace(
        checkpoint, tensors={name: t for name, t in checkpoint.tensors.items() if name not in dropped}
    )


def _parameter_dtypes(checkpoint: Checkpoint, found: Fit) -> set[str]:
    return {
        checkpoint.tensors[theirs].dtype
        for ours, theirs in found.names.items()
        if not ours.endswith(COUNTER_LEAF)
    }


def _untrained(
    untouched: list[str],
    layers: int,
    checkpoint: Checkpoint,
    statistics: Mapping[str, TensorStatistics | None] | None,
) -> list[str]:
    """Return what makes the weights look as if no training had made them."""
    problems = []
    if untouched:
        problems.append(
            f"the weights look untrained: {len(untouched)} of {layers} BatchNorm layers are as they are made "
            f"(gamma 1, beta 0, mean 0, variance 1), {short(untouched[0])} the first"
        )
    flat = [
        name
        for name, found in (statistics or {}).items()
        if found
        and found.constant
        and len(checkpoint.tensors[name].shape) > 1
        and checkpoint.tensors[name].count > 1
    ]
    if flat:
        problems.append(
            f"the weights look untrained: {counted(len(flat), 'weight tensor has', 'weight tensors have')} "
            f"one value throughout, {short(flat[0])} the first"
        )
    return problems
