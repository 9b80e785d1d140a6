"""What is done to a graph whose nodes are all written, one pass a file, run by one list.

A pass is onnx-ir's: `requires` states what must hold before it and `ensures` what holds after it, and both
are checked each time.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from triport.converters.mindir.free_batch import FreeBatch
from triport.converters.mindir.values import TypedValue

from .declare_shapes import DeclareShapes
from .end_in_outputs import EndInOutputs
from .name_values import NameValues


def run_passes(
    model: ir.Model,
    outputs: Sequence[TypedValue],
    names: Sequence[str],
    batch_size: int | None,
    batch: FreeBatch,
    steady: Set[str],
) -> None:
    """Finish a graph in place.

    Args:
        model: its nodes are written, it has inputs and no outputs yet.
        outputs: what it returns.
        names: of the outputs.
        batch_size: the traced one, where the batch is free.
        batch: knows in which axis of a value the batch is.
        steady: the values whose shape is the same at each batch size.

    Raises:
        FixedBatchError: the batch size is part of the graph.
    """
    named = list(zip(names, outputs, strict=True))
    axes = {name: batch.get_batch_axis(value) for name, value in named}
    passes: list[ir.passes.InPlacePass] = [
        EndInOutputs([value.ir for value in outputs], names),
        RemoveUnusedNodesPass(),
        NameValues(),
        DeclareShapes(batch_size, axes, {name for name, value in named if value.name in steady}),
    ]
    for one in passes:
        one(model)
