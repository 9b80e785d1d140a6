"""Where a wrong graph parts from its Module: the first tensor between modules that differs.

The exporter that made it is asked once more, for a graph with what goes into and out of each innermost module
as outputs of its own, and these are judged like any output.
"""

from __future__ import annotations

from pathlib import Path

from triport.converters.torch_export.exporters import EXPORTERS, Exported
from triport.converters.torch_export.taps import tapped
from triport.converters.torch_export.write import write
from triport.parity.graphs.runs import RefusedError, open_session, run_onnx
from triport.parity.judge import divergence
from triport.reference_models.errors import TriportError

from .feeds import ModuleFeed, ordinary
from .judge import NOT_EQUAL, judge_outputs
from .proof import SEED, Prover
from .reference import ModuleReference


def first_divergence(
    prover: Prover, exported: Exported, traced: dict[str, int], feed: ModuleFeed, is_moved: bool, folder: Path
) -> str:
    """Return where the graph parts on a feed, as a phrase; "" where that cannot be found.

    Args:
        prover: of the Module.
        exported: the graph that differs.
        traced: the sizes with which it was traced.
        feed: the inputs on which it differs.
        is_moved: whether it differs with moved values.
        folder: for the file with the further outputs.
    """
    net = prover.net
    wrapped = tapped(net)
    reference = ModuleReference(net, prover.moved_values if is_moved else None, wrapped)
    arrays = ordinary(net.inputs, traced, SEED).arrays
    path, data = folder / "tapped.onnx", folder / "tapped.onnx.data"
    try:
        net.run(arrays, wrapped=wrapped)
        again = EXPORTERS[exported.exporter](net, arrays, exported.free, exported.opset, wrapped=wrapped)
        write(again, prover.moved_values if is_moved else prover.values, path, data)
        expected = reference.expected(feed)
        found = run_onnx(open_session(path, None), feed.arrays)
    except (TriportError, RefusedError):
        return ""
    taps = list(wrapped.taps)
    names = [*map(str, taps), *net.output_names]
    if not len(found) == len(expected.outputs) == len(names):
        return ""
    verdicts = judge_outputs(found, expected, names, reference.calibration)
    first = divergence.first_divergence(range(len(names)), lambda place: verdicts[place].verdict != NOT_EQUAL)
    if first is None:
        return ""
    if first.at >= len(taps):
        return f"after the last module, in what {type(net.module).__name__}.forward computes itself"
    return str(taps[first.at])
