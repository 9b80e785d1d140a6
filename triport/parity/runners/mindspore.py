"""Runs a model in MindSpore, on CPU, GPU or an Ascend NPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from triport.converters import environment
from triport.converters.names import name_map, reference_dialect
from triport.reference_models.kinds import kind_of
from triport.reference_models.spec import ModelSpec

from .calls import Call, Feed, Module, Visit
from .device import Device, DeviceError, parse_device
from .parameters import matched
from .precision import check_precision, lowered_mindspore
from .precision import recorded as recorded_precision

TARGETS = {"cpu": "CPU", "cuda": "GPU", "npu": "Ascend"}
_BACKENDS = {
    "cuda": "a MindSpore build with its GPU backend and the CUDA that it was built for",
    "npu": "Ascend's CANN and driver, and source CANN's set_env.sh before starting",
}
_allowed: dict[str, bool] = {}


class MindSporeRunner:
    """The MindSpore definition with the given parameters, in evaluation mode."""

    runtime = "mindspore"
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        spec: ModelSpec,
        num_classes: int,
        parameters: Mapping[str, np.ndarray],
        device: str = "cpu",
        mode: Literal["pynative", "graph"] = "pynative",
        precision: str = "float32",
    ) -> None:
        """Build the network; `parameters` are by canonical name, strictly all of them.

        "pynative" runs at once, which is best for one batch; "graph" compiles for seconds per shape
        and then runs about twice as fast: batches smaller than the largest so far are padded to its
        size, so that the last one of a data set compiles nothing.

        Raises:
            TriportError: MindSpore is not installed.
            DeviceError: the device is not there.
            PrecisionError: MindSpore cannot compute so on this device.
            ParameterError: the parameters do not fit the network.
        """
        mindspore = environment.import_mindspore(device)
        where = parse_device(device)
        check_precision(precision, self.runtime, where)
        _select(mindspore, where, tf32=precision in ("tf32", "hf32"))
        self._where, self._precision = where, precision
        self._flags = recorded_precision(precision, where)
        self.device = str(where)
        self.mode = mode
        self._mindspore = mindspore
        from mindspore.nn.utils import no_init_parameters

        with no_init_parameters():
            net = spec.build_mindspore(num_classes)
        names = name_map(spec, reference_dialect(spec, self.runtime))
        self._canonical = {theirs: name for name, theirs in names.items()}
        owned = {parameter.name: parameter for parameter in net.get_parameters()}
        arrays = matched(
            f"{spec.name} in MindSpore",
            {name: tuple(parameter.shape) for name, parameter in owned.items()},
            {names.get(name, name): array for name, array in parameters.items()},
        )
        for name, parameter in owned.items():
            parameter.set_data(mindspore.Tensor(arrays[name]))
        # lower precisions wrap layers, which renames the parameters
        self._owned = {id(parameter): self._canonical[name] for name, parameter in owned.items()}
        self._net = lowered_mindspore(mindspore, net.set_train(False), precision)
        self._batch_size: int | None = None

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) float32 of `batch` (N, 3, H, W) float32."""
        modes = {"pynative": self._mindspore.PYNATIVE_MODE, "graph": self._mindspore.GRAPH_MODE}
        self._mindspore.set_context(mode=modes[self.mode])
        _allow_tf32(self._mindspore, self._where, self._precision in ("tf32", "hf32"))
        count = len(batch)
        if self.mode == "graph":
            batch = self._padded(batch)
        return self._net(self._mindspore.Tensor(np.ascontiguousarray(batch))).asnumpy()[:count]

    def modules(self) -> list[Module]:
        """Return every Cell but the network itself, by MindSpore's own paths."""
        return [
            Module(
                path,
                type(cell).__name__,
                not list(cell.cells()),
                frozenset(self._owned[id(parameter)] for parameter in cell.get_parameters()),
                kind_of(cell),
            )
            for path, cell in self._net.cells_and_names()
            if path
        ]

    def trace(self, batch: np.ndarray, visit: Visit, feed: Feed | None = None) -> np.ndarray:
        """Run in pynative mode, tell `visit` of every call of a Cell, and return the logits.

        `feed` gives Cells without children another input than their own.
        """
        self._mindspore.set_context(mode=self._mindspore.PYNATIVE_MODE)
        counts = Counter[str]()

        def fed(path: str, arguments: tuple[Any, ...]) -> Any:
            given = feed(path, counts[path] + 1) if feed else None
            if given is None:
                return arguments
            return (self._mindspore.Tensor(np.ascontiguousarray(given, np.float32)),)

        def called(path: str, arguments: tuple[Any, ...], output: Any) -> None:
            counts[path] += 1
            visit(Call(path, counts[path], arguments[0].asnumpy(), output.asnumpy()))

        handles = []
        for path, cell in self._net.cells_and_names():
            if path:
                # returns None: the output stays as it is
                handles.append(cell.register_forward_hook(lambda _, a, o, path=path: called(path, a, o)))
                if feed and not list(cell.cells()):
                    handles.append(cell.register_forward_pre_hook(lambda _, a, path=path: fed(path, a)))
        try:
            return self._net(self._mindspore.Tensor(np.ascontiguousarray(batch))).asnumpy()
        finally:
            for handle in handles:
                handle.remove()

    def takes(self, size_px: int) -> bool:
        """Whether the input may be of this size: the definitions end in a pool over all of it."""
        return True

    def versions(self) -> dict[str, str]:
        """Return MindSpore's version and mode, the precision flags and the environment."""
        return {
            "mindspore": self._mindspore.__version__,
            "mode": self.mode,
            **self._flags,
            **environment.recorded(),
        }

    def _padded(self, batch: np.ndarray) -> np.ndarray:
        """Return `batch` filled up with zeros to the size of the largest seen, which is compiled for."""
        self._batch_size = max(len(batch), self._batch_size or 0)
        filling = np.zeros((self._batch_size - len(batch), *batch.shape[1:]), batch.dtype)
        return np.concatenate([batch, filling]) if len(filling) else batch


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
