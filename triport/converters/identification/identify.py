"""Which model, whose names, how many classes: read off a checkpoint's names and shapes, exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from triport.converters.formats import Checkpoint, Tensor, same_payload, short
from triport.converters.names import COUNTER_LEAF, canonical_shapes, head_weight, name_map
from triport.converters.provenance import FOLDED_KEY
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Dialect, ModelSpec, all_models, get_model

from .deciding import by_likelihood, decided, judged
from .fit import Fit
from .name_index import find_models
from .published_weights import named_as
from .sides import FitSides

if TYPE_CHECKING:
    from .subtrees import CheckpointPart

PARAMETER_DTYPES = ("float32",)
GRAPH_CONSTANT = "a constant of the graph, not a parameter"
ANOTHER_NAME = "another name of"
OUTSIDE = "outside of the backbone, left out as --no-head says"
_MOST_PARTS = 6  # that are tried for an error's text
_NEAR_BEST = 0.9  # of the best share of names: shapes decide among these


class IdentifyError(TriportError):
    """A checkpoint is of no known model, of another one than said, or could be of several."""


def fit(
    checkpoint: Checkpoint,
    spec: ModelSpec,
    dialect: Dialect,
    dtypes: Collection[str] = PARAMETER_DTYPES,
    with_head: bool = True,
) -> Fit:
    """Lay a checkpoint's tensors beside a model's names in one dialect; parameters may have these dtypes."""
    tensors = checkpoint.tensors
    names = name_map(spec, dialect)
    head = names[head_weight(spec)].removesuffix("weight")
    first = tensors.get(f"{head}weight")
    num_classes = first.shape[0] if first is not None and first.shape else spec.num_classes
    expected = canonical_shapes(spec, num_classes)
    if not with_head:
        names = {ours: theirs for ours, theirs in names.items() if not theirs.startswith(head)}
    sides = FitSides()
    sides.lay(tensors, names, expected, dtypes)
    total = sum(not name.endswith(COUNTER_LEAF) for name in names)
    matched = total - len(sides.problems)
    extra, dropped = [], [(item.name, item.reason) for item in checkpoint.dropped]
    dropped += sides.dropped
    problems = sides.problems
    for name, reason in _beside(checkpoint, names, None if with_head else head):
        if reason:
            dropped.append((name, reason))
        else:
            tensor = tensors[name]
            problems.append(f"{short(name)}: {tensor.shape} {tensor.dtype}, which {spec.name} does not have")
            extra.append(name)
    return Fit(
        spec=spec,
        dialect=dialect,
        num_classes=num_classes if with_head else 0,
        names=sides.found,
        dropped=tuple(dropped),
        problems=tuple(problems),
        other_floats=tuple(sides.other_floats),
        matched=matched,
        total=total,
        missing=tuple(sides.missing),
        extra=tuple(extra),
        headless=not with_head,
        notes=tuple(_notes(checkpoint, dialect)),
    )


def _beside(
    checkpoint: Checkpoint, names: Mapping[str, str], head: str | None
) -> Iterator[tuple[str, str | None]]:
    """Yield what is not among a model's names, and why it may be left out; None where it may not.

    Args:
        checkpoint: the file.
        names: canonical names -> the dialect's.
        head: what the names of the head's parameters start with, where the head is to be left out.
    """
    known = set(names.values())
    modules = {name.partition(".")[0] for name in known}
    copies = checkpoint.copies
    taken = {copies.get(name, name): name for name in known} if copies else {}
    for name, tensor in checkpoint.tensors.items():
        if name in known:
            continue
        if checkpoint.runtime == "onnx" and _is_graph_constant(tensor):
            yield name, GRAPH_CONSTANT
        elif (same := taken.get(copies.get(name, name))) is not None and same in checkpoint.tensors:
            yield name, f"{ANOTHER_NAME} '{short(same)}' (an Identity node)"
        elif head is not None and name.startswith(head):
            yield name, "the head, left out as --no-head says"
        elif head is not None and name.partition(".")[0] not in modules:
            yield name, OUTSIDE
        else:
            yield name, None


def _notes(checkpoint: Checkpoint, dialect: Dialect) -> Iterator[str]:
    if checkpoint.runtime not in ("onnx", dialect.runtime):
        whose = {"mindspore": "MindSpore", "pytorch": "PyTorch"}
        yield (
            f"the parameters have {whose[dialect.runtime]} names ({dialect.name}'s), though it is a "
            f"{whose[checkpoint.runtime]} file"
        )


def _is_graph_constant(tensor: Tensor) -> bool:
    return tensor.dtype in ("int64", "int32", "bool") or tensor.shape in ((), (1,))


def dialects_for(spec: ModelSpec, runtime: str) -> list[Dialect]:
    """Return the dialects that a file of `runtime` may be in, the likeliest first.

    An ONNX file may be in any, PyTorch's first; so may others after those of their own runtime: a network of
    `mindspore.mint.nn` has PyTorch's names.
    """
    first = "pytorch" if runtime == "onnx" else runtime
    return sorted(spec.dialects, key=lambda dialect: dialect.runtime != first)


def _fits(
    checkpoint: Checkpoint,
    specs: Iterable[ModelSpec],
    dtypes: Collection[str] = PARAMETER_DTYPES,
    with_head: bool = True,
) -> list[Fit]:
    """Return each model's best fit, exact ones where there are any."""
    found = []
    for spec in specs:
        tried = []
        for dialect in dialects_for(spec, checkpoint.runtime):
            tried.append(fit(checkpoint, spec, dialect, dtypes, with_head))
            if tried[-1].exact:
                break
        if tried:
            found.append(max(tried, key=lambda one: (one.exact, one.matched)))
    exact = [one for one in found if one.exact]
    return exact or found


