"""A torch.nn.Module as a side of a pair, in float64 where it can."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.networks.arguments import NetArgumentError
from triport.converters.networks.factories import users_code
from triport.converters.torch_export.arrays import array_of
from triport.converters.torch_export.kept import Kept
from triport.parity.subjects.nesting import leaves
from triport.reference_models.modules import parameters_of
from triport.reference_models.network import Network
from triport.reference_models.real_numbers import real_numbers
from triport.reference_models.spec import Runtime

from . import See, SideParameter
from .copying import copied
from .initializers import GraphFile
from .spectral import spectral_vectors

# more parameters than this are not kept in float64: two networks of 600 M would not fit
MOST_IN_FLOAT64 = 100_000_000


class ModuleSide:
    """A Module in evaluation mode; its values are not its own any more."""

    runtime: Runtime = "pytorch"
    follows = False
    parameters: Mapping[str, SideParameter]

    def __init__(self, net: Any, network: Network, label: str, graph_file: GraphFile | None = None) -> None:
        self._torch = import_torch()
        self._kept, self._is_changed = Kept(net), False
        self.graph_file = graph_file
        self.label, self.network, self.net = label, network, net.eval()
        self.parameters, self.kept = _parameters(net)
        self.constants: dict[str, np.ndarray] = {}
        _check_real(net, label)
        total = sum(one.size for one in self.parameters.values())
        self.is_double = total <= MOST_IN_FLOAT64
        self._dtype = self._torch.float64 if self.is_double else self._torch.float32
        net.to(self._dtype)
        tensors = net.state_dict(keep_vars=True)
        self._tensors = {name: tensors[name] for name in self.parameters}
        for tensor in net.parameters():
            tensor.requires_grad_(False)

    def untie(self, name: str) -> tuple[str, ...]:
        """Give each name of a tensor with several a tensor of its own; return the other names."""
        one = self.parameters[name]
        for alias in one.aliases:
            path, _, leaf = alias.rpartition(".")
            module = self.net.get_submodule(path)
            own = self._torch.nn.Parameter(self._tensors[name].detach().clone(), requires_grad=False)
            setattr(module, leaf, own)
            self._tensors[alias] = own
        others = {
            alias: replace(one, name=alias, aliases=(), owner=alias.rpartition(".")[0])
            for alias in one.aliases
        }
        self.parameters = {**self.parameters, name: replace(one, aliases=()), **others}
        return one.aliases

    def keep(self, names: Collection[str]) -> None:
        """Let these keep the values that they have, and be no parameters any more."""
        values = self.values()
        self.constants |= {name: np.array(values[name]) for name in names}
        self.kept = (*self.kept, *names)
        self.parameters = {name: one for name, one in self.parameters.items() if name not in names}
        self._tensors = {name: one for name, one in self._tensors.items() if name not in names}

    def set_values(self, values: Mapping[str, np.ndarray]) -> None:
        """Give parameters values; the others keep theirs."""
        with self._torch.no_grad():
            for name, value in values.items():
                self._tensors[name].copy_(self._torch.from_numpy(np.asarray(value, order="C")))
        self._is_changed = True

    def copied(self, instead: Mapping[int, Any] | None = None) -> Any:
        """Return a copy of the Module, to give other values; see `copying.copied`."""
        self._kept.forget()
        return copied(self.net, instead)

    def values(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return values as float32, of all parameters or some; where they are float32 the network's own."""
        wanted = self._tensors if names is None else names
        return {name: self._tensors[name].detach().float().numpy() for name in wanted}

    def kept_values(self) -> dict[str, np.ndarray]:
        """Return the values of what is kept."""
        tensors = self.net.state_dict()
        return {name: array_of(tensors[name]) for name in self.kept}

    def _forget(self) -> None:
        """Let the Module forget what it keeps of values that it has not any more."""
        if self._is_changed:
            self._kept.forget()
        self._is_changed = False

    def outputs(self, feed: Sequence[np.ndarray], anew: bool = True) -> list[np.ndarray]:
        """Return the outputs for inputs in order; not `anew`: with what a Module keeps of the run before."""
        if anew:
            self._forget()
        with self._torch.no_grad():
            return [_array(tensor) for tensor in self._run(feed)]

    def called(self, feed: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
        """Return the outputs, and the modules that own parameters in the order in which they are called."""
        owners = {one.owner for one in self.parameters.values()}
        found: list[str] = []
        handles = [
            module.register_forward_pre_hook(lambda _, given, path=path: found.append(path))
            for path, module in self.net.named_modules()
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
        torch = self._torch
        self._forget()
        tensors = {name: self._tensors[name] for name in names}
        told: set[str] = set()

        def tell(name: str, tensor: Any) -> None:
            see(name, tensor.grad.numpy())
            tensor.grad = None
            told.add(name)

        handles = []
        try:
            for name, tensor in tensors.items():
                tensor.requires_grad_(True)
                handles.append(
                    tensor.register_post_accumulate_grad_hook(lambda one, name=name: tell(name, one))
                )
            with torch.enable_grad(), _statistics_derived(torch):
                outputs = self._run(feed)
                total = None
                for place, tensor in enumerate(outputs):
                    if tensor.requires_grad:
                        if tensor.is_complex():
                            tensor = torch.view_as_real(tensor.resolve_conj())
                        weight = torch.from_numpy(weights(place, tensor.numel())).to(tensor.dtype)
                        summed = (tensor.reshape(-1) * weight).sum()
                        total = summed if total is None else total + summed
                if total is not None:
                    total.backward()
        finally:
            for handle in handles:
                handle.remove()
            for tensor in tensors.values():
                tensor.grad = None
                tensor.requires_grad_(False)
        for name in tensors:
            if name not in told:
                see(name, None)
        return [_array(tensor) for tensor in outputs]

    def _run(self, feed: Sequence[np.ndarray]) -> list[Any]:
        torch = self._torch
        given = [torch.from_numpy(np.array(array)) for array in feed]
        given = [one.to(self._dtype) if one.is_floating_point() else one for one in given]
        with users_code(f"{self.label} on inputs of {', '.join(str(array.shape) for array in feed)}"):
            returned = self.net(*given)
        return list(leaves(returned, lambda value: isinstance(value, torch.Tensor)))


def _array(tensor: Any) -> np.ndarray:
    return real_numbers(array_of(tensor).copy())


def _check_real(net: Any, label: str) -> None:
    found = [f"{name} ({one.dtype})" for name, one in net.named_parameters() if one.is_complex()]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise NetArgumentError(f"{label}: {found[0]}{more}: only networks with real parameters can be paired")


def _parameters(net: Any) -> tuple[dict[str, SideParameter], tuple[str, ...]]:
    first: dict[int, str] = {}
    found: dict[str, SideParameter] = {}
    aliases: dict[str, list[str]] = {}
    kept = []
    vectors = spectral_vectors(net)
    for owned in parameters_of(net):
        if owned.name in vectors:
            owner = owned.name.rpartition(".")[0]
            found[owned.name] = SideParameter(owned.name, owned.shape, owner, is_vector=True)
            aliases[owned.name] = []
        elif owned.seeding is None:
            kept.append(owned.name)
        elif owned.key in first:
            aliases[first[owned.key]].append(owned.name)
        else:
            first[owned.key] = owned.name
            aliases[owned.name] = []
            found[owned.name] = SideParameter(
                owned.name, owned.shape, owned.name.rpartition(".")[0], owned.kind, owned.leaf
            )
    modules = dict(net.named_modules(remove_duplicate=False))
    return {
        name: replace(one, aliases=tuple(aliases[name]), epsilon=getattr(modules.get(one.owner), "eps", None))
        for name, one in found.items()
    }, tuple(kept)


@contextmanager
def _statistics_derived(torch: Any) -> Iterator[None]:
    """Let a norm's running mean and variance have gradients, which PyTorch's own kernels do not give."""

    def written_out(
        given: Any,
        running_mean: Any,
        running_var: Any,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        shape = [1, -1] + [1] * (given.ndim - 2)
        found = (given - running_mean.view(shape)) * (running_var + eps).rsqrt().view(shape)
        if weight is not None:
            found = found * weight.view(shape)
        return found if bias is None else found + bias.view(shape)

    def of_instances(
        given: Any,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        # with statistics that it keeps, a norm of instances computes what one of batches does
        return written_out(given, running_mean, running_var, weight, bias, eps=eps)

    functional = torch.nn.functional
    # the norm, the place and the name of what says that it takes the statistics of its input, and whether
    norms: dict[Any, tuple[Any, int, str, bool]] = {
        functional.batch_norm: (written_out, 5, "training", False),
        functional.instance_norm: (of_instances, 5, "use_input_stats", True),
    }
    names = {"input": "given"}

    class WrittenOut(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            words: dict[str, Any] = dict(kwargs or {})
            if function in norms:
                norm, place, word, default = norms[function]
                of_input = args[place] if len(args) > place else words.get(word, default)
                mean = args[1] if len(args) > 1 else words.get("running_mean")
                if not of_input and mean is not None:
                    return norm(*args, **{names.get(key, key): one for key, one in words.items()})
            return function(*args, **words)

    with WrittenOut():
        yield
