"""Which model, whose names, how many classes: read off a checkpoint's names and shapes, exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from converters.deciding import by_likelihood, decided, judged
from converters.formats import FLOATS, Checkpoint, Tensor, short
from converters.kernel_layout import other_layout
from converters.name_index import find_models
from converters.names import COUNTER_LEAF, canonical_shapes, name_map
from converters.provenance import FOLDED_KEY
from converters.statements import Holds, Judgement
from reference_models.errors import TriportError, listed
from reference_models.spec import Dialect, ModelSpec, all_models, get_model

PARAMETER_DTYPES = ("float32",)
_CLOSE = 0.5  # share of a model's names that a file must have to be called a damaged one of it


class IdentifyError(TriportError):
    """A checkpoint is of no known model, of another one than said, or could be of several."""


class Fit(NamedTuple):
    """How a checkpoint's tensors meet a model's names in one dialect.

    `names` maps canonical names to the file's. `problems` is empty for an exact fit; those of
    `other_floats` are tensors whose name and shape fit, but whose values are of another float type.
    `judgements` are what the file says of itself, held against the model; `assumed` is what nothing in the
    file says and had to be taken for granted.
    """

    spec: ModelSpec
    dialect: Dialect
    num_classes: int
    names: Mapping[str, str]
    dropped: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    other_floats: tuple[str, ...]
    matched: int
    judgements: tuple[Judgement, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def contradictions(self) -> list[Judgement]:
        """What the file says of itself and is not so, if it is of this model."""
        return [one for one in self.judgements if one.holds is Holds.NO]

    @property
    def exact(self) -> bool:
        """Whether every name is there with the right shape and dtype, and nothing else."""
        return not self.problems and not self.other_floats


def fit(
    checkpoint: Checkpoint, spec: ModelSpec, dialect: Dialect, dtypes: Collection[str] = PARAMETER_DTYPES
) -> Fit:
    """Lay a checkpoint's tensors beside a model's names in one dialect; parameters may have these dtypes."""
    tensors = checkpoint.tensors
    names = name_map(spec, dialect)
    head = names[f"{spec.layers()[-1].path}.weight"]
    num_classes = tensors[head].shape[0] if head in tensors and tensors[head].shape else spec.num_classes
    expected = canonical_shapes(spec, num_classes)
    found: dict[str, str] = {}
    problems: list[str] = []
    other_floats: list[str] = []
    matched = 0
    for canonical, theirs in names.items():
        tensor = tensors.get(theirs)
        counter = canonical.endswith(COUNTER_LEAF)
        if tensor is None:
            if not counter:
                problems.append(f"{theirs}: missing, expected {expected[canonical]}")
            continue
        found[canonical] = theirs
        shape, allowed = ((), ("int64",)) if counter else (expected[canonical], dtypes)
        wrong_dtype = f"{theirs}: dtype {tensor.dtype}, expected {' or '.join(allowed)}"
        if tensor.shape != shape:
            problems.append(f"{theirs}: shape {tensor.shape}, expected {shape}")
        elif tensor.dtype in allowed:
            matched += not counter
        elif tensor.dtype in FLOATS and not counter:
            matched += 1
            other_floats.append(wrong_dtype)
        else:
            problems.append(wrong_dtype)
    known = set(names.values())
    dropped = [(item.name, item.reason) for item in checkpoint.dropped]
    for name, tensor in tensors.items():
        if name in known:
            continue
        if checkpoint.runtime == "onnx" and _is_graph_constant(tensor):
            dropped.append((name, "a constant of the graph, not a parameter"))
        else:
            problems.append(f"{short(name)}: {tensor.shape} {tensor.dtype}, which {spec.name} does not have")
    return Fit(
        spec, dialect, num_classes, found, tuple(dropped), tuple(problems), tuple(other_floats), matched
    )


def _is_graph_constant(tensor: Tensor) -> bool:
    return tensor.dtype in ("int64", "int32", "bool") or tensor.shape in ((), (1,))


def dialects_for(spec: ModelSpec, runtime: str) -> list[Dialect]:
    """Return the dialects that a file of `runtime` may be in; an ONNX file in any, PyTorch's first."""
    if runtime == "onnx":
        return sorted(spec.dialects, key=lambda dialect: dialect.runtime != "pytorch")
    return [dialect for dialect in spec.dialects if dialect.runtime == runtime]


