"""Source run again with what ONNX Runtime had at each rounding and logarithm: no noise goes through them.

A rounding to a whole number makes a step of the last bit of a sum, and a logarithm makes a number of its
own of a sum that is nearly zero. Behind these float32 is so far from itself that a fault would hide. So the
source that was written, as it stands, takes ONNX Runtime's value there in the place of its own, if it has
the same but for roundings; and both are compared: what the source brought there, and what comes out in the
end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.constants import proto_of
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.targets import Target
from triport.converters.torch_export.dispatch_mode import dispatch_mode
from triport.parity.judge.difference import difference
from triport.parity.judge.tolerance import Calibration, within
from triport.reference_models.errors import counted

from .judge import Draws, Exact, OneFunction, UnoptimisedRuntime, allowed, settled
from .result import SourceTrial
from .runs import array_in, run, tensor_of

# the function that the source calls for a node
_CALLED = {
    **dict.fromkeys(("QuantizeLinear", "DynamicQuantizeLinear", "Round"), "round"),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul"), "round"),
    "Floor": "floor",
    "Ceil": "ceil",
    "Log": "log",
}
# of the largest value: what belongs to the same node is nearer than that
_ALIKE = 1e-2


@dataclass(frozen=True, slots=True)
class NodeStep:
    """What one node takes in ONNX Runtime, and the function that it is in the source.

    Of a node that rounds what it computes, what it rounded to is known: it took a number between two bounds.
    """

    function: str
    value: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray] | None = None

    def beside(self, value: np.ndarray) -> np.ndarray:
        """Return what the source takes as it is compared with `value`: what is within bounds is that."""
        if self.bounds is None or value.shape != self.value.shape:
            return value
        return np.asarray(self.value + (value - np.clip(value, *self.bounds)))


@dataclass(frozen=True, slots=True)
class NodeSteps:
    """What ONNX Runtime gives for an input: the outputs, and what goes into each node that is a step."""

    outputs: list[np.ndarray]
    steps: list[NodeStep]

    @property
    def are_roundings(self) -> bool:
        """Whether all are roundings: values that are as good as equal are made the same, or the next."""
        return all(step.function != "log" for step in self.steps)

    @property
    def all(self) -> list[np.ndarray]:
        """The outputs, and what goes into the steps."""
        return [*self.outputs, *(step.value for step in self.steps)]

    def beside(
        self, network: Any, target: Target, run: Callable[[], list[np.ndarray] | None]
    ) -> list[np.ndarray] | None:
        """Return what a run gives whose steps take these values, and what it brought to each of them.

        None where the run fails, or has not all of the steps.

        Args:
            network: that is run.
            target: its framework.
            run: gives its outputs.
        """
        brought: dict[int, np.ndarray] = {}
        apart: dict[int, float] = {}

        def taken(function: str, value: np.ndarray) -> np.ndarray:
            alike = [
                (difference(step.beside(value), step.value), place)
                for place, step in enumerate(self.steps)
                if step.function == function and step.value.shape == value.shape
            ]
            # what was brought before may be another's that was nearly the same, within a loop
            nearer = [each for each in alike if each[0] <= _ALIKE and each[0] < apart.get(each[1], np.inf)]
            again = [place for distance, place in alike if distance == apart.get(place)]
            if again and min(nearer, default=(np.inf, 0))[0] > apart[again[0]]:
                return self.steps[again[0]].value  # two layers round the same
            if not nearer:
                return value  # within a loop, say: it is as it comes
            apart_by, place = min(nearer)
            apart[place], brought[place] = apart_by, self.steps[place].beside(value).astype(value.dtype)
            return self.steps[place].value

        with (_in_pytorch if target == "pytorch" else _in_mindspore)(network, taken):
            outputs = run()
        if outputs is None or len(brought) != len(self.steps):
            return None
        return [*outputs, *(brought[place] for place in range(len(self.steps)))]


@dataclass(frozen=True, slots=True)
class _Steered:
    """A network in float64 whose steps take ONNX Runtime's values."""

    steps: NodeSteps
    exact: Draws

    @property
    def arithmetic(self) -> Calibration:
        """What the graph computes in."""
        return self.exact.arithmetic

    def __call__(self, feed: dict[str, np.ndarray], seed: int | None = None) -> list[np.ndarray] | None:
        """Return its outputs and what it brings to each step, or None."""
        return self.steps.beside(None, "pytorch", lambda: self.exact(feed, seed))


