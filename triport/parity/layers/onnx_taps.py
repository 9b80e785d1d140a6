"""Looks into an ONNX graph: which tensor is which step of the reference, found without node names.

A node that reads `layer1.0.conv1.weight` is that layer. From there the reference's data flow tells the
rest: what such a node is fed is what the step before it returned, and what follows a known tensor and
is of the step's kind is that step. Padding may be a node of its own where the reference has it in the
layer: then it belongs to the step; or the other way round: then there is no such tensor to compare.
Steps found so are given out as extra outputs of the graph, some tens of megabytes at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from triport.parity.calls import Call, Feed, Step, Visit
from triport.parity.onnx_graphs.quantised import is_quantised, without_rounding
from triport.reference_models.kinds import KINDS

from .onnx_apart import apart, input_of, nodes_between, output_of

if TYPE_CHECKING:
    import onnx

# What one run of the tapped graph may hold in extra outputs.
BUDGET_BYTES = 64 << 20
_PARAMETER_OPS = {op_type for kind in KINDS.values() if kind.leaves for op_type in kind.onnx}

# what is computed row by row, and how many axes a row has that it is given
_ROW_AXES = {"Gemm": 1, "Gather": 0}

# (the model's bytes, what to feed besides the network's inputs, tensors wanted) -> their values
Run = Callable[[bytes, Mapping[str, np.ndarray], Sequence[str]], Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Tap:
    """The tensors that a step is given and returns, and the node that makes the one of the other.

    `row_axes` is how many axes each of the rows has that it is given, where all axes before may be one.
    """

    given: str
    output: str
    node: int | None
    row_axes: int | None = None

    def fed(self, array: np.ndarray) -> np.ndarray:
        """Return what feeds the step apart: float32 for what the reference has in float64."""
        array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else array.dtype)
        return (
            array if self.row_axes is None else array.reshape(-1, *array.shape[array.ndim - self.row_axes :])
        )

    def ends(self, step: Step, given: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the step was given and returned, with the axes that it has in the reference."""
        if self.row_axes is None:
            return given, output
        leading = step.shape[:-1]
        row = given.shape[given.ndim - self.row_axes :]
        if given.size == np.prod([*leading, *row]):
            given = given.reshape(*leading, *row)
        return given, output.reshape(step.shape) if output.size == np.prod(step.shape) else output


def taps_in(model: onnx.ModelProto, steps: Sequence[Step], inputs: Mapping[str, str]) -> dict[str, Tap]:
    """Return the taps in a model, which may be quantised; see `taps_of`."""
    return taps_of((without_rounding(model) if is_quantised(model) else model).graph, steps, inputs)


def taps_of(graph: onnx.GraphProto, steps: Sequence[Step], inputs: Mapping[str, str]) -> dict[str, Tap]:
    """Return the tap of every step that is found in the graph.

    `inputs` are the graph's tensors of the network's inputs, by their names among the steps' sources.
    """
    readers: dict[str, list[int]] = defaultdict(list)
    makers: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers[name].append(index)
        for name in node.output:
            makers[name] = index
    pads = {step.name for step in steps if step.layer is KINDS["pad"]}
    taps: dict[str, Tap] = {}
    for step in steps:
        if step.leaf and (found := _layer(graph, readers, f"{step.path}.weight", f"{step.path}.bias")):
            found = _with_padding(graph, makers, found, _source(step) in pads)
            if found is not None:
                taps[step.name] = _flattened(graph, readers, step, found)
    outputs = {**inputs, **{name: tap.output for name, tap in taps.items()}}
    changed = True
    while changed:
        before = len(outputs)
        for step in reversed(steps):  # what a known step is fed is what its source returned
            source = _source(step)
            if source and source not in outputs and step.name in taps:
                given = _before_flattening(graph, makers, taps[step.name])
                if given is not None:
                    outputs[source] = given
        for step in steps:
            _follow(graph, readers, makers, step, taps, outputs, _source(step) in pads)
        changed = len(outputs) > before
    return taps


def _source(step: Step) -> str | None:
    """Return the source of a step that was given one tensor; a tap is of one that it is given."""
    return step.sources[0] if len(step.sources) == 1 else None


def _layer(graph: onnx.GraphProto, readers: Mapping[str, list[int]], weight: str, bias: str) -> Tap | None:
    """Return the tap of the layer that reads `weight`, perhaps transposed, with its bias added."""
    found = readers.get(weight, [])
    if len(found) == 1 and graph.node[found[0]].op_type in ("Transpose", "Identity", "Cast"):
        found = readers.get(graph.node[found[0]].output[0], [])
    if len(found) != 1 or graph.node[found[0]].op_type not in _PARAMETER_OPS:
        return None
    node = graph.node[found[0]]
    output = node.output[0]
    after = readers.get(output, [])
    if node.op_type == "MatMul" and len(after) == 1 and bias in graph.node[after[0]].input:
        return Tap(node.input[0], graph.node[after[0]].output[0], None)
    # of an embedding, the table comes before the indices
    given = node.input[1] if node.input[0] == weight else node.input[0]
    return Tap(given, output, found[0])


def _flattened(graph: onnx.GraphProto, readers: Mapping[str, list[int]], step: Step, tap: Tap) -> Tap:
    """Return the tap of a layer that some exporters compute on rows, without the axes before the last.

    What it returns is then given its axes again, by a Reshape that what follows it reads.
    """
    if tap.node is None or len(step.shape) < 3 or graph.node[tap.node].op_type not in _ROW_AXES:
        return tap
    after = readers.get(tap.output, [])
    shaped = len(after) == 1 and graph.node[after[0]].op_type == "Reshape"
    output = graph.node[after[0]].output[0] if shaped else tap.output
    return Tap(tap.given, output, tap.node, _ROW_AXES[graph.node[tap.node].op_type])


