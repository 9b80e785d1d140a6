"""A device `npu` for PyTorch on the CPU, with a stand-in for torch_npu: every line up to the kernels runs.

python -m tests.simulated_npu [--devices N] COMMAND...    the command line, on a machine with N such devices

A tensor on `npu` holds one on the CPU, and every operator runs there. What a device refuses is refused here
too: operands on two devices, a device that is not there, float64 in a convolution. torch_npu's HF32 switches,
mixed precision and collectives (HCCL, by gloo) are there under their names. It cannot be undone, so it has a
process of its own. It says nothing of an NPU's numbers.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

VERSION = "2.0.stand-in"
# what autocast lowers, as every device's list has it
LOWERED = ("conv2d", "linear", "addmm", "mm", "bmm", "matmul")

# which operators ran, in which type, and with which HF32 switch those that have one
CALLS: Counter[str] = Counter()
# the results of an operator whose name holds the word are this many times what they should be
FAULTS: dict[str, float] = {}
_state = SimpleNamespace(devices=1, current=0, libraries=[])


class NpuTensor(torch.Tensor):
    """A tensor that says to be on an NPU; its values are those of `raw`, on the CPU."""

    raw: torch.Tensor
    index: int

    @staticmethod
    def __new__(cls, raw: torch.Tensor, index: int) -> NpuTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=f"npu:{index}",
            requires_grad=raw.requires_grad,
        )
        made.raw, made.index = raw, index
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"NpuTensor({self.raw}, device='npu:{self.index}')"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run one operator on the CPU's tensors, and put what it makes where it belongs."""
    given = tree_leaves((args, kwargs))
    ours = [one for one in given if isinstance(one, NpuTensor)]
    _count(str(func), ours)
    if func is torch.ops.aten._local_scalar_dense.default:
        return ours[0].raw.item()
    if func is torch.ops.aten.copy_.default:
        target, source = (_raw(one) for one in args[:2])
        target.copy_(source)
        return args[0]
    index = _index_of(func, given, ours)
    made = func(*tree_map(_raw, args), **tree_map(_raw, kwargs))
    for word, factor in FAULTS.items():
        made = made * factor if word in str(func) else made
    if index is None:
        return made
    known = {id(one.raw): one for one in ours}  # what works in place returns its operand

    def placed(one: Any) -> Any:
        if not isinstance(one, torch.Tensor):
            return one
        return known[id(one)] if id(one) in known else NpuTensor(one, index)

    # a view of a tensor from outside of inference mode is none of inference mode's
    inference = torch.is_inference_mode_enabled()
    with torch.inference_mode(inference and not (func.is_view and not ours[0].is_inference())):
        return tree_map(placed, made)


def _count(name: str, ours: list[NpuTensor]) -> None:
    dtype = str(ours[0].dtype).removeprefix("torch.") if ours else ""
    units = f" hf32={torch.npu.conv.allow_hf32}" if "conv" in name else ""
    CALLS[f"{name} {dtype}{units}"] += 1


def _raw(value: Any) -> Any:
    """Return what the CPU is given for an argument."""
    if isinstance(value, NpuTensor):
        return value.raw
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == "npu" else value


def _index_of(func: Any, given: list[Any], ours: list[NpuTensor]) -> int | None:
    """Return the device that the result is on, None for the CPU; raise what a device raises."""
    asked = [one for one in given if isinstance(one, torch.device)]
    if asked:
        if asked[0].type != "npu":
            return None
        index = _state.current if asked[0].index is None else asked[0].index
        return _checked(index)
    others = [one for one in given if isinstance(one, torch.Tensor) and not isinstance(one, NpuTensor)]
    elsewhere = {str(one.device) for one in [*ours, *others] if one.ndim}
    if len(elsewhere) > 1:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found {sorted(elsewhere)} in {func}"
        )
    if "convolution" in str(func) and any(one.dtype == torch.float64 for one in ours):
        raise RuntimeError(f"{func}: float64 is not supported on an NPU")
    return ours[0].index if ours else _state.current


def _checked(index: int) -> int:
    if index >= _state.devices:
        raise RuntimeError(f"SetDevice:torch_npu: invalid device ID {index}, there are {_state.devices}")
    return int(index)


def _set_device(device: Any) -> None:
    _state.current = _checked(torch.device("npu", device).index if isinstance(device, int) else device.index)


def _npu_module() -> ModuleType:
    """Return what torch_npu makes `torch.npu`."""
    module = ModuleType("torch.npu")
    module.__dict__.update(
        is_available=lambda: _state.devices > 0,
        device_count=lambda: _state.devices,
        current_device=lambda: _state.current,
        set_device=_set_device,
        is_initialized=lambda: True,
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,
        synchronize=lambda device=None: None,
        get_device_name=lambda device=None: "Simulated NPU",
        get_amp_supported_dtype=lambda: [torch.float16, torch.bfloat16],
        # on, as they are in torch_npu for convolutions
        matmul=SimpleNamespace(allow_hf32=False),
        conv=SimpleNamespace(allow_hf32=True),
    )
    return module


def _lower(name: str, library: torch.library.Library) -> None:
    """Let autocast run an operator in its own dtype."""
    operator = getattr(torch.ops.aten, name).default

    def lowered(*args: Any, **kwargs: Any) -> Any:
        dtype = torch.get_autocast_dtype("npu")

        def cast(value: Any) -> Any:
            is_real = isinstance(value, torch.Tensor) and value.is_floating_point()
            return value.to(dtype) if is_real else value

        key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
        with torch._C._ExcludeDispatchKeyGuard(key):
            return operator(*tree_map(cast, args), **kwargs)

    library.impl(name, lowered, "AutocastPrivateUse1")


class Hccl(torch.distributed.ProcessGroup):
    """HCCL's place, held by gloo on the tensors that those of the device hold."""

    def __init__(self, store: Any, rank: int, size: int, timeout: Any) -> None:
        super().__init__(rank, size)
        self._gloo = torch.distributed.ProcessGroupGloo(store, rank, size, timeout)

    def allgather(self, outputs: Any, inputs: Any, options: Any = None) -> Any:
        """Gather, of tensors on the device only."""
        if not all(isinstance(one, NpuTensor) for one in tree_leaves((outputs, inputs))):
            raise RuntimeError("HCCL takes tensors on npu devices only")
        return self._gloo.allgather(tree_map(_raw, outputs), tree_map(_raw, inputs))

    def getBackendName(self) -> str:  # noqa: N802
        return "hccl"


def install(devices: int = 1) -> None:
    """Make `npu` a device of this process's PyTorch, and torch_npu a module that can be imported."""
    _state.devices = devices
    _setup_privateuseone_for_python_backend("npu", backend_module=_npu_module())
    every, autocast = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    _state.libraries += [every, autocast]  # they hold for as long as they live
    every.fallback(lambda func, *args, **kwargs: _run(func, args, kwargs), "PrivateUse1")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in LOWERED:
        _lower(name, autocast)
    torch.distributed.Backend.register_backend("hccl", Hccl, devices=["npu"])
    # a parameter that changes its type is another one: it cannot take over what the new one holds
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch_npu = ModuleType("torch_npu")
    torch_npu.__dict__.update(__version__=VERSION, __spec__=ModuleSpec("torch_npu", None), npu=torch.npu)
    sys.modules["torch_npu"] = torch_npu


if __name__ == "__main__":
    words = sys.argv[1:]
    count = int(words.pop(1)) if words[0] == "--devices" else 1
    install(count)
    from triport.cli import main

    main(words[1:] if words[0] == "--devices" else words, prog_name="triport")
