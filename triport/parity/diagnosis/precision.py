"""Whether either file computes, or keeps its weights, more coarsely than the other."""

from __future__ import annotations

from pathlib import Path

from triport.converters.graphs.casts import without_casts
from triport.converters.graphs.flow import Flow
from triport.reference_models.errors import counted

from .finding import Finding
from .sides import Sides
from .weights import ChangedTensor, sentence_of

_LISTED = 8


def precision_finding(sides: Sides, rounded: list[ChangedTensor], differing: int) -> Finding:
    """Say what is rounded in one of the files and not in the other.

    Args:
        sides: the files.
        rounded: tensors of the second file that are the first's, rounded.
        differing: how many tensors differ in any way.
    """
    sizes, layers = zip(*map(_lower_precision, sides.flows), strict=True)
    parts: list[str] = []
    details: list[str] = []
    for name, size, mine, theirs in zip(sides.names, sizes, layers, reversed(layers), strict=True):
        alone = {path: precision for path, precision in mine.items() if theirs.get(path) != precision}
        if not alone:
            continue
        how = " and ".join(sorted(set(alone.values())))
        if len(alone) == size:
            parts.append(f"{name} computes in {how} as a whole, in {_all_of(size)}")
        else:
            parts.append(f"{name} computes {_layers(list(alone), size)} in {how}")
            details += [f"{path}: {precision} in {name}" for path, precision in alone.items()]
    quantised = [_is_quantised(path) for path in sides.paths]
    if quantised[0] != quantised[1]:
        parts.append(f"{sides.names[quantised.index(True)]} is quantised to int8 and the other is not")
    if rounded:
        parts.append(sentence_of(rounded, len(sides.tensors.mine), differing))
        details += [str(one) for one in rounded] if len(rounded) < len(sides.tensors.mine) else []
    if not parts:
        return Finding(
            "precision", True, "neither computes in lower precision or has the other's weights rounded"
        )
    figures = {"layers": len(layers[0].keys() ^ layers[1].keys()), "tensors": len(rounded)}
    return Finding("precision", False, "; ".join(parts), tuple(details[:_LISTED]), figures)


def _lower_precision(flow: Flow | None) -> tuple[int, dict[str, str]]:
    """Return how many layers a graph has, and which compute in float16 or bfloat16."""
    if flow is None:
        return 0, {}
    plain = without_casts(flow)
    return plain.layers, plain.lower


def _layers(paths: list[str], size: int) -> str:
    if len(paths) == 1:
        return f"the layer {paths[0]}"
    return f"{len(paths)} of its {counted(size, 'layer')} (first {paths[0]})"


def _all_of(size: int) -> str:
    return f"all its {counted(size, 'layer')}" if size > 1 else "its one layer"


def _is_quantised(path: Path) -> bool:
    from triport.converters.formats import open_checkpoint
    from triport.parity.onnx_graphs.quantised import is_quantised_file

    return open_checkpoint(path).runtime == "onnx" and is_quantised_file(path)