def candidates(
    checkpoint: Checkpoint, dtypes: Collection[str] = PARAMETER_DTYPES, with_head: bool = True
) -> list[Fit]:
    """Return every exact fit among all models, the most likely first; parameters may have these dtypes.

    Where models share names and shapes, what the file says of itself comes first, then the graph that it
    holds, then whose publisher wrote these names. There is none where several parts of the file fit and hold
    other values: `identify` says which.
    """
    places = _places(checkpoint, None, dtypes, with_head)
    return by_likelihood(checkpoint, places[0]) if len(places) == 1 else []


def is_foreign_graph(checkpoint: Checkpoint) -> bool:
    """Return whether a file is an ONNX file that fits no model."""
    return checkpoint.runtime == "onnx" and not candidates(checkpoint)


def _plausible(checkpoint: Checkpoint, with_head: bool = True) -> list[ModelSpec]:
    """Return the models of these names, or those with as many parameters as the file has tensors."""
    if not with_head:
        return [spec for spec in all_models().values() if _has_first_layer(checkpoint, spec)]
    known = find_models(
        (name, tensor.shape)
        for name, tensor in checkpoint.tensors.items()
        if not name.endswith(COUNTER_LEAF)
        and not (checkpoint.runtime == "onnx" and _is_graph_constant(tensor))
    )
    if known is not None:
        return known
    count = sum(not name.endswith(COUNTER_LEAF) for name in checkpoint.tensors)
    specs = all_models().values()
    if checkpoint.runtime == "onnx":
        return [spec for spec in specs if len(canonical_shapes(spec)) <= count]
    return [spec for spec in specs if len(canonical_shapes(spec)) == count]


def _has_first_layer(checkpoint: Checkpoint, spec: ModelSpec) -> bool:
    canonical = next(iter(canonical_shapes(spec)))
    names = {name_map(spec, dialect)[canonical] for dialect in spec.dialects}
    return any(name in checkpoint.tensors for name in names)


def _places(
    checkpoint: Checkpoint, model: ModelSpec | None, dtypes: Collection[str], with_head: bool
) -> list[list[Fit]]:
    """Return the exact fits of the whole file, or else those of each part of it that fits.

    Parts that hold the same values are one. With `model`, only that one is tried.
    """

    def exact(one: Checkpoint, specs: list[ModelSpec]) -> list[Fit]:
        asked = specs if model is None else [model]
        return [found for found in _fits(one, asked, dtypes, with_head) if found.exact]

    whole = exact(checkpoint, _plausible(checkpoint, with_head) if model is None else [model])
    if not whole and checkpoint.runtime == "onnx":
        from triport.converters.graphs.reader import without_unread  # imports numpy

        read = without_unread(checkpoint)
        if len(read.tensors) < len(checkpoint.tensors):
            return _places(read, model, dtypes, with_head)
    if whole and (with_head or not any(OUTSIDE in reason for _, reason in whole[0].dropped)):
        return [whole]
    from .subtrees import known_parts, largest_parts, rest_of

    places: list[tuple[CheckpointPart, list[Fit]]] = []
    found = known_parts(checkpoint) if with_head else ((p, None) for p in largest_parts(checkpoint, 64))
    for part, specs in found:
        if model is not None and specs is not None and model not in specs:
            continue
        fits = exact(part.checkpoint, _plausible(part.checkpoint, with_head) if specs is None else specs)
        if fits:
            places.append((part, [_in_file(one, part) for one in fits]))
    if not whole and places and all(part.prefix for part, _ in places):
        # the trained network may have its names at the outermost level, beside copies that have a prefix
        rest = rest_of([part for part, _ in places], checkpoint)
        fits = exact(rest.checkpoint, _plausible(rest.checkpoint, with_head))
        if fits:
            places.append((rest, [_in_file(one, rest) for one in fits]))
    distinct = [whole] if whole else []
    for _, fits in places:
        if not any(_same_values(checkpoint, fits[0], other[0]) for other in distinct):
            distinct.append(fits)
    return distinct


