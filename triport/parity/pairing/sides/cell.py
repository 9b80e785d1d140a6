"""A mindspore.nn.Cell as a side of a pair: float32, in pynative mode."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from triport.converters.environment import import_mindspore
from triport.converters.networks.factories import users_code
from triport.parity.subjects.nesting import leaves
from triport.reference_models.kinds import KINDS, kind_of
from triport.reference_models.modules import parameters_of
from triport.reference_models.network import Network
from triport.reference_models.real_numbers import real_numbers
from triport.reference_models.spec import Runtime

from . import See, SideParameter
from .initializers import GraphFile


class CellSide:
    """A Cell in evaluation mode; its values are not its own any more."""

    runtime: Runtime = "mindspore"
    parameters: Mapping[str, SideParameter]
    is_double = False
    follows = False
    graph_file: GraphFile | None = None

    def __init__(self, net: Any, network: Network, label: str) -> None:
        self._mindspore = import_mindspore()
        self.label, self.network, self.net = label, network, net.set_train(False)
        self._tensors = {parameter.name: parameter for parameter in net.get_parameters()}
        self.parameters, self.kept = _parameters(net)
        self.constants: dict[str, np.ndarray] = {}
        self._norms = _norms(net)
        self._derived = _derived_of_norms(self._norms)
        # what hooks add to the sum that is derived, while it runs
        self.added: list[Any] = []
        for name in self.parameters:
            self._tensors[name].requires_grad = name not in self._derived

    def set_values(self, values: Mapping[str, np.ndarray]) -> None:
        """Give parameters values; the others keep theirs."""
        for name, value in values.items():
            tensor = self._tensors[name]
            array = np.ascontiguousarray(value, np.float32).reshape(tensor.shape)
            tensor.set_data(self._mindspore.Tensor(array))

    def values(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return values as float32, of all parameters or of some."""
        return {name: self._tensors[name].asnumpy() for name in (self.parameters if names is None else names)}

    def kept_values(self) -> dict[str, np.ndarray]:
        """Return the values of what is kept."""
        return {name: self._tensors[name].asnumpy() for name in self.kept}

    def outputs(self, feed: Sequence[np.ndarray], anew: bool = True) -> list[np.ndarray]:
        """Return the outputs for inputs in order; what a Cell keeps of the run before, it keeps."""
        self._mindspore.set_context(mode=self._mindspore.PYNATIVE_MODE)
        return [real_numbers(tensor.asnumpy()) for tensor in self._run(*self._inputs(feed))]

    def called(self, feed: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
        """Return the outputs, and the Cells that own parameters in the order in which they are called."""
        owners = {one.owner for one in self.parameters.values()}
        found: list[str] = []

        def note(path: str, given: Any) -> Any:
            found.append(path)
            return given

        handles = [
            cell.register_forward_pre_hook(lambda _, given, path=path: note(path, given))
            for path, cell in self.net.cells_and_names()
            if path in owners
        ]
        try:
            outputs = self.outputs(feed)
        finally:
            for handle in handles:
                handle.remove()
        return outputs, list(dict.fromkeys(found))

    def gradients(
        self,
        feed: Sequence[np.ndarray],
        weights: Callable[[int, int], np.ndarray],
        see: See,
        names: Collection[str],
    ) -> list[np.ndarray]:
        """Run forward and backward, tell `see` of parameters' gradients, and return the outputs."""
        mindspore = self._mindspore
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)

        def total(*given: Any) -> Any:
            self.added.clear()
            outputs = [one for one in self._run(*given) if one.is_floating_point()]
            summed = None
            for place, tensor in enumerate(outputs):
                weight = mindspore.Tensor(weights(place, tensor.size).astype(np.float32))
                one = (tensor.reshape(-1) * weight).sum()
                summed = one if summed is None else summed + one
            for one in self.added:
                summed = one if summed is None else summed + one
            return summed, tuple(outputs)

        norms = [norm for norm in self._norms if not norm.names.isdisjoint(names)]
        needed = {name for norm in norms for name in norm.leaves}
        derived = [
            name
            for name in self.parameters
            if name not in self._derived and (name in needed or name in names)
        ]
        if not derived:
            return self.outputs(feed)
        derive = mindspore.value_and_grad(
            total, None, weights=[self._tensors[name] for name in derived], has_aux=True
        )
        with users_code(f"{self.label}, its gradients"):
            found = derive(*self._inputs(feed))
        (_, outputs), gradients = found
        arrays: dict[str, np.ndarray] = {}
        for name, tensor in zip(derived, gradients, strict=True):
            array = tensor.asnumpy()
            see(name, array)
            if name in needed:
                arrays[name] = array
        for norm in norms:
            for name, array in norm.statistics(arrays, self._tensors):
                see(name, array)
        return [real_numbers(tensor.asnumpy()) for tensor in outputs]

    def _run(self, *given: Any) -> list[Any]:
        tensor = self._mindspore.Tensor
        with users_code(f"{self.label} on inputs of {', '.join(str(tuple(one.shape)) for one in given)}"):
            returned = self.net(*given)
        return list(leaves(returned, lambda value: isinstance(value, tensor)))

    def _inputs(self, feed: Sequence[np.ndarray]) -> list[Any]:
        return [
            self._mindspore.Tensor(
                np.asarray(array.astype(np.float32) if array.dtype == np.float64 else array, order="C")
            )
            for array in feed
        ]


