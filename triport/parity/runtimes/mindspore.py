"""Runs a network in MindSpore, on CPU, GPU or an Ascend NPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from triport.converters import environment
from triport.converters.environment import import_mindspore as framework
from triport.parity.calls import CalledModule, Feed, ModuleCall, ReferenceNames, Visit
from triport.parity.device import Device, DeviceError, parse_device
from triport.parity.kernels.approximations import Approximation
from triport.parity.kernels.mindspore import KERNELS
from triport.parity.layers.pairs import under_their_names
from triport.parity.precision import FULL, check_precision
from triport.parity.precision import recorded as recorded_precision
from triport.parity.subjects.nesting import leaves, replaced
from triport.parity.subjects.outputs import named_outputs
from triport.parity.subjects.parameters import by_their_names, matched
from triport.reference_models.kinds import kind_of
from triport.reference_models.network import Arrays, Network
from triport.reference_models.real_numbers import real_numbers

NAME, LABEL, LOADS, TITLE = "mindspore", "mindspore", "mindspore", "MindSpore"
BY_DEFAULT = True
DEVICES = ("cpu", "cuda", "npu")
PRECISIONS = ("float32", "tf32", "hf32", "float16", "O0", "O1", "O2", "O3")
WHY_NOT = "its BatchNorm takes no bfloat16"
NOT_COMPARED = "no Cell has the same parameters, or the same name and kind"

TARGETS = {"cpu": "CPU", "cuda": "GPU", "npu": "Ascend"}
_BACKENDS = {
    "cuda": "a MindSpore build with its GPU backend and the CUDA that it was built for",
    "npu": "Ascend's CANN and driver, and source CANN's set_env.sh before starting",
}
_allowed: dict[str, bool] = {}


def approximations_of(device: str, precision: str) -> tuple[Approximation, ...]:
    """Return which functions kernels of this device only approximate, as they are with full precision."""
    return KERNELS if parse_device(device).kind == "cpu" and precision in FULL else ()


def devices() -> Iterator[tuple[str, bool, str]]:
    """Yield each kind of device; see `Runtime`."""
    mindspore = framework()
    yield "cpu", True, ""
    for device, advice in (
        ("cuda", "needs a MindSpore build with its GPU backend; the newest ones have none"),
        ("npu", "needs an Ascend NPU with CANN; source CANN's set_env.sh before starting"),
    ):
        try:
            usable = bool(mindspore.hal.is_available(TARGETS[device]))
        except (RuntimeError, ValueError):
            usable = False
        yield device, usable, advice


def load(
    network: Network,
    parameters: Arrays,
    device: str = "cpu",
    precision: str = "float32",
    observed: bool = False,
) -> MindSporeRunner:
    """Return the network's Cell with these parameters; see `Runtime`."""
    return MindSporeRunner(network, parameters, device, precision=precision)


