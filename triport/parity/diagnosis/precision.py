"""Whether either file computes, or keeps its weights, more coarsely than the other."""

from __future__ import annotations

from pathlib import Path

from triport.reference_models.errors import counted

from .finding import Finding
from .graph import lower_precision
from .sides import Sides
from .weights import Changed, sentence_of

_LISTED = 8


def precision_finding(sides: Sides, rounded: list[Changed]) -> Finding:
    """Say what is rounded in one of the files and not in the other.

    Args:
        sides: the files.
        rounded: tensors of the second file that are the first's, rounded.
    """
    layers = [lower_precision(flow) for flow in sides.flows]
    parts: list[str] = []
    details: list[str] = []
    for name, mine, theirs in zip(sides.names, layers, reversed(layers), strict=True):
        alone = {path: precision for path, precision in mine.items() if theirs.get(path) != precision}
        if alone:
            how = " and ".join(sorted(set(alone.values())))
            parts.append(f"{name} computes {_layers(list(alone))} in {how}")
            details += [f"{path}: {precision} in {name}" for path, precision in alone.items()]
    quantised = [_is_quantised(path) for path in sides.paths]
    if quantised[0] != quantised[1]:
        parts.append(f"{sides.names[quantised.index(True)]} is quantised to int8 and the other is not")
    if rounded:
        parts.append(sentence_of(rounded, len(sides.tensors.mine)))
        details += [str(one) for one in rounded]
    if not parts:
        return Finding(
            "precision", True, "neither computes in lower precision or has the other's weights rounded"
        )
    figures = {"layers": len(layers[0].keys() ^ layers[1].keys()), "tensors": len(rounded)}
    return Finding("precision", False, "; ".join(parts), tuple(details[:_LISTED]), figures)


def _layers(paths: list[str]) -> str:
    return (
        f"the layer {paths[0]}" if len(paths) == 1 else f"{counted(len(paths), 'layer')} (first {paths[0]})"
    )


def _is_quantised(path: Path) -> bool:
    from triport.converters.formats import open_checkpoint
    from triport.parity.onnx_graphs.quantised import is_quantised_file

    return open_checkpoint(path).runtime == "onnx" and is_quantised_file(path)
