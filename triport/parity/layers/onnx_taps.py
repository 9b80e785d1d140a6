"""Looks into an ONNX graph: which tensor is which step of the reference, found without node names.

A node that reads `layer1.0.conv1.weight` is that layer. From there the reference's data flow tells the
rest: what such a node is fed is what the step before it returned, and what follows a known tensor and
is of the step's kind is that step. Padding may be a node of its own where the reference has it in the
layer: then it belongs to the step; or the other way round: then there is no such tensor to compare.
Steps found so are given out as extra outputs of the graph, some tens of megabytes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from triport.parity.calls import CallStep, Feed, ModuleCall, Visit
from triport.parity.onnx_graphs.quantised import is_quantised, without_rounding
from triport.reference_models.kinds import KINDS

from .onnx_apart import apart, input_of, output_of, part_between

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

# What one run of the tapped graph may hold in extra outputs.
BUDGET_BYTES = 64 << 20
_PARAMETER_OPS = {op_type for kind in KINDS.values() if kind.leaves for op_type in kind.onnx}

# what is computed row by row, and how many axes a row has that it is given
_ROW_AXES = {"Gemm": 1, "Gather": 0}

# (the model's bytes, what to feed besides the network's inputs, tensors wanted) -> their values
Run = Callable[[bytes, Mapping[str, np.ndarray], Sequence[str]], Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class StepTap:
    """The tensors that a step is given and returns.

    `row_axes` is how many axes each of the rows has that it is given, where all axes before may be one.
    """

    given: str
    output: str
    row_axes: int | None = None

    def fed(self, array: np.ndarray) -> np.ndarray:
        """Return what feeds the step apart: float32 for what the reference has in float64."""
        array = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else array.dtype)
        return (
            array if self.row_axes is None else array.reshape(-1, *array.shape[array.ndim - self.row_axes :])
        )

    def ends(self, step: CallStep, given: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the step was given and returned, with the axes that it has in the reference."""
        if self.row_axes is None:
            return given, output
        leading = step.shape[:-1]
        row = given.shape[given.ndim - self.row_axes :]
        if given.size == np.prod([*leading, *row]):
            given = given.reshape(*leading, *row)
        return given, output.reshape(step.shape) if output.size == np.prod(step.shape) else output


def taps_in(
    model: onnx.ModelProto,
    steps: Sequence[CallStep],
    inputs: Mapping[str, str],
    names: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, StepTap]:
    """Return the tap of every step that is found in a model, which may be quantised.

    `inputs` are the graph's tensors of the network's inputs, by their names among the steps' sources. `names`
    has the network's name of each initializer that is called otherwise.
    """
    import onnx_ir as ir

    plain = ir.from_proto(without_rounding(model) if is_quantised(model) else model)
    return _Finder(ir.convenience.create_value_mapping(plain.graph), inputs, names).find(steps)


class _Finder:
    """Finds steps in a graph, whose values are given by name."""

    def __init__(
        self, values: Mapping[str, ir.Value], inputs: Mapping[str, str], names: Mapping[str, str]
    ) -> None:
        named = {ours: values[theirs] for theirs, ours in names.items() if theirs in values}
        self._parameters = {**values, **named}
        self._outputs = {source: values[name] for source, name in inputs.items() if name in values}
        self._found: dict[str, _Found] = {}
        self._used: set[ir.Node] = set()

    def find(self, steps: Sequence[CallStep]) -> dict[str, StepTap]:
        """Return the taps by the steps' names."""
        pads = {step.name for step in steps if step.layer is KINDS["pad"]}
        for step in steps:
            if step.leaf and (found := self._layer(f"{step.path}.weight", f"{step.path}.bias")):
                self._add(step, _flattened(step, _with_padding(found, _source(step) in pads)))
        changed = True
        while changed:
            before = len(self._outputs)
            for step in reversed(steps):  # what a known step is fed is what its source returned
                source = _source(step)
                given = self._found[step.name].given_before if step.name in self._found else None
                if source and given is not None:
                    self._outputs.setdefault(source, given)
            for step in steps:
                self._follow(step, _source(step) in pads)
            changed = len(self._outputs) > before
        return {name: found.tap for name, found in self._found.items()}

    def _add(self, step: CallStep, found: _Found | None) -> None:
        if found is not None:
            self._found[step.name] = found
            self._outputs.setdefault(step.name, found.output)
            if found.node is not None:
                self._used.add(found.node)

    def _layer(self, weight: str, bias: str) -> _Found | None:
        """Return the layer that reads `weight`, perhaps transposed, with its bias added."""
        read = self._parameters.get(weight)
        node = _only_reader(read)
        if node is not None and node.op_type in ("Transpose", "Identity", "Cast"):
            node = _only_reader(node.outputs[0])
        if node is None or node.op_type not in _PARAMETER_OPS:
            return None
        output = node.outputs[0]
        after = _only_reader(output)
        if node.op_type == "MatMul" and after is not None and self._parameters.get(bias) in after.inputs:
            return _found(node.inputs[0], after.outputs[0], None)
        # of an embedding, the table comes before the indices
        return _found(node.inputs[1] if node.inputs[0] is read else node.inputs[0], output, node)

    def _follow(self, step: CallStep, padded_before: bool) -> None:
        """Find one step without parameters from the tensor that it returns, or from the one it is given."""
        if step.same_as is not None and step.same_as in self._outputs:
            self._outputs.setdefault(step.name, self._outputs[step.same_as])
        if step.name in self._found:
            return
        given, alike = self._outputs.get(_source(step) or ""), _operators(step)
        if step.name in self._outputs:
            output = self._outputs[step.name]
            node = output.producer()
            if node is not None and node.op_type in alike and node not in self._used:
                self._add(step, _with_padding(_found(node.inputs[0], output, node), padded_before))
            elif given is not None:
                self._add(step, _found(given, output, None))
            return
        readers = [use.node for use in given.uses()] if given is not None else []
        follow = [node for node in readers if node.op_type in alike and node not in self._used]
        if len(follow) == 1:
            self._add(step, _found(follow[0].inputs[0], follow[0].outputs[0], follow[0]))


