"""Which whole numbers an input of a Module may be: as the user says, or as a traced graph uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx_ir as ir

from triport.converters.networks.input_specs import InputSpec
from triport.converters.torch_export.exporters import NotExportedError, export_torchscript
from triport.converters.torch_export.network import TorchNet
from triport.parity.graphs.feeds import find_ranges
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Input, Integers

from .feeds import ordinary

MOST = 1 << 31


def learn_ranges(
    net: TorchNet, specs: Sequence[InputSpec], traced: Mapping[str, int], opset: int, seed: int
) -> list[str]:
    """Give inputs of whole numbers the range that the graph's indices allow, where the user gave none.

    Returns:
        What was learnt, or that nothing was, as sentences.
    """
    open_ones = [
        given.name
        for given, spec in zip(net.inputs, specs, strict=True)
        if spec.values is None and isinstance(given.values, Integers) and given.dtype != "bool"
    ]
    if not open_ones:
        return []
    try:
        exported = export_torchscript(net, ordinary(net.inputs, traced, seed).arrays, (), opset)
        found = find_ranges(ir.to_proto(exported.model))
    except (NotExportedError, ValueError):  # too large for one message
        found = {}
    notes = []
    inputs: list[Input] = []
    for given in net.inputs:
        limit = found.get(given.name)
        if given.name in open_ones and limit is not None and 0 <= limit.low < limit.high + 1 < MOST:
            wider = replace(given, values=Integers(limit.low, limit.high + 1))
            if _runs(net, [*inputs, wider, *net.inputs[len(inputs) + 1 :]], traced, seed):
                inputs.append(wider)
                notes.append(
                    f"{given.name}: whole numbers from {limit.low} to {limit.high}, as the graph indexes"
                )
                continue
        inputs.append(given)
        if given.name in open_ones:
            notes.append(
                f"{given.name}: only the whole numbers 0 and 1 were tried; say which it takes with "
                f"--input {given.name}=...:{given.dtype}:0..1000"
            )
    net.inputs = tuple(inputs)
    return notes


def _runs(net: TorchNet, inputs: Sequence[Input], sizes: Mapping[str, int], seed: int) -> bool:
    try:
        net.run(ordinary(inputs, sizes, seed).arrays)
    except TriportError:
        return False
    return True
