"""`triport.torch`: any supported file into a PyTorch module of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.api.arguments import ArgumentError, PathLike, SelectionOptions, selection_of
from triport.api.checked import checked
from triport.converters.environment import import_torch
from triport.converters.loading import LoadError, Loading, Slot, WantedSlots, load
from triport.reference_models.errors import listed

if TYPE_CHECKING:
    import numpy as np
    import torch
    from typing_extensions import Unpack

__all__ = ["load_into"]


@checked
def load_into(
    module: torch.nn.Module, path: PathLike, *, model: str | None = None, **options: Unpack[SelectionOptions]
) -> Loading:
    """Load a checkpoint of any format into a module, strictly: every parameter and buffer, bit by bit.

    The file's names may be the module's own, or another dialect's of a model that triport knows: MindCV's
    .ckpt goes into torchvision's or timm's module. A module whose graph is another one than that which the
    weights were trained in is loaded, and the warnings say so.

    Args:
        module: where the weights go; its mode (train, eval), devices and dtypes stay.
        path: a .ckpt, .pth, .safetensors or .onnx, told by its content.
        model: what the file must be a checkpoint of; None finds it.
        **options: key, prefix, renames: which tensors of the file are meant.

    Returns:
        What was loaded, by which names, what of the file was dropped and what of the module was left:
        only `num_batches_tracked` may be, where the file has none.

    Raises:
        triport.Error: PyTorch is not installed, or the file does not fit; the module is as it was then.

    Example:
        >>> import triport, triport.torch
        >>> net = triport.model("res2net_digits").torch()
        >>> done = triport.torch.load_into(net, triport.SHIPPED)
        >>> done.model, done.named_by, len(done.names)
        ('res2net_digits', "timm's names of res2net_digits", 187)
    """
    torch = import_torch()
    if not isinstance(module, torch.nn.Module):
        raise ArgumentError(f"expected a torch.nn.Module to load into, found {type(module).__name__}")
    tensors = _stored(module, torch)
    names: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), []).append(name)
    slots = {
        name: Slot(
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            tuple(twin for twin in names[id(tensor)] if twin != name),
        )
        for name, tensor in tensors.items()
    }
    wanted = WantedSlots("pytorch", slots, model, selection_of(**options))
    return load(Path(path), wanted, {name: _Target(tensor) for name, tensor in tensors.items()})


def _stored(module: torch.nn.Module, torch: Any) -> dict[str, torch.Tensor]:
    """Return the parameters and buffers that a module's state dict has.

    Raises:
        LoadError: it has something else, or one that has no memory yet.
    """
    held: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    held |= dict(module.named_buffers(remove_duplicate=False))
    problems = []
    for name in module.state_dict():
        if name not in held:
            problems.append(f"{name}: is neither a parameter nor a buffer, and no file holds such a thing")
        elif torch.nn.parameter.is_lazy(held[name]):
            problems.append(f"{name}: has no shape yet; run the module once")
        elif held[name].is_meta:
            problems.append(f"{name}: has no memory yet; module.to_empty(device='cpu') gives it some")
    if problems:
        raise LoadError(f"{type(module).__name__}: cannot be loaded into\n{listed(problems)}")
    return {name: held[name] for name in module.state_dict()}


class _Target:
    """A parameter or buffer, whose values are read and written as NumPy's bits."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def read(self) -> np.ndarray:
        """Return a copy of the values, as bytes: NumPy has not all of PyTorch's types."""
        import torch

        flat = self.tensor.detach().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy().copy()

    def write(self, array: np.ndarray) -> None:
        """Set the values, on the tensor's own device."""
        import numpy as np
        import torch

        data = torch.from_numpy(np.ascontiguousarray(array).reshape(-1).view(np.uint8).copy())
        with torch.no_grad():
            self.tensor.copy_(data.view(self.tensor.dtype).reshape(self.tensor.shape))