@dataclass(frozen=True, slots=True)
class _Found:
    """The values of a tap, and the one node that does the whole step, if one does."""

    given: ir.Value
    output: ir.Value
    node: ir.Node | None
    row_axes: int | None = None

    @property
    def tap(self) -> StepTap:
        """The tap by names."""
        return StepTap(str(self.given.name), str(self.output.name), self.row_axes)

    @property
    def given_before(self) -> ir.Value | None:
        """The value that the step is given, as what is before it returned it; None where none is."""
        if self.row_axes is None:
            return self.given
        maker = self.given.producer()
        return maker.inputs[0] if maker is not None and maker.op_type == "Reshape" else None


def _found(given: ir.Value | None, output: ir.Value, node: ir.Node | None) -> _Found | None:
    return None if given is None else _Found(given, output, node)


def _flattened(step: CallStep, found: _Found | None) -> _Found | None:
    """Return a layer that some exporters compute on rows, without the axes before the last.

    What it returns is then given its axes again, by a Reshape that what follows it reads.
    """
    if found is None or found.node is None or len(step.shape) < 3 or found.node.op_type not in _ROW_AXES:
        return found
    after = _only_reader(found.output)
    shaped = after is not None and after.op_type == "Reshape"
    output = after.outputs[0] if after is not None and shaped else found.output
    return _Found(found.given, output, found.node, _ROW_AXES[found.node.op_type])


def _source(step: CallStep) -> str | None:
    """Return the source of a step that was given one tensor; a tap is of one that it is given."""
    return step.sources[0] if len(step.sources) == 1 else None


def _only_reader(value: ir.Value | None) -> ir.Node | None:
    """Return the node that reads a value, None if several do or none does."""
    uses = [] if value is None else list(value.uses())
    return uses[0].node if len(uses) == 1 else None


def _with_padding(found: _Found | None, padded_before: bool) -> _Found | None:
    """Return what the step does, in which the reference pads unless a step before did.

    None where the node does what two steps do: what is between them is no tensor of the graph.
    """
    if found is None or padded_before:
        return None if found is None or (found.node is not None and _pads(found.node)) else found
    maker = found.given.producer()
    if maker is not None and maker.op_type == "Pad":
        return _found(maker.inputs[0], found.output, None)
    return found


def _pads(node: ir.Node) -> bool:
    """Whether a Conv or a pool pads by itself."""
    pads, how = node.attributes.get("pads"), node.attributes.get("auto_pad")
    return (pads is not None and any(pads.as_ints())) or (
        how is not None and how.as_string().startswith("SAME")
    )


def _operators(step: CallStep) -> tuple[str, ...]:
    """Return the operators that alone are the step; one with parameters is found by these, or not at all."""
    known = step.leaf and step.layer is not None and not step.layer.leaves
    return step.layer.onnx if known and step.layer is not None else ()


def trace(
    model: onnx.ModelProto,
    steps: Sequence[CallStep],
    taps: Mapping[str, StepTap],
    visit: Visit,
    run: Run,
    feed: Feed | None = None,
) -> None:
    """Tell `visit` of every step that has a tap in the model; with `feed`, each is fed apart."""
    import onnx_ir as ir

    whole = ir.from_proto(model)
    found = [step for step in steps if step.name in taps]
    if feed is not None:
        found = [
            step
            for step in found
            if step.leaf and part_between(whole.graph, taps[step.name].given, taps[step.name].output)
        ]
    for group in _groups(found):
        if feed is None:
            wanted = {tensor for step in group for tensor in (taps[step.name].given, taps[step.name].output)}
            values = run(_with_outputs(model, wanted), {}, sorted(wanted))
            for step in group:
                tap = taps[step.name]
                before, after = tap.ends(step, values[tap.given], values[tap.output])
                visit(ModuleCall(step.path, step.number, (before,), after, index=step.index))
            continue
        given = {step: feed(step.path, step.number) for step in group}
        fed = {
            step: taps[step.name].fed(arrays[0])
            for step, arrays in given.items()
            if arrays and len(arrays) == 1
        }
        cut = apart(
            whole,
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
            visit(ModuleCall(step.path, step.number, (array,), output, index=step.index))


def _groups(steps: Sequence[CallStep]) -> Iterator[list[CallStep]]:
    """Yield runs of steps whose inputs and outputs fit the budget."""
    group: list[CallStep] = []
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
