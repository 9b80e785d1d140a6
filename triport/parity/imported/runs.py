"""Run written source: arrays in, arrays out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from triport.converters.onnx_import.targets import Target
from triport.converters.torch_export.arrays import array_of
from triport.converters.torch_export.dispatch_mode import dispatch_mode
from triport.parity.judge.noise import nudged
from triport.parity.kernels.resize_places import axes_resized, with_scales_moved

Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]  # of inputs by name, in order


def run(network: Any, target: Target, arrays: Sequence[np.ndarray], double: bool = False) -> list[np.ndarray]:
    """Return the network's outputs for its inputs in order; `double` is for a network that is in float64."""
    return (_run_pytorch if target == "pytorch" else _run_mindspore)(network, arrays, double)


def remembered(run_once: Run) -> Run:
    """Return a function that runs the same inputs, as an object, once and gives again what they gave."""
    known: list[tuple[dict[str, np.ndarray], list[np.ndarray]]] = []

    def asked(feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = next((outputs for given, outputs in known if given is feed), None)
        if found is None:
            found = run_once(feed)
            known.append((feed, found))
        return found

    return asked


def parameters_moved(network: Any, step: float, seed: int) -> Any:
    """Return a copy of a torch.nn.Module in float64 with each number a step down, as it is, or a step up."""
    import torch

    other = copy.deepcopy(network)
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(nudged(tensor.numpy(), random, step)))
    return other


def run_rounded(network: Any, arrays: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Return what a torch.nn.Module in float64 gives if each result within is a number of float32's.

    Which of the two nearest ones is drawn: so far is any float32 run off, in whatever order it computes. What
    is such a number already stays, as it does in float32: above all a whole one, which is cut to a byte next.
    A resize finds its places within, from a scale that float32 rounds too.
    """
    import torch

    random = torch.Generator().manual_seed(seed)

    mode: Any = dispatch_mode(torch)

    class Rounded(mode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            if axes := axes_resized(function):
                steps = torch.randint(-1, 2, (axes,), generator=random).tolist()
                arguments = with_scales_moved(arguments, steps)
            found = function(*arguments, **(words or {}))
            if isinstance(found, torch.Tensor) and found.dtype == torch.float64 and not function.is_view:
                off = (torch.rand(found.shape, generator=random, dtype=torch.float64) - 0.5) * 2.0**-23
                return torch.where(
                    found == found.float().double(), found, (found * (1 + off)).float().double()
                )
            return found

    with Rounded():
        return _run_pytorch(network, arrays, double=True)


def _run_pytorch(network: Any, arrays: Sequence[np.ndarray], double: bool) -> list[np.ndarray]:
    import torch

    given = [tensor_of(array) for array in arrays]
    if double:
        given = [t.double() if t.is_floating_point() else t for t in given]
    with torch.no_grad():
        found = network(*given)
    return [array_in(each) for each in (found if isinstance(found, tuple) else (found,))]


def tensor_of(array: np.ndarray) -> Any:
    """Return a torch.Tensor with an array's values; of a type that NumPy lacks, too."""
    import torch

    array = np.ascontiguousarray(array).reshape(array.shape)
    kind = _VIEWED.get(str(array.dtype))
    if kind is None:
        return torch.from_numpy(array.copy())
    stored = torch.from_numpy(array.view(np.uint16 if array.dtype.itemsize == 2 else np.uint8).copy())
    return stored.view(getattr(torch, kind))


def tensor_in(target: Target, array: np.ndarray, like: Any) -> Any:
    """Return a framework's tensor with an array's values; in PyTorch of the type of another tensor."""
    if target == "pytorch":
        return tensor_of(array).to(like.dtype)
    import mindspore

    return mindspore.Tensor(array)


def array_in(tensor: Any) -> np.ndarray:
    """Return a torch.Tensor's values; of a type that NumPy lacks, too."""
    import ml_dtypes
    import torch

    tensor = tensor.detach().cpu()
    for numpy_name, torch_name in _VIEWED.items():
        if tensor.dtype == getattr(torch, torch_name, None):
            raw = (
                tensor.contiguous().view(torch.uint16 if tensor.element_size() == 2 else torch.uint8).numpy()
            )
            return raw.view(getattr(ml_dtypes, numpy_name)).reshape(tuple(tensor.shape))
    return array_of(tensor)


_VIEWED = {
    "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8_e4m3fn",
    "float8_e5m2": "float8_e5m2",
    "float8_e4m3fnuz": "float8_e4m3fnuz",
    "float8_e5m2fnuz": "float8_e5m2fnuz",
    "float8_e8m0fnu": "float8_e8m0fnu",
}


def _run_mindspore(network: Any, arrays: Sequence[np.ndarray], double: bool) -> list[np.ndarray]:
    import mindspore

    # the proof is of the source as Python runs it, whatever mode ran before
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    given = []
    for array in arrays:
        if str(array.dtype) == "bfloat16":
            given.append(mindspore.Tensor(array.astype(np.float32)).to(mindspore.bfloat16))
        elif double and array.dtype.kind == "f":
            given.append(mindspore.Tensor(array.astype(np.float64)))
        else:
            given.append(mindspore.Tensor(np.ascontiguousarray(array).reshape(array.shape)))
    found = network(*given)
    outputs = found if isinstance(found, tuple | list) else (found,)
    return [mindspore_array(each) for each in outputs]


def mindspore_array(tensor: Any) -> np.ndarray:
    """Return a mindspore.Tensor's values; of bfloat16, too."""
    import mindspore
    import ml_dtypes

    if tensor.dtype == mindspore.bfloat16:
        return np.asarray(tensor.float().asnumpy()).astype(ml_dtypes.bfloat16)
    return np.asarray(tensor.asnumpy())