def _in_file(one: Fit, part: CheckpointPart) -> Fit:
    """Return a part's fit with the names that the file has."""
    names = {ours: part.names[theirs] for ours, theirs in one.names.items()}
    already = len(part.checkpoint.dropped)
    dropped = [(part.names.get(name, name), reason) for name, reason in one.dropped[already:]]
    notes = one.notes
    if part.prefix:
        prefixes = " and ".join(f"'{short(prefix)}.'" for prefix in part.prefix.split(", "))
        notes = (*notes, f"the network's names are those after {prefixes}{_beside_it(part)}")
    elif wrapped := sum(name != theirs for name, theirs in part.names.items()):
        notes = (*notes, f"wrappers' names ('module.') were taken out of {wrapped} names")
    return one._replace(
        names=names, dropped=(*one.dropped[:already], *dropped), prefix=part.prefix, notes=notes
    )


def _beside_it(part: CheckpointPart) -> str:
    """Return in words what a part's file holds beside it."""
    names = part.beside
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"; beside it, and left out, are {', '.join(map(short, names[:3]))}{more}"


def _same_values(checkpoint: Checkpoint, one: Fit, other: Fit) -> bool:
    tensors = checkpoint.tensors
    return one.names.keys() == other.names.keys() and all(
        same_payload(tensors[name], tensors[other.names[ours]]) for ours, name in one.names.items()
    )


def identify(
    checkpoint: Checkpoint,
    model: str | None = None,
    dtypes: Collection[str] = PARAMETER_DTYPES,
    with_head: bool = True,
) -> Fit:
    """Return the one model that a checkpoint fits, as a whole or by one part of it.

    Args:
        checkpoint: the file.
        model: a model's or published weights' name; then only that model is tried.
        dtypes: what parameters may be; FLOATS where their values are going to be converted.
        with_head: whether the last layer must be there; without it, it is left out.

    Raises:
        IdentifyError: no model fits, the one named does not, or several do and nothing tells
            which; with the differences from the model that comes closest.
    """
    if checkpoint.metadata.get(FOLDED_KEY):
        raise IdentifyError(
            f"{checkpoint.path}: BatchNorm is folded into the convolutions of this file, so its weights "
            f"cannot be taken out again. Use the file that was written without --optimize"
        )
    spec = get_model(model) if model is not None else None
    places = _places(checkpoint, spec, dtypes, with_head)
    if len(places) > 1:
        where = [short(place[0].prefix) for place in places]
        shown = ", ".join(f"under '{one}'" if one else "at the outermost level ('.')" for one in where)
        raise IdentifyError(
            f"{checkpoint.path}: holds {places[0][0].spec.name} more than once, with other values: {shown}. "
            f"Say which you mean with --prefix {'|'.join(one or '.' for one in where)}"
        )
    if not places:
        from .misfit import folded_graph, misfit

        what = f"is not a checkpoint of {spec.name}" if spec else "fits no known model"
        others = _places(checkpoint, None, dtypes, with_head) if spec else []
        if names := dict.fromkeys(fit.spec.name for fits in others for fit in fits):
            raise IdentifyError(f"{checkpoint.path}: {what}, but of {' or '.join(names)}")
        specs = [spec] if spec else list(all_models().values())
        folded = folded_graph(checkpoint, specs)
        raise IdentifyError(
            folded or misfit(checkpoint, _closest(checkpoint, specs, dtypes, with_head), what)
        )
    if spec is not None:
        found: Fit | str = judged(checkpoint, places[0][0])
    else:
        found = decided(checkpoint, by_likelihood(checkpoint, places[0]))
    if isinstance(found, str):
        raise IdentifyError(found)
    other = named_as(checkpoint.path, found.spec)
    return found if other is None else found._replace(notes=(*found.notes, other))


def _closest(
    checkpoint: Checkpoint, specs: list[ModelSpec], dtypes: Collection[str], with_head: bool
) -> Fit | None:
    """Return the fit that is nearest, of the whole file or of one of its largest parts.

    Names alone say which are worth a fit: laying 20,000 names beside every model would take minutes.
    """
    from .subtrees import largest_parts

    tried: list[tuple[float, CheckpointPart | None, ModelSpec, Dialect]] = []
    for part in (None, *largest_parts(checkpoint, _MOST_PARTS)):
        tensors = (part.checkpoint if part else checkpoint).tensors
        for spec in specs:
            for dialect in dialects_for(spec, checkpoint.runtime):
                names = name_map(spec, dialect)
                common = sum(theirs in tensors for theirs in names.values())
                tried.append((common / (len(names) + len(tensors) - common), part, spec, dialect))
    best = max((score for score, *_ in tried), default=0.0)
    fits = []
    for score, part, spec, dialect in tried:
        if score and score >= _NEAR_BEST * best:
            one = fit(part.checkpoint if part else checkpoint, spec, dialect, dtypes, with_head)
            fits.append(_in_file(one, part) if part else one)
    return max(
        fits, key=lambda one: (one.matched / (one.total + len(one.extra)), bool(one.prefix)), default=None
    )
