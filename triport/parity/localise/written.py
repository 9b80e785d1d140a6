"""Whether an ONNX file's graph is written as its model's is: what gives the same may be another graph."""

from __future__ import annotations

from pathlib import Path

from triport.converters.formats import FormatError, open_checkpoint, short
from triport.converters.graphs.verdict import graph_verdict
from triport.converters.identification.identify import candidates
from triport.reference_models.errors import counted, listed

_SHOWN = 3


def further_outputs(path: Path) -> str:
    """Return in words how many outputs an ONNX file has, if more than the one that is judged."""
    if open_checkpoint(path).runtime != "onnx":
        return ""
    import onnx

    names = [output.name for output in onnx.load(path, load_external_data=False).graph.output]
    if len(names) < 2:
        return ""
    return f"{path}: of its {len(names)} outputs ({short(', '.join(names), 200)}) one was judged"


def written_otherwise(path: Path, model: str) -> str:
    """Return in what a file's graph is not its model's, step by step; empty where it is, or has no graph.

    A step that acts on some inputs alone shows in no result of others.
    """
    try:
        checkpoint = open_checkpoint(path)
        fits = [one for one in candidates(checkpoint) if one.spec.name == model]
        verdict = graph_verdict(checkpoint, fits[0].spec, fits[0].names) if fits else None
    except FormatError:
        return ""
    if verdict is None or not verdict.differences:
        return ""
    return (
        f"{path}: its graph gave what {model}'s gives on the inputs that were run, and is written otherwise "
        f"in {counted(len(verdict.differences), 'place')}, so that other inputs may part\n"
        f"{listed(verdict.differences[:_SHOWN])}"
    )
