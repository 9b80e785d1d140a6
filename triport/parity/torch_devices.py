"""PyTorch's devices: whether one is there, and what its matrix units may round."""

from __future__ import annotations

from typing import Any

from triport.parity.device import Device, DeviceError


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


def allow_tf32(torch: Any, device: Device, allowed: bool) -> None:
    """Let matrix units round float32 inputs, or not; said before every run: it holds for the process."""
    if device.kind == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
    elif device.kind == "npu":
        torch.npu.matmul.allow_hf32 = allowed
        torch.npu.conv.allow_hf32 = allowed
