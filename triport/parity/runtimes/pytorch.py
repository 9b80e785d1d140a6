"""Runs a network in PyTorch, on CPU, CUDA or (by way of torch_npu) an Ascend NPU."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import util
from typing import Any, Literal

import numpy as np

from triport.converters import environment
from triport.converters.environment import import_torch as framework
from triport.converters.torch_export.arrays import array_of
from triport.parity.calls import CalledModule, Feed, ModuleCall, ReferenceNames, Visit, input_name
from triport.parity.device import parse_device
from triport.parity.kernels.approximations import Approximation, approximated
from triport.parity.kernels.cudnn import WITHOUT_CUDNN, recurrent_layers, without_cudnn
from triport.parity.kernels.inexact import inexact, reversed_sums
from triport.parity.kernels.on_cores import on_cores
from triport.parity.kernels.resize_places import moved_places
from triport.parity.kernels.serial_sums import serial_sums
from triport.parity.layers.pairs import under_their_names
from triport.parity.precision import FULL, check_precision
from triport.parity.precision import recorded as recorded_precision
from triport.parity.subjects.nesting import leaves, replaced
from triport.parity.subjects.outputs import named_outputs
from triport.parity.subjects.parameters import by_their_names, matched, shared_parameters
from triport.parity.tensor_origins import Origins
from triport.parity.torch_devices import allow_tf32, require_device
from triport.reference_models.errors import counted
from triport.reference_models.kinds import KINDS, kind_of
from triport.reference_models.network import Arrays, Network
from triport.reference_models.real_numbers import real_numbers

NAME, LABEL, LOADS, TITLE = "pytorch", "pytorch", "pytorch", "PyTorch"
BY_DEFAULT = True
DEVICES = ("cpu", "cuda", "npu")
PRECISIONS = ("float32", "tf32", "hf32", "float16", "bfloat16", "O0", "O1", "O2", "O3")
WHY_NOT = ""
NOT_COMPARED = "they were not called"

# Orders in which the same sums may be taken: other memory layouts and batch sizes have other kernels. With
# "one by one" means of many numbers are summed so too.
Order = Literal["contiguous", "channels last", "one by one"]
# And to which side functions that no library rounds exactly are off with each.
ORDERS: dict[Order, int] = {"contiguous": 0, "channels last": 1, "one by one": -1}


def devices() -> Iterator[tuple[str, bool, str]]:
    """Yield each kind of device; see `Runtime`."""
    torch = framework()
    yield "cpu", True, ""
    cuda = "needs an NVIDIA GPU with its driver, and a CUDA build of PyTorch"
    yield "cuda", torch.cuda.is_available(), cuda
    if util.find_spec("torch_npu") is None:
        yield "npu", False, 'needs an Ascend NPU with CANN, then: pip install "triport[npu]"'
        return
    try:
        import torch_npu  # noqa: F401

        usable = torch.npu.is_available()
        yield "npu", usable, "torch_npu loads, but finds no NPU: check the driver with npu-smi info"
    except (ImportError, OSError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        yield "npu", False, f"torch_npu does not load ({reason}): install CANN and source its set_env.sh"


def load(
    network: Network,
    parameters: Arrays,
    device: str = "cpu",
    precision: str = "float32",
    observed: bool = False,
) -> PyTorchRunner:
    """Return the network's Module with these parameters; see `Runtime`."""
    return PyTorchRunner(network, parameters, device, precision=precision)