def _fits(
    checkpoint: Checkpoint, specs: Iterable[ModelSpec], dtypes: Collection[str] = PARAMETER_DTYPES
) -> list[Fit]:
    """Return each model's best fit, exact ones where there are any."""
    found = []
    for spec in specs:
        tried = []
        for dialect in dialects_for(spec, checkpoint.runtime):
            tried.append(fit(checkpoint, spec, dialect, dtypes))
            if tried[-1].exact:
                break
        if tried:
            found.append(max(tried, key=lambda one: (one.exact, one.matched)))
    exact = [one for one in found if one.exact]
    return exact or found


def candidates(checkpoint: Checkpoint, dtypes: Collection[str] = PARAMETER_DTYPES) -> list[Fit]:
    """Return every exact fit among all models, the most likely first; parameters may have these dtypes.

    Where models share names and shapes, what the file says of itself comes first, then the graph that it
    holds, then whose publisher wrote these names.
    """
    return by_likelihood(
        checkpoint, [one for one in _fits(checkpoint, _plausible(checkpoint), dtypes) if one.exact]
    )


def _plausible(checkpoint: Checkpoint) -> list[ModelSpec]:
    """Return the models of these names, or those with as many parameters as the file has tensors."""
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


def identify(
    checkpoint: Checkpoint, model: str | None = None, dtypes: Collection[str] = PARAMETER_DTYPES
) -> Fit:
    """Return the one model that a checkpoint fits.

    Args:
        checkpoint: the file.
        model: a model's or published weights' name; then only that model is tried.
        dtypes: what parameters may be; FLOATS where their values are going to be converted.

    Raises:
        IdentifyError: no model fits, the one named does not, or several do and nothing tells
            which; with the differences from the model that comes closest.
    """
    if checkpoint.metadata.get(FOLDED_KEY):
        raise IdentifyError(
            f"{checkpoint.path}: BatchNorm is folded into the convolutions of this file, so its weights "
            f"cannot be taken out again. Use the file that was written without --optimize"
        )
    if model is not None:
        spec = get_model(model)
        best = _fits(checkpoint, [spec], dtypes)
        if best and best[0].exact:
            return judged(checkpoint, best[0])
        raise _misfit(checkpoint, best, f"is not a checkpoint of {spec.name}")
    exact = candidates(checkpoint, dtypes)
    if not exact:
        raise _misfit(checkpoint, _fits(checkpoint, all_models().values(), dtypes), "fits no known model")
    found = decided(checkpoint, exact)
    if isinstance(found, str):
        raise IdentifyError(found)
    return found


def _misfit(checkpoint: Checkpoint, fits: list[Fit], what: str) -> IdentifyError:
    """Return the error that says how far the closest model is."""
    closest = max(fits, key=lambda one: one.matched / len(canonical_shapes(one.spec)), default=None)
    total = len(canonical_shapes(closest.spec)) if closest else 1
    if closest is None or closest.matched < _CLOSE * total:
        first = ", ".join(map(short, list(checkpoint.tensors)[:3]))
        return IdentifyError(
            f"{checkpoint.path}: {what}: of its {len(checkpoint.tensors)} {checkpoint.runtime} tensors "
            f"({first}, ...) too few have the names and shapes of any. `python cli.py models` lists the "
            f"models, `python cli.py inspect` the tensors{_notes(checkpoint)}"
        )
    if not closest.problems:
        return IdentifyError(
            f"{checkpoint.path}: {what} as it is. Closest is {closest.spec.name} with {closest.dialect.name} "
            f"names: {closest.matched} of {total} parameters agree in name and shape, but "
            f"{len(closest.other_floats)} are of another float type\n"
            f"{listed(closest.other_floats)}\n"
            f"`convert --dtype float32` converts the values"
        )
    advice = f"Get a complete {closest.spec.name} checkpoint, or name the right model with --model"
    return IdentifyError(
        f"{checkpoint.path}: {what}. Closest is {closest.spec.name} with {closest.dialect.name} names: "
        f"{closest.matched} of {total} parameters agree, {len(closest.problems)} do not\n"
        f"{listed([*closest.problems, *closest.other_floats])}\n"
        f"{other_layout(_other_shapes(checkpoint, closest)) or advice}{_notes(checkpoint)}"
    )


def _other_shapes(checkpoint: Checkpoint, closest: Fit) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield the shape found and the one expected, where they differ."""
    expected = canonical_shapes(closest.spec, closest.num_classes)
    for ours, theirs in closest.names.items():
        found = checkpoint.tensors[theirs].shape
        if not ours.endswith(COUNTER_LEAF) and found != expected[ours]:
            yield found, expected[ours]


def _notes(checkpoint: Checkpoint) -> str:
    """Return what the reader decided, for the end of an error: it may be why nothing fits."""
    return "".join(f"\nNote: {note}" for note in checkpoint.notes)