class MindSporeRunner:
    """A network's mindspore.nn.Cell with the given parameters, in evaluation mode."""

    runtime = NAME
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        network: Network,
        parameters: Arrays,
        device: str = "cpu",
        mode: Literal["pynative", "graph"] = "pynative",
        precision: str = "float32",
    ) -> None:
        """Build the network; `parameters` are by the network's names, strictly all of them.

        "pynative" runs at once, which is best for one feed; "graph" compiles for seconds per shape
        and then runs about twice as fast: feeds of fewer rows than the most so far are padded to as
        many, so that the last one of a data set compiles nothing.

        Raises:
            TriportError: MindSpore is not installed.
            DeviceError: the device is not there.
            PrecisionError: MindSpore cannot compute so on this device.
            ParameterError: the parameters do not fit the network.
        """
        mindspore = framework(device)
        where = parse_device(device)
        check_precision(precision, where, NAME, PRECISIONS, WHY_NOT)
        _select(mindspore, where, tf32=precision in ("tf32", "hf32"))
        self._where, self._precision = where, precision
        self._flags = recorded_precision(precision, where)
        self.device = str(where)
        self.approximations = approximations_of(device, precision)
        self.mode = mode
        self.network = network
        self._mindspore = mindspore
        self.names = network.realisations["mindspore"].names
        self._shapes = network.realisations["mindspore"].shapes
        net = self._loaded(parameters)
        # lower precisions wrap layers, which renames the parameters
        self._owned = {id(parameter): self.canonical(parameter.name) for parameter in net.get_parameters()}
        self._net = _lowered(mindspore, net.set_train(False), precision)
        self._row_count = 0

    def _loaded(self, parameters: Arrays) -> Any:
        """Return the Cell with the parameters, and with what it keeps of its own."""
        realisation = self.network.realisations["mindspore"]
        net = realisation.build()
        owned = {
            parameter.name: parameter
            for parameter in net.get_parameters()
            if parameter.name not in realisation.kept
        }
        arrays = matched(
            f"{self.network.name} in MindSpore",
            {name: tuple(parameter.shape) for name, parameter in owned.items()},
            by_their_names(realisation.own(parameters), owned, self.canonical),
        )
        for name, parameter in owned.items():
            parameter.set_data(self._mindspore.Tensor(arrays[name]))
        return net

    @property
    def cell(self) -> Any:
        """The Cell that is run."""
        return self._net

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        modes = {"pynative": self._mindspore.PYNATIVE_MODE, "graph": self._mindspore.GRAPH_MODE}
        self._mindspore.set_context(mode=modes[self.mode])
        _allow_tf32(self._mindspore, self._where, self._precision in ("tf32", "hf32"))
        rows = self.network.rows
        if self.mode == "pynative" or rows is None:
            return self._computed(feed)
        count = rows.count(feed)
        self._row_count = max(count, self._row_count)
        # filled up with the first row to the size that is compiled for
        wanted = [index if index < count else 0 for index in range(self._row_count)]
        if count == self._row_count:
            return self._computed(feed)
        return rows.take_outputs(self._computed(rows.take(feed, wanted)), range(count))

    def _computed(self, feed: Arrays) -> dict[str, np.ndarray]:
        tensors = leaves(self._net(*self.tensors(feed)), self.is_tensor)
        return named_outputs(self.network, [real_numbers(tensor.asnumpy()) for tensor in tensors])

    def modules(self) -> list[CalledModule]:
        """Return every Cell but the network itself, by MindSpore's own paths."""
        return [
            CalledModule(
                path,
                type(cell).__name__,
                not list(cell.cells()),
                frozenset(self._owned[id(parameter)] for parameter in cell.get_parameters()),
                kind_of(cell),
            )
            for path, cell in self._net.cells_and_names()
            if path
        ]

    def trace(
        self, feed: Arrays, visit: Visit, fed: Feed | None = None, beside: ReferenceNames | None = None
    ) -> dict[str, np.ndarray]:
        """Run in pynative mode, and tell `visit` of every call of a Cell; see `Runner`."""
        self._mindspore.set_context(mode=self._mindspore.PYNATIVE_MODE)
        if beside is not None:
            visit, fed = under_their_names(beside, self.modules(), visit, fed)
        counts = Counter[str]()

        def feeding(path: str, arguments: tuple[Any, ...]) -> Any:
            arrays = fed(path, counts[path] + 1) if fed else None
            if arrays is None:
                return arguments
            return replaced(arguments, self.is_tensor, map(self._on_device, arrays))

        def called(path: str, arguments: tuple[Any, ...], output: Any) -> None:
            counts[path] += 1
            given = tuple(one.asnumpy() for one in leaves(arguments, self.is_tensor))
            for index, tensor in enumerate(leaves(output, self.is_tensor)):
                found = real_numbers(tensor.asnumpy())
                visit(ModuleCall(path, counts[path], given, found, (None,) * len(given), None, index))

        handles = []
        for path, cell in self._net.cells_and_names():
            if path:
                # returns None: the output stays as it is
                handles.append(cell.register_forward_hook(lambda _, a, o, path=path: called(path, a, o)))
                if fed:
                    handles.append(cell.register_forward_pre_hook(lambda _, a, path=path: feeding(path, a)))
        try:
            return self._computed(feed)
        finally:
            for handle in handles:
                handle.remove()

    def following(self, beside: ReferenceNames, step: str) -> str:
        """Return nothing: what follows a Cell is code."""
        return ""

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes: a Cell says it when it runs, a file of one size before."""
        return self._shapes is None or tuple(shapes.values()) == self._shapes

    def canonical(self, name: str) -> str:
        """Return the network's name of a parameter of the Cell."""
        return self.names.get(name, name)

    def versions(self) -> dict[str, str]:
        """Return MindSpore's version and mode, the precision flags and the environment."""
        return {
            "mindspore": self._mindspore.__version__,
            "mode": self.mode,
            **self._flags,
            **environment.recorded(),
        }

    def tensors(self, feed: Arrays) -> list[Any]:
        """Return the network's inputs as tensors, in order."""
        return [self._on_device(feed[given.name]) for given in self.network.inputs]

    def _on_device(self, array: np.ndarray) -> Any:
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        return self._mindspore.Tensor(np.asarray(array, order="C"))

    def is_tensor(self, value: Any) -> bool:
        """Whether a value is a tensor that a Cell takes or returns."""
        # a parameter that a Cell hands to a Cell is no activation
        return isinstance(value, self._mindspore.Tensor) and not isinstance(value, self._mindspore.Parameter)