def proven_by_steps(
    verdict: SourceTrial, path: Path, network: Any, target: Target, feed: dict[str, np.ndarray], exact: Draws
) -> SourceTrial:
    """Return the verdict of a run whose steps take ONNX Runtime's values, or the one before.

    Args:
        verdict: on the run as it is: the noise would hide a fault, or the two are different, as a rounding of
            what is nearly half way makes them.
        path: of the graph.
        network: the source's.
        target: its framework.
        feed: the inputs.
        exact: the source in float64.
    """
    steps = steps_of(path, feed)
    if steps is None or (verdict.is_decided and not steps.are_roundings):
        return verdict
    found = steps.beside(network, target, lambda: run(network, target, list(feed.values())))
    if found is None or [a.dtype for a in found[: len(steps.outputs)]] != [a.dtype for a in steps.outputs]:
        return verdict
    apart = [difference(mine, its) for mine, its in zip(found, steps.all, strict=True)]
    places = counted(len(steps.steps), "rounding or logarithm", "roundings and logarithms")
    why = f"given ONNX Runtime's values in {places} they are {max(apart):.1e} apart, there and in the end"
    if not within(apart, allowed(steps.all, exact.arithmetic)):
        steered = settled(verdict.inputs, found, steps.all, feed, _Steered(steps, exact), ())
        if not steered.passed:
            return verdict
        why += f": {steered.why}"
    return replace(verdict, judged_by="steps", passed=True, why=why)


def proven_by_exact_steps(
    verdict: SourceTrial,
    network: Any,
    target: Target,
    feed: dict[str, np.ndarray],
    exact: Exact,
    one: OneFunction,
) -> SourceTrial:
    """Return the verdict of a run whose roundings take float64's values, or the one before.

    For roundings within a loop, which ONNX Runtime does not tell. Source for MindSpore is compared with the
    same graph's for PyTorch in float64: both are given the same numbers of float32 at each rounding.

    Args:
        verdict: on the run as it is.
        network: the source's.
        target: its framework.
        feed: the inputs.
        exact: the source for PyTorch, in float64.
        one: that it and the graph are one function, which ONNX Runtime computes.
    """
    steps = _exact_steps(feed, exact)
    if steps is None or not steps.steps or not steps.are_roundings:
        return verdict
    found = steps.beside(network, target, lambda: run(network, target, list(feed.values())))
    if found is None or [a.dtype for a in found[: len(steps.outputs)]] != [a.dtype for a in steps.outputs]:
        return verdict
    steered = settled(verdict.inputs, found, steps.all, feed, _Steered(steps, exact), ())
    if not steered.passed:
        return verdict
    apart = max(difference(mine, its) for mine, its in zip(found, steps.all, strict=True))
    why = (
        f"in float64 the graph is {one.apart:.1e} from the source for PyTorch, and ONNX Runtime "
        f"{one.its:.1e}; given its values in {counted(len(steps.steps), 'rounding')} this source is "
        f"{apart:.1e} from it, there and in the end: {steered.why}"
    )
    return replace(verdict, judged_by="steps", passed=True, why=why)


def _exact_steps(feed: dict[str, np.ndarray], exact: Exact) -> NodeSteps | None:
    """Return the outputs in float64, and what goes into each step, which is cut to float32 there."""
    steps: list[NodeStep] = []

    def cut(function: str, value: np.ndarray) -> np.ndarray:
        steps.append(NodeStep(function, value.astype(np.float32)))
        return steps[-1].value

    with _in_pytorch(None, cut):
        outputs = exact(feed)
    if outputs is None:
        return None
    return NodeSteps([a.astype(np.float32) if a.dtype == np.float64 else a for a in outputs], steps)


def steps_of(path: Path, feed: dict[str, np.ndarray]) -> NodeSteps | None:
    """Return what ONNX Runtime has at the roundings and logarithms of a graph; None where it has none."""
    try:
        model = read_model(path)
        nodes = [n for n in model.graph if n.op_type in _CALLED and n.inputs[0].const_value is None]
        if not nodes:
            return None
        own = _names_in(path)
        known = {node: _known_of(node, own) for node in nodes}
        values = list(dict.fromkeys(v for each in known.values() for v in each if v.const_value is None))
        of_value = _run(path, model, [v for v in values if not v.is_graph_input()], own, feed)
    except Exception:
        return None
    if of_value is None:
        return None
    of_value |= {v: feed[v.name] for v in values if v.is_graph_input()}

    def array(value: Any) -> np.ndarray:
        return np.asarray(of_value[value] if value.const_value is None else value.const_value.numpy())

    steps = [step for node, each in known.items() for step in _steps(node, each, array)]
    return NodeSteps([of_value[value] for value in model.graph.outputs], steps)