class _Norm:
    """A BatchNorm, whose kernel gives no gradients of its statistics: they follow from the others'."""

    def __init__(self, names: Mapping[str, str], eps: float) -> None:
        self._names, self._eps = names, eps
        self.leaves = (names["weight"], names["bias"])
        self.derived = (names["running_mean"], names["running_var"])
        self.names = frozenset((*self.leaves, *self.derived))

    def statistics(
        self, gradients: Mapping[str, np.ndarray], tensors: Mapping[str, Any]
    ) -> list[tuple[str, np.ndarray]]:
        """Return the gradients of the mean and the variance.

        y = (x - m) / sqrt(v + eps) * w + b, so that dm = -db w / sqrt(v + eps), dv = -dw w / 2 (v + eps).
        """
        scale = tensors[self._names["weight"]].asnumpy().astype(np.float64)
        variance = tensors[self._names["running_var"]].asnumpy().astype(np.float64) + self._eps
        of_scale, of_shift = (gradients[name].astype(np.float64) for name in self.leaves)
        return [
            (self._names["running_mean"], -of_shift * scale / np.sqrt(variance)),
            (self._names["running_var"], -of_scale * scale / (2 * variance)),
        ]


def _norms(net: Any) -> list[_Norm]:
    found = []
    for _, cell in net.cells_and_names():
        if kind_of(cell) is not KINDS["norm"]:
            continue
        names = {}
        for attribute, parameter in cell.parameters_and_names(expand=False):
            leaf = KINDS["norm"].leaf(attribute.rpartition(".")[2])
            if leaf is not None:
                names[leaf.name] = parameter.name
        if {"weight", "bias", "running_mean", "running_var"} <= names.keys():
            found.append(_Norm(names, float(cell.eps)))
    return found


def _derived_of_norms(norms: Sequence[_Norm]) -> frozenset[str]:
    return frozenset(name for norm in norms for name in norm.derived)


def _parameters(net: Any) -> tuple[dict[str, SideParameter], tuple[str, ...]]:
    owners: dict[int, str] = {}
    cells = dict(net.cells_and_names())
    for path, cell in cells.items():
        for _, parameter in cell.parameters_and_names(expand=False):
            owners.setdefault(id(parameter), path)
    found = {}
    kept = []
    for owned in parameters_of(net):
        if owned.seeding is None:
            kept.append(owned.name)
        else:
            epsilon = getattr(cells[owners[owned.key]], "eps", None)
            found[owned.name] = SideParameter(
                owned.name,
                owned.shape,
                owners[owned.key],
                owned.kind,
                owned.leaf,
                epsilon=float(epsilon) if isinstance(epsilon, int | float) else None,
            )
    return found, tuple(kept)
