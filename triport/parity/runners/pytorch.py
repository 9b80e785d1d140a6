"""Runs a model in PyTorch, on CPU, CUDA or (by way of torch_npu) an Ascend NPU."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from triport.converters import environment
from triport.reference_models.spec import ModelSpec

from .calls import IMAGES, Call, Feed, Module, Visit, call_name
from .device import Device, DeviceError, parse_device
from .parameters import matched
from .precision import FULL, check_precision, lowered_torch
from .precision import recorded as recorded_precision

Precision = Literal["float32", "float16", "bfloat16"]
# Orders in which the same sums may be taken: other memory layouts and batch sizes have other kernels.
Order = Literal["contiguous", "channels last", "one by one"]
# And by how many roundings of 1 a sigmoid, which no library rounds exactly, is off with each.
ORDERS: dict[Order, int] = {"contiguous": 0, "channels last": 4, "one by one": -4}


class PyTorchRunner:
    """The PyTorch definition with the given parameters, in evaluation mode."""

    runtime = "pytorch"
    notes: tuple[str, ...] = ()
    # how many runs tell its noise
    draws = len(ORDERS)

    def __init__(
        self,
        spec: ModelSpec,
        num_classes: int,
        parameters: Mapping[str, np.ndarray],
        device: str = "cpu",
        dtype: Precision | Literal["float64"] = "float32",
        precision: str = "float32",
    ) -> None:
        """Build the network; `parameters` are by canonical name, strictly all of them.

        `precision` lowers a float32 network, as precision.py says; its logits come as float32.

        Raises:
            TriportError: PyTorch is not installed.
            DeviceError: the device is not there.
            PrecisionError: PyTorch cannot compute so on this device.
            ParameterError: the parameters do not fit the network.
        """
        torch = environment.import_torch()
        where = parse_device(device)
        require_device(torch, where)
        check_precision(precision, self.runtime, where)
        self.device = str(where)
        self.dtype = dtype
        self._where, self._precision = where, precision
        self._flags = recorded_precision(precision if precision not in FULL else dtype, where)
        with torch.device("meta"):
            net = spec.build_torch(num_classes)
        expected = net.state_dict()
        arrays = matched(
            f"{spec.name} in PyTorch",
            {name: tuple(tensor.shape) for name, tensor in expected.items()},
            parameters,
        )
        state = {
            name: torch.from_numpy(arrays[name] if arrays[name].flags.writeable else arrays[name].copy())
            if name in arrays
            else torch.zeros(tensor.shape, dtype=tensor.dtype)
            for name, tensor in expected.items()
        }
        net.load_state_dict(state, strict=True, assign=True)
        self._torch = torch
        self._dtype = getattr(torch, dtype)
        self._net = net.eval().to(self.device, self._dtype)
        if precision not in FULL:
            self._net = lowered_torch(torch, self._net, precision)
            lower = {
                "bfloat16": torch.bfloat16,
                "float16": torch.float16,
                "O2": torch.float16,
                "O3": torch.float16,
            }
            self._dtype = lower.get(precision, self._dtype)

    def run(self, batch: np.ndarray, order: Order = "contiguous") -> np.ndarray:
        """Return the logits (N, classes) of `batch` (N, 3, H, W) float32.

        They are in this runner's dtype; bfloat16, which NumPy lacks, comes as float32.
        """
        _allow_tf32(self._torch, self._where, self._precision in ("tf32", "hf32"))
        if self._precision not in FULL:
            with self._torch.inference_mode(), self._autocast():
                return self._net(self._images(batch, order)).float().cpu().numpy()
        with self._torch.inference_mode(), self._inexact_sigmoids(order):
            if order == "one by one":
                return np.concatenate([self._array(self._net(self._images(image[None]))) for image in batch])
            return self._array(self._net(self._images(batch, order)))

    def modules(self) -> list[Module]:
        """Return every module but the network itself."""
        return [
            Module(
                path,
                type(module).__name__,
                next(module.children(), None) is None,
                frozenset(f"{path}.{name}" for name in module.state_dict()),
            )
            for path, module in self._net.named_modules()
            if path
        ]

    def trace(
        self, batch: np.ndarray, visit: Visit, feed: Feed | None = None, order: Order = "contiguous"
    ) -> np.ndarray:
        """Run, tell `visit` of every call of a module, and return the logits.

        `feed` gives modules without children another input than their own. "one by one" runs as
        "contiguous" does: a call would be of one image.
        """
        from torch.utils.weak import WeakIdKeyDictionary

        torch = self._torch
        made_by, counts = WeakIdKeyDictionary(), Counter[str]()
        images = self._images(batch, order)
        made_by[images] = IMAGES

        def fed(path: str, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
            given = feed(path, counts[path] + 1) if feed else None
            return None if given is None else (self._images(given, order),)

        def called(path: str, arguments: tuple[Any, ...], output: Any) -> None:
            counts[path] += 1
            source, same_as = made_by.get(arguments[0]), made_by.get(output)
            visit(Call(path, counts[path], self._array(arguments[0]), self._array(output), source, same_as))
            made_by.setdefault(output, call_name(path, counts[path]))

        handles = []
        for path, module in self._net.named_modules():
            if path:
                handles.append(module.register_forward_hook(lambda _, a, o, path=path: called(path, a, o)))
                if feed and next(module.children(), None) is None:
                    # before what moves the input
                    handles.append(
                        module.register_forward_pre_hook(lambda _, a, path=path: fed(path, a), prepend=True)
                    )
        try:
            _allow_tf32(torch, self._where, self._precision in ("tf32", "hf32"))
            with torch.inference_mode(), self._autocast(), self._inexact_sigmoids(order):
                return self._array(self._net(images))
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _inexact_sigmoids(self, order: Order) -> Iterator[None]:
        """Let every sigmoid be as far off as the order says."""
        by = ORDERS[order] * 2.0**-24
        sigmoids = [module for module in self._net.modules() if isinstance(module, self._torch.nn.Sigmoid)]
        # before what looks at the outputs
        handles = [
            module.register_forward_hook(lambda _, a, output: output + by, prepend=True)
            for module in sigmoids
            if by
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _autocast(self) -> Any:
        return self._torch.autocast(self._where.kind, self._torch.float16, enabled=self._precision == "O1")

    def _images(self, batch: np.ndarray, order: Order = "contiguous") -> Any:
        images = self._torch.tensor(batch).to(self.device, self._dtype)
        if order == "channels last" and images.ndim == 4:
            return images.to(memory_format=self._torch.channels_last)
        return images

    def _array(self, tensor: Any) -> np.ndarray:
        if tensor.dtype == self._torch.bfloat16:
            tensor = tensor.float()
        return tensor.detach().cpu().numpy()

    def takes(self, size_px: int) -> bool:
        """Whether the input may be of this size: the definitions end in a pool over all of it."""
        return True

    def versions(self) -> dict[str, str]:
        """Return the versions of PyTorch and torch_npu, the precision flags and the environment."""
        npu = {"torch_npu": sys.modules["torch_npu"].__version__} if self._where.kind == "npu" else {}
        return {"torch": self._torch.__version__, **npu, **self._flags, **environment.recorded()}


def require_device(torch: Any, device: Device) -> None:
    """Raise DeviceError unless PyTorch can use `device`."""
    if device.kind == "cuda":
        if not torch.cuda.is_available():
            built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
            raise DeviceError(
                f"PyTorch {torch.__version__} ({built}) finds no CUDA device for {device}. Install a "
                "CUDA build (https://pytorch.org/get-started) and a driver, or use --device cpu."
            )
        _require_index("CUDA", device, torch.cuda.device_count())
    elif device.kind == "npu":
        try:
            import torch_npu  # noqa: F401
        except Exception as error:  # it fails with whatever CANN's missing libraries raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DeviceError(
                f"PyTorch cannot use {device}: torch_npu does not load ({reason}). Install Ascend's CANN "
                'and driver, source its set_env.sh, then pip install "triport[npu]".'
            ) from error
        if not torch.npu.is_available():
            raise DeviceError(
                f"PyTorch finds no NPU for {device}: check `npu-smi info` and CANN's set_env.sh"
            )
        _require_index("NPU", device, torch.npu.device_count())


def _require_index(name: str, device: Device, count: int) -> None:
    if device.index >= count:
        raise DeviceError(f"PyTorch sees {count} {name} device(s), numbered from 0: there is no {device}")


def _allow_tf32(torch: Any, device: Device, allowed: bool) -> None:
    """Let matrix units round float32 inputs, or not; said before every run: it holds for the process."""
    if device.kind == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
    elif device.kind == "npu":
        torch.npu.matmul.allow_hf32 = allowed
        torch.npu.conv.allow_hf32 = allowed
