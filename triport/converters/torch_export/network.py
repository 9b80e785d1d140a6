"""A torch.nn.Module as what takes arrays and returns arrays, with named inputs and outputs."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.mindir.outputs import unique
from triport.converters.networks.factories import users_code
from triport.converters.networks.input_specs import InputSpec, InputSpecError, network_inputs
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.real_numbers import real_numbers

from .arrays import array_of
from .kept import Kept
from .outputs import flatten

PREFIX = "net."  # of the Module's names inside of what is exported
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ModuleError(TriportError):
    """A Module cannot be run, or not be compared with anything."""


class TorchNet:
    """A Module in evaluation mode, with the inputs that the user described.

    Attributes:
        module: the user's; its parameters are never left changed.
        inputs: named, with their free axes.
        sizes: of each free axis, the size that the user described.
        state: every tensor of the state dict by name, also those that share their values.
        left_out: what the Module returns that is no tensor: its place, and what it is.
        notes: what was changed about the Module.
    """

    def __init__(self, module: Any, specs: Sequence[InputSpec], name: str) -> None:
        """Put the Module into evaluation mode, and match the inputs with its `forward`."""
        self._torch = import_torch()
        self.module, self.name = module, name
        self.notes: list[str] = []
        in_training = [path for path, one in module.named_modules() if one.training]
        if in_training:
            self.notes.append(f"{name} was in training mode; it was put into evaluation mode")
            module.eval()
        self._kept = Kept(module)
        keywords, names = _match(inspect.signature(module.forward), specs, name)
        inputs, self.sizes = network_inputs(specs, names)
        self.state: dict[str, Any] = {
            path: tensor
            for path, tensor in module.state_dict(keep_vars=True).items()
            if isinstance(tensor, self._torch.Tensor)
        }
        # in a graph a parameter and an input cannot have one name, and the parameter's is to be found again
        called = unique([given.name for given in inputs], list(self.state))
        self.inputs = tuple(replace(given, name=one) for given, one in zip(inputs, called, strict=True))
        self.wrapped = _wrap(self._torch, module, keywords)
        self._is_wide = False
        self.output_names: tuple[str, ...] = ()
        self.left_out: list[tuple[str, str]] = []

    @property
    def precision(self) -> str:
        """The lowest floating-point type of the parameters and inputs, float32 where there is none."""
        found = {str(tensor.dtype).removeprefix("torch.") for tensor in self.state.values()}
        found |= {given.dtype for given in self.inputs}
        return next((dtype for dtype in ("bfloat16", "float16", "float32") if dtype in found), "float64")

    def aliases(self) -> dict[str, str]:
        """Return, by name, which earlier name of the state dict has the very same values in memory."""
        seen: dict[Any, str] = {}
        found = {}
        for name, tensor in self.state.items():
            place = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
            first = seen.setdefault(place if tensor.numel() else name, name)
            if first != name:
                found[name] = first
        return found

    def tensors(self, arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """Return arrays as tensors, in the order of the inputs."""
        return tuple(self._torch.from_numpy(np.array(array)) for array in arrays)

    def run(self, arrays: Sequence[np.ndarray], *, wrapped: Any = None) -> list[np.ndarray]:
        """Return the outputs, as the Module computes them with the parameters that it has now.

        Raises:
            TriportError: the Module fails on these inputs.
        """
        run = self.wrapped if wrapped is None else wrapped
        if self._is_wide:
            arrays = [one.astype(np.float64) if one.dtype.kind == "f" else one for one in arrays]
        tensors = self.tensors(arrays)
        with users_code(f"{self.name} on inputs of {_shapes(arrays)}"), self._torch.no_grad():
            results = run(*tensors)
        return [_array(self._torch, result) for result in results]

    def name_outputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Run once, and name the outputs by the keys and fields of what the Module returns."""
        with users_code(f"{self.name} on inputs of {_shapes(arrays)}"), self._torch.no_grad():
            found = flatten(self.wrapped.call(*self.tensors(arrays)), self._torch.Tensor)
        if not found.tensors:
            raise ModuleError(
                f"{self.name}: returns no tensor, but {', '.join(w for _, w in found.left_out)}"
            )
        if not any(tensor.numel() for _, tensor in found.tensors):
            raise ModuleError(
                f"{self.name}: what it returns has no elements on inputs of {_shapes(arrays)}, so that "
                "nothing of it can be compared. Give other sizes"
            )
        names = [name for name, _ in found.tensors]
        if any(names):
            names = [name or f"output_{index}" for index, name in enumerate(names)]
        else:
            names = ["output"] if len(names) == 1 else [f"output_{index}" for index in range(len(names))]
        self.output_names = unique(names, [*(given.name for given in self.inputs), *self.state])
        self.left_out = found.left_out

    def refresh(self) -> None:
        """Let the Module forget what it keeps of its parameters between calls."""
        self._kept.forget()

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Put back what the Module writes into its buffers, as a counter of calls, and all else it keeps."""
        slots = _buffer_slots(self.module)
        before = [(buffer, buffer.detach().clone()) for _, _, buffer in slots if buffer is not None]
        try:
            yield
        finally:
            for owner, name, buffer in slots:
                owner._buffers[name] = buffer
            for buffer, values in before:
                buffer.data.copy_(values)
            self.refresh()

    @contextlib.contextmanager
    def with_values(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Let the Module have other values, by name, until the block ends."""
        with self._restored():
            for name, value in values.items():
                self.state[name].data.copy_(value)
            yield

    @contextlib.contextmanager
    def in_float64(self) -> Iterator[None]:
        """Let the Module compute in float64 until the block ends, with the values that it has now."""
        torch, before = self._torch, self._torch.get_default_dtype()
        with self._restored():
            self.module.double()
            torch.set_default_dtype(torch.float64)
            self._is_wide = True
            try:
                yield
            finally:
                self._is_wide = False
                torch.set_default_dtype(before)

    @contextlib.contextmanager
    def _restored(self) -> Iterator[None]:
        """Put every parameter and buffer back as it was, bit for bit and shared as it was."""
        torch = self._torch
        owned = [*self.module.parameters(), *self.module.buffers()]
        unique_ones = list({id(tensor): tensor for tensor in owned}.values())
        kept = [(tensor, tensor.data) for tensor in unique_ones]
        # what is written into must be a copy, the same one for all that share it
        copies: dict[Any, Any] = {}
        slots = _buffer_slots(self.module)
        with torch.no_grad():
            for tensor, data in kept:
                place = (data.data_ptr(), tuple(data.shape), data.stride(), data.dtype)
                if place not in copies or not data.numel():
                    copies[place] = data.clone()
                tensor.data = copies[place]
        self.refresh()
        try:
            yield
        finally:
            for owner, name, buffer in slots:
                owner._buffers[name] = buffer
            for tensor, data in kept:
                tensor.data = data
            self.refresh()

    def buffers_among(self, names: Iterable[str]) -> list[str]:
        """Return which of a graph's tensors are buffers; "net." is before those that no state dict has."""
        buffers = {name for name, _ in self.module.named_buffers(remove_duplicate=False)}
        own = {name for name, _ in self.module.named_parameters(remove_duplicate=False)}
        return [name for name in names if {name, name.removeprefix("net.")} & buffers and name not in own]