def _names_in(path: Path) -> set[str]:
    """Return the names of what the nodes of a file make, as the file has them."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return {name for node in graph.node for name in node.output}


def _run(
    path: Path, model: Any, values: list[Any], own: set[str], feed: dict[str, np.ndarray]
) -> dict[Any, np.ndarray] | None:
    """Return the outputs and these values in ONNX Runtime: of the file as it is, if it has them all.

    Else of the graph as it is translated; None where an operator of ONNX Runtime's own, written as those of
    the standard, computes otherwise.
    """
    import onnx

    more = [v for v in values if v not in model.graph.outputs]
    outputs = [*model.graph.outputs, *more]
    if all(v.name in own for v in more):
        proto = onnx.load(path)
        proto.graph.output.extend(onnx.ValueInfoProto(name=v.name) for v in more)
        return dict(zip(outputs, UnoptimisedRuntime.of(proto.SerializeToString()).run(feed), strict=True))
    its = UnoptimisedRuntime.of(path).run(feed)
    model.graph.outputs.extend(more)
    proto = proto_of(model)
    for node in proto.graph.node:
        node.ClearField("name")  # nodes that one was expanded to have its name
    found = UnoptimisedRuntime.of(proto.SerializeToString()).run(feed)
    if not within([difference(a, b) for a, b in zip(found, its, strict=False)], allowed(its)):
        return None
    return dict(zip(outputs, found, strict=True))


def _known_of(node: Any, own: set[str]) -> list[Any]:
    """Return the values of which it follows what a node rounds, or takes the logarithm of.

    What a node of the file made within is not known, but what it rounded that to: output and zero point.
    """
    if node.op_type.startswith("QLinear"):
        return [node.outputs[0], node.inputs[7]]
    if node.op_type == "QuantizeLinear" and node.inputs[0].name not in own:
        rounded = node.outputs[0]
        uses = rounded.uses()
        if rounded.name not in own and len(uses) == 1 and uses[0].node.op_type == "Identity":
            rounded = uses[0].node.outputs[0]
        zero = list(node.inputs[2:3])
        if rounded.name in own and all(v.const_value is not None and v.const_value.size == 1 for v in zero):
            return [rounded, *zero]
    return list(node.inputs[:2])


def _steps(node: Any, known: list[Any], array: Callable[[Any], np.ndarray]) -> list[NodeStep]:
    if known[0] is node.inputs[0]:
        return [NodeStep(_CALLED[node.op_type], taken) for taken in _taken(node, array)]
    y, *zero = (array(value) for value in known)
    limits = np.iinfo(y.dtype)
    value = y.astype(np.float32) - (zero[0].astype(np.float32) if zero else np.float32(0))
    low = np.where(y == limits.min, -np.inf, value - np.float32(0.5))
    high = np.where(y == limits.max, np.inf, value + np.float32(0.5))
    return [NodeStep(_CALLED[node.op_type], value, (low, high))]


def _taken(node: Any, array: Callable[[Any], np.ndarray]) -> list[np.ndarray]:
    """Return what a node's function is given in the source: of a QuantizeLinear, its input by its scale."""
    x = array(node.inputs[0])
    if node.op_type == "DynamicQuantizeLinear":
        nought, most = x.dtype.type(0), x.dtype.type(255)
        low, high = np.minimum(x.min(), nought), np.maximum(x.max(), nought)
        dynamic = (high - low) / most if low < high else x.dtype.type(1)
        return [np.asarray(-low / dynamic), np.asarray(x / dynamic)]
    if node.op_type != "QuantizeLinear":
        return [x]
    scale = array(node.inputs[1])
    if scale.size > 1:
        axis = node.attributes["axis"].value if "axis" in node.attributes else 1
        scale = scale.reshape([-1 if place == axis % x.ndim else 1 for place in range(x.ndim)])
    return [np.asarray(x / scale)]


@contextmanager
def _in_pytorch(network: Any, taken: Callable[[str, np.ndarray], np.ndarray]) -> Iterator[None]:
    """Let the functions take other values, in whatever network of PyTorch runs."""
    import torch

    functions = {getattr(torch.ops.aten, name).default: name for name in _CALLED.values()}
    mode: Any = dispatch_mode(torch)

    class Steered(mode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            if function in functions:
                (x,) = arguments
                arguments = (tensor_of(taken(functions[function], array_in(x))).to(x.dtype),)
            return function(*arguments, **(words or {}))

    with Steered():
        yield


@contextmanager
def _in_mindspore(network: Any, taken: Callable[[str, np.ndarray], np.ndarray]) -> Iterator[None]:
    """Let the functions take other values in a written Cell: `ops.round`, and its own `log`."""
    import mindspore

    places = {name: mindspore.ops for name in _CALLED.values() if name != "log"}
    places["log"] = sys.modules[type(network).__module__]
    before = {name: vars(place)[name] for name, place in places.items() if name in vars(place)}

    def steered(name: str) -> Callable[[Any], Any]:
        return lambda x: before[name](mindspore.Tensor(taken(name, x.asnumpy()).astype(x.asnumpy().dtype)))

    try:
        for name in before:
            setattr(places[name], name, steered(name))
        yield
    finally:
        for name, function in before.items():
            setattr(places[name], name, function)