class PyTorchRunner:
    """A network's torch.nn.Module with the given parameters, in evaluation mode."""

    runtime = NAME
    notes: tuple[str, ...] = ()
    # how many runs tell its noise, and how many do where these are far apart
    draws = len(ORDERS)
    most_draws = 4 * len(ORDERS)

    def __init__(
        self,
        network: Network,
        parameters: Arrays,
        device: str = "cpu",
        dtype: Literal["float32", "float64"] = "float32",
        precision: str = "float32",
    ) -> None:
        """Build the network; `parameters` are by the network's names, strictly all of them.

        `precision` lowers a float32 network, as precision.py says; its outputs come as float32.

        Raises:
            TriportError: PyTorch is not installed.
            DeviceError: the device is not there.
            PrecisionError: PyTorch cannot compute so on this device.
            ParameterError: the parameters do not fit the network.
        """
        torch = framework()
        where = parse_device(device)
        require_device(torch, where)
        check_precision(precision, where, NAME, PRECISIONS, WHY_NOT)
        self.device = str(where)
        self.dtype = dtype
        self.network = network
        # what of another runtime's kernels is computed as there, and which of these functions were met
        self.imitated: tuple[Approximation, ...] = ()
        self.met: set[str] = set()
        self._where, self._precision = where, precision
        self._in_memory: Order = "contiguous"
        self._recurrent: list[Any] = []
        self._flags = recorded_precision(precision if precision not in FULL else dtype, where)
        self._torch = torch
        self._names = network.realisations["pytorch"].names
        self._dtype = getattr(torch, dtype)
        self._net = self._loaded(parameters).eval().to(self.device, self._dtype)
        if where.kind == "cuda" and precision in FULL:
            self._recurrent = recurrent_layers(torch, self._net)
            if self._recurrent:
                self.notes = (WITHOUT_CUDNN.format(counted(len(self._recurrent), "recurrent layer")),)
        if precision not in FULL:
            self._net = _lowered(torch, self._net, precision)
            lower = {
                "bfloat16": torch.bfloat16,
                "float16": torch.float16,
                "O2": torch.float16,
                "O3": torch.float16,
            }
            self._dtype = lower.get(precision, self._dtype)

    def _loaded(self, parameters: Arrays) -> Any:
        """Return the Module with the parameters, and with what it keeps of its own."""
        torch, realisation = self._torch, self.network.realisations["pytorch"]
        net = realisation.build()
        owned = net.state_dict()
        wanted = {name: tensor for name, tensor in owned.items() if name not in realisation.kept}
        arrays = matched(
            f"{self.network.name} in PyTorch",
            {name: tuple(tensor.shape) for name, tensor in wanted.items()},
            by_their_names(realisation.own(parameters), wanted, self.canonical),
        )
        state = {
            name: torch.from_numpy(arrays[name] if arrays[name].flags.writeable else arrays[name].copy())
            if name in arrays
            # a counter of batches, which inference does not read
            else torch.zeros(tensor.shape, dtype=tensor.dtype)
            for name, tensor in wanted.items()
        }
        shared = shared_parameters(net)
        owned.update(state)  # not a new dict: this one has the modules' versions, which some ask for
        net.load_state_dict(owned, strict=True, assign=True)
        for name, first in shared.items():  # each name has got a tensor of its own
            path, _, leaf = name.rpartition(".")
            setattr(net.get_submodule(path), leaf, net.get_parameter(first))
        return net

    def keep_channels_last(self) -> None:
        """From here on, have weights and images in that order in memory: a CPU convolves faster so."""
        if self._where.kind == "cpu":
            self._in_memory = "channels last"
            self._net = self._net.to(memory_format=self._torch.channels_last)

    @property
    def shareable(self) -> bool:
        """Whether threads may run it at once: our definitions keep nothing of a call, a user's may."""
        return self._in_memory == "channels last"

    def shared(self, cores: int) -> AbstractContextManager[None]:
        """Compute each run of a `with` on so many cores."""
        return on_cores(self._torch, cores)

    def run(self, feed: Arrays, order: Order = "contiguous") -> dict[str, np.ndarray]:
        """Return the outputs by name.

        They are in this runner's dtype; bfloat16, which NumPy lacks, comes as float32.
        """
        allow_tf32(self._torch, self._where, self._precision in ("tf32", "hf32"))
        with self._torch.inference_mode(), self._in_its_type(), self._ordered(order):
            rows = self.network.rows
            if order == "one by one" and rows is not None:
                return rows.joined([self._computed(row, order) for row in rows.split(feed)])
            return self._computed(feed, order)

    def _computed(self, feed: Arrays, order: Order) -> dict[str, np.ndarray]:
        return self._named(self._net(*self.on_device(feed, order)))

    def modules(self) -> list[CalledModule]:
        """Return every module but the network itself."""
        return [
            CalledModule(
                path,
                type(module).__name__,
                next(module.children(), None) is None,
                frozenset(self.canonical(f"{path}.{name}") for name in module.state_dict()),
                kind_of(module),
            )
            for path, module in self._net.named_modules()
            if path
        ]

    def trace(
        self,
        feed: Arrays,
        visit: Visit,
        fed: Feed | None = None,
        beside: ReferenceNames | None = None,
        order: Order = "contiguous",
    ) -> dict[str, np.ndarray]:
        """Run, tell `visit` of every call of a module, and return the outputs; see `Runner`.

        "one by one" runs as "contiguous" does: a call would be of one row.
        """
        if beside is not None:
            visit, fed = under_their_names(beside, self.modules(), visit, fed)
        inputs = self.on_device(feed, order)
        origins, counts = Origins(self._torch), Counter[str]()
        for given, tensor in zip(self.network.inputs, inputs, strict=True):
            origins.add(tensor, input_name(given.name))

        def feeding(path: str, arguments: tuple[Any, ...], words: dict[str, Any]) -> Any:
            arrays = fed(path, counts[path] + 1) if fed else None
            if arrays is None:
                return None
            return replaced((arguments, words), self._is_tensor, map(self.tensor, arrays))

        def called(path: str, arguments: Any, words: Any, output: Any) -> None:
            counts[path] += 1
            given = list(leaves((arguments, words), self._is_tensor))
            arrays, sources = tuple(map(self._array, given)), tuple(map(origins.of, given))
            for index, tensor in enumerate(leaves(output, self._is_tensor)):
                same_as = origins.of(tensor)
                output_array = real_numbers(self._array(tensor))
                call = ModuleCall(path, counts[path], arrays, output_array, sources, same_as, index)
                visit(call)
                if same_as is None:
                    origins.add(tensor, call.name)

        with self._hooked(called, feeding if fed else None), self._ordered(order), self._out_of_place():
            allow_tf32(self._torch, self._where, self._precision in ("tf32", "hf32"))
            # inference mode counts no writes
            with self._torch.no_grad(), self._in_its_type():
                return self._named(self._net(*inputs))

    @contextmanager
    def _hooked(self, called: Callable[..., None], feeding: Callable[..., Any] | None) -> Iterator[None]:
        """Have `called` told of every call of a module, and `feeding` asked before an innermost one."""
        handles = []
        for path, module in self._net.named_modules():
            if path:
                handles.append(module.register_forward_hook(_told(called, path), with_kwargs=True))
                if feeding and next(module.children(), None) is None:
                    # before what moves the input
                    handles.append(
                        module.register_forward_pre_hook(_told(feeding, path), prepend=True, with_kwargs=True)
                    )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return nothing: what follows a module is code."""
        return ""

    @contextmanager
    def _ordered(self, order: Order) -> Iterator[None]:
        """Let what no library rounds exactly be as far off as the order says, and sums have their order."""
        side = ORDERS[order] if self._precision in FULL else 0
        # where an input is not (N, C, H, W), memory has no other order
        in_memory = order != "channels last" or all(len(one.shape) == 4 for one in self.network.inputs)
        serial = order == "one by one" and self._where.kind == "cpu"
        with (
            inexact(self._net, side),
            moved_places(self._torch, side) if side else nullcontext(),
            without_cudnn(self._torch, self._recurrent) if self._recurrent else nullcontext(),
            nullcontext() if in_memory else reversed_sums(self._net),
            serial_sums(self._torch) if serial else nullcontext(),
            approximated(self._torch, self.imitated, self.met) if self.imitated else nullcontext(),
        ):
            yield

    @contextmanager
    def _out_of_place(self) -> Iterator[None]:
        """Let no activation overwrite what it is given, which is looked at once it has returned."""
        found = [module for module in self._net.modules() if getattr(module, "inplace", None) is True]
        for module in found:
            module.inplace = False
        try:
            yield
        finally:
            for module in found:
                module.inplace = True

    def _in_its_type(self) -> Any:
        """Return the context in which what the Module makes by itself has the type that is meant."""
        if self.dtype == "float64":
            return self._float64_by_default()
        if self._precision == "O1":
            return self._torch.autocast(self._where.kind, self._torch.float16)
        return nullcontext()  # an autocast that is not enabled refuses float16 too, before PyTorch 2.4

    @contextmanager
    def _float64_by_default(self) -> Iterator[None]:
        before = self._torch.get_default_dtype()
        self._torch.set_default_dtype(self._torch.float64)
        try:
            yield
        finally:
            self._torch.set_default_dtype(before)

    def on_device(self, feed: Arrays, order: Order = "contiguous") -> list[Any]:
        """Return the network's inputs as tensors, in order."""
        return [self.tensor(feed[given.name], order) for given in self.network.inputs]

    def tensor(self, array: np.ndarray, order: Order = "contiguous") -> Any:
        """Return an array as a tensor on the device, in this runner's dtype where it is floating point."""
        tensor = self._torch.tensor(array).to(self.device)
        if not tensor.is_floating_point():
            return tensor
        tensor = tensor.to(self._dtype)
        if "channels last" in (order, self._in_memory) and tensor.ndim == 4:
            return tensor.to(memory_format=self._torch.channels_last)
        return tensor

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, self._torch.Tensor)

    def _named(self, output: Any) -> dict[str, np.ndarray]:
        tensors = leaves(output, self._is_tensor)
        if self._precision not in FULL:
            tensors = (tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors)
        return named_outputs(self.network, [real_numbers(self._array(tensor)) for tensor in tensors])

    def _array(self, tensor: Any) -> np.ndarray:
        if tensor.dtype == self._torch.bfloat16:
            tensor = tensor.float()
        return array_of(tensor)

    def canonical(self, name: str) -> str:
        """Return the network's name of a parameter of the Module."""
        return self._names.get(name, name)

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes: a Module says it when it runs."""
        return True

    def versions(self) -> dict[str, str]:
        """Return the versions of PyTorch and torch_npu, the precision flags and the environment."""
        npu = {"torch_npu": sys.modules["torch_npu"].__version__} if self._where.kind == "npu" else {}
        order = {} if self._in_memory == "contiguous" else {"memory": self._in_memory}
        return {"torch": self._torch.__version__, **npu, **order, **self._flags, **environment.recorded()}


def _told(told: Callable[..., Any], path: str) -> Callable[..., Any]:
    """Return a hook that tells of a module by its path."""
    return lambda _, *what: told(path, *what)


def _lowered(torch: Any, net: Any, precision: str) -> Any:
    """Return a network with its parameters as `precision` has them; O1 leaves them to autocast."""
    if precision == "bfloat16":
        return net.bfloat16()
    if precision in ("float16", "O2", "O3"):
        net = net.half()
    if precision == "O2":
        for module in net.modules():
            if kind_of(module) is KINDS["norm"]:
                module.float()
    return net