def _buffer_slots(module: Any) -> list[tuple[Any, str, Any]]:
    """Return where each buffer hangs: a change of the type puts another tensor there."""
    return [(one, name, buffer) for one in module.modules() for name, buffer in one._buffers.items()]


def _match(
    signature: inspect.Signature, specs: Sequence[InputSpec], name: str
) -> tuple[list[str | None], list[str]]:
    """Return, for each input, with which keyword it is given, None by its place, and what it is called.

    An input whose name is one of `forward`'s is given by that keyword. Where none of the names is, the inputs
    are given in order and the names are merely theirs.
    """
    parameters = list(signature.parameters.values())
    kinds = {one.kind for one in parameters}
    known = [one.name for one in parameters if one.kind in _POSITIONAL]
    keywords = known + [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    named = [spec.name for spec in specs if spec.name]
    are_keywords = bool(set(named) & set(keywords))
    unknown = [one for one in named if one not in keywords]
    takes = f"{name}: its forward takes {', '.join(keywords) or 'nothing'}"
    if are_keywords and unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise InputSpecError(f"{takes}, and --input names {', '.join(unknown)}")
    free = iter([one for one in known if not (are_keywords and one in named)])
    found: list[tuple[str | None, str]] = []
    for index, spec in enumerate(specs):
        place = None if are_keywords and spec.name else next(free, None)
        if (
            place is None
            and not (are_keywords and spec.name)
            and inspect.Parameter.VAR_POSITIONAL not in kinds
        ):
            raise InputSpecError(f"{takes}, and --input is given {counted(len(specs), 'time')}")
        called = spec.name or place or ("input" if len(specs) == 1 else f"input_{index}")
        found.append((called if are_keywords and place is None else place if are_keywords else None, called))
    given = {keyword or called for keyword, called in found} | set(
        known[: len(specs)] if not are_keywords else ()
    )
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind in (*_POSITIONAL, one.KEYWORD_ONLY) and one.name not in given
    ]
    if needed:
        raise InputSpecError(
            f"{takes}, and needs {', '.join(needed)} as well: describe each with an --input, in order or as "
            f"{needed[0]}=1x8:float32"
        )
    return [keyword for keyword, _ in found], [called for _, called in found]


def _wrap(torch: Any, module: Any, keywords: Sequence[str | None]) -> Any:
    """Return a Module that takes tensors in order, and returns a tuple of tensors."""

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # it stays in training mode itself: of a Module in evaluation mode the TorchScript exporter merges
            # tensors that are equal, and one name then stands for several parameters
            self.net = module

        def call(self, *tensors: Any) -> Any:
            places = [one for one, name in zip(tensors, keywords, strict=True) if name is None]
            named = {name: one for one, name in zip(tensors, keywords, strict=True) if name is not None}
            return self.net(*places, **named)

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            return tuple(tensor for _, tensor in flatten(self.call(*tensors), torch.Tensor).tensors)

    return Wrapped()


def _array(torch: Any, tensor: Any) -> np.ndarray:
    return real_numbers(array_of(tensor.float() if tensor.dtype == torch.bfloat16 else tensor))


def _shapes(arrays: Sequence[np.ndarray]) -> str:
    return ", ".join(f"{'x'.join(map(str, array.shape)) or '()'}:{array.dtype}" for array in arrays)