def _before_flattening(graph: onnx.GraphProto, makers: Mapping[str, int], tap: Tap) -> str | None:
    """Return the tensor that a step is given, as what is before it returned it; None where none is."""
    if tap.row_axes is None:
        return tap.given
    maker = makers.get(tap.given)
    if maker is None or graph.node[maker].op_type != "Reshape":
        return None
    return graph.node[maker].input[0]


def _with_padding(
    graph: onnx.GraphProto, makers: Mapping[str, int], tap: Tap, padded_before: bool
) -> Tap | None:
    """Return the tap of what the step does, in which the reference pads unless a step before did.

    None where the node does what two steps do: what is between them is no tensor of the graph.
    """
    if padded_before:
        return None if tap.node is not None and _pads(graph.node[tap.node]) else tap
    maker = makers.get(tap.given)
    if maker is not None and graph.node[maker].op_type == "Pad":
        return Tap(graph.node[maker].input[0], tap.output, None)
    return tap


def _pads(node: onnx.NodeProto) -> bool:
    """Whether a Conv or a pool pads by itself."""
    return any(
        any(attribute.ints) if attribute.name == "pads" else attribute.s.startswith(b"SAME")
        for attribute in node.attribute
        if attribute.name in ("pads", "auto_pad")
    )


def _follow(
    graph: onnx.GraphProto,
    readers: Mapping[str, list[int]],
    makers: Mapping[str, int],
    step: Step,
    taps: dict[str, Tap],
    outputs: dict[str, str],
    padded_before: bool,
) -> None:
    """Find one step without parameters from the tensor that it returns, or from the one it is given."""
    if step.same_as is not None and step.same_as in outputs:
        outputs.setdefault(step.name, outputs[step.same_as])
    if step.name in taps:
        return
    alike = _operators(step)
    used = {tap.node for tap in taps.values()}
    if step.name in outputs and step.name not in taps:
        maker = makers.get(outputs[step.name])
        given = outputs.get(_source(step) or "", "")
        if maker is not None and graph.node[maker].op_type in alike and maker not in used:
            tap = Tap(graph.node[maker].input[0], outputs[step.name], maker)
            if (found := _with_padding(graph, makers, tap, padded_before)) is not None:
                taps[step.name] = found
        elif given:
            taps[step.name] = Tap(given, outputs[step.name], None)
        return
    follow = [
        index
        for index in readers.get(outputs.get(_source(step) or "", ""), [])
        if graph.node[index].op_type in alike and index not in used
    ]
    if len(follow) == 1:
        node = graph.node[follow[0]]
        taps[step.name] = Tap(node.input[0], node.output[0], follow[0])
        outputs[step.name] = node.output[0]


def _operators(step: Step) -> tuple[str, ...]:
    """Return the operators that alone are the step; one with parameters is found by these, or not at all."""
    known = step.leaf and step.layer is not None and not step.layer.leaves
    return step.layer.onnx if known and step.layer is not None else ()


def trace(
    model: onnx.ModelProto,
    steps: Sequence[Step],
    inputs: Mapping[str, str],
    visit: Visit,
    run: Run,
    feed: Feed | None = None,
    taps: Mapping[str, Tap] | None = None,
) -> None:
    """Tell `visit` of every step that is found in the model; with `feed`, each is fed apart.

    `taps` by the steps' names are found from the initializers' names unless they are given.
    """
    if taps is None:
        taps = taps_in(model, steps, inputs)
    makers = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    found = [step for step in steps if step.name in taps]
    if feed is not None:
        found = [
            step
            for step in found
            if step.leaf and nodes_between(model.graph, makers, taps[step.name].given, taps[step.name].output)
        ]
    for group in _groups(found):
        if feed is None:
            wanted = {tensor for step in group for tensor in (taps[step.name].given, taps[step.name].output)}
            values = run(_with_outputs(model, wanted), {}, sorted(wanted))
            for step in group:
                tap = taps[step.name]
                source, output = tap.ends(step, values[tap.given], values[tap.output])
                visit(Call(step.path, step.number, (source,), output, index=step.index))
            continue
        given = {step: feed(step.path, step.number) for step in group}
        fed = {
            step: taps[step.name].fed(arrays[0])
            for step, arrays in given.items()
            if arrays and len(arrays) == 1
        }
        cut = apart(
            model,
            {step.name: (taps[step.name].given, taps[step.name].output) for step in fed},
            {step.name: array for step, array in fed.items()},
        )
        values = run(
            cut,
            {input_of(step.name): array for step, array in fed.items()},
            [output_of(step.name) for step in fed],
        )
        for step, array in fed.items():
            array, output = taps[step.name].ends(step, array, values[output_of(step.name)])
            visit(Call(step.path, step.number, (array,), output, index=step.index))


def _groups(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield runs of steps whose inputs and outputs fit the budget."""
    group: list[Step] = []
    held = 0
    for step in steps:
        size = 2 * 4 * int(np.prod(step.shape))
        if group and held + size > BUDGET_BYTES:
            yield group
            group, held = [], 0
        group.append(step)
        held += size
    if group:
        yield group


def _with_outputs(model: onnx.ModelProto, tensors: set[str]) -> bytes:
    """Return the model with the tensors as its only outputs, except what is an input already."""
    import onnx

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    inputs = {value.name for value in tapped.graph.input}
    present = {value.name for value in tapped.graph.output}
    for name in sorted(tensors - inputs - present):
        tapped.graph.output.add().name = name
    return tapped.SerializeToString()