def _select(mindspore: Any, device: Device, *, tf32: bool) -> None:
    """Select the device, in full float32 or with its matrix units' rounding."""
    target = TARGETS[device.kind]
    if device.kind == "cpu":
        # once MindSpore has computed anything, even naming the device that it runs on is an error
        if mindspore.get_context("device_target") != target:
            mindspore.set_device(target)
        return
    if not mindspore.hal.is_available(target):
        raise DeviceError(
            f"MindSpore {mindspore.__version__} as installed has no {target} backend for {device}. "
            f"Install {_BACKENDS[device.kind]}, or use --device cpu."
        )
    try:
        if mindspore.get_current_device() != (target, device.index):
            mindspore.set_device(target, device.index)
        _allow_tf32(mindspore, device, tf32)
    except (RuntimeError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DeviceError(f"MindSpore cannot use {device} ({target}): {reason}") from error


def _allow_tf32(mindspore: Any, device: Device, allowed: bool) -> None:
    """Let matrix units round float32 inputs, or not: a setting of the process, said when it changes."""
    if _allowed.get(device.kind) == allowed:
        return
    _allowed[device.kind] = allowed
    if device.kind == "npu":
        precision = mindspore.device_context.ascend.op_precision
        precision.matmul_allow_hf32(allowed)
        precision.conv_allow_hf32(allowed)
    elif device.kind == "cuda":
        precision = mindspore.device_context.gpu.op_precision
        precision.matmul_allow_tf32(allowed)
        precision.conv_allow_tf32(allowed)


def _lowered(mindspore: Any, net: Any, precision: str) -> Any:
    """Return a MindSpore network that computes with `precision`."""
    if precision == "O1":
        return _lowered_layers(mindspore, net)
    if precision in ("float16", "O2", "O3"):
        level = "O2" if precision == "O2" else "O3"
        return mindspore.amp.auto_mixed_precision(net, level)
    return net


def _lowered_layers(mindspore: Any, net: Any) -> Any:
    """Let the Cells of MindSpore's own white list compute in float16, from and to float32.

    `auto_mixed_precision(net, "O1")` would rewrite the network's source and run it, which fails in
    MindSpore 2.10 on any network whose functions come from modules with relative imports.
    """
    from mindspore import nn

    class FromAndToFloat32(nn.Cell):
        def __init__(self, cell: Any) -> None:
            super().__init__(auto_prefix=False)
            self.cell = cell.to_float(mindspore.float16)

        def construct(self, x: Any) -> Any:
            return mindspore.ops.cast(self.cell(x), mindspore.float32)

    lowered = tuple(
        kind
        for kind in mindspore.amp.get_white_list()
        if isinstance(kind, type) and issubclass(kind, nn.Cell)
    )

    def lower(cell: Any) -> None:
        for index, (name, child) in enumerate(list(cell.name_cells().items())):
            if not isinstance(child, lowered):
                lower(child)
            elif isinstance(cell, nn.SequentialCell | nn.CellList):
                cell[index] = FromAndToFloat32(child)
            else:
                setattr(cell, name, FromAndToFloat32(child))

    lower(net)
    return net
