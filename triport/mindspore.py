"""`triport.mindspore`: any supported file into a MindSpore Cell of your own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.api.arguments import ArgumentError, PathLike, SelectionOptions, selection_of
from triport.api.checked import checked
from triport.converters.environment import import_mindspore
from triport.converters.loading import LoadError, Loading, Slot, WantedSlots, load
from triport.converters.versions.protobuf_messages import accept_old_messages
from triport.reference_models.errors import counted, listed

if TYPE_CHECKING:
    import mindspore
    import numpy as np
    from typing_extensions import Unpack

__all__ = ["load_into"]

accept_old_messages()  # a program imports this module before MindSpore


@checked
def load_into(
    cell: mindspore.nn.Cell, path: PathLike, *, model: str | None = None, **options: Unpack[SelectionOptions]
) -> Loading:
    """Load a checkpoint of any format into a Cell, strictly: every parameter, bit by bit.

    The file's names may be the Cell's own (`parameter.name`), or another dialect's of a model that triport
    knows: torchvision's or timm's .pth goes into MindCV's Cell. A Cell whose graph is another one than that
    which the weights were trained in is loaded, and the warnings say so.

    Args:
        cell: where the weights go; its mode and dtypes stay.
        path: a .ckpt, .pth, .safetensors or .onnx, told by its content.
        model: what the file must be a checkpoint of; None finds it.
        **options: key, prefix, renames: which tensors of the file are meant.

    Returns:
        What was loaded, by which names, and what of the file was dropped (`num_batches_tracked`, which no
        Cell has).

    Raises:
        triport.Error: MindSpore is not installed, or the file does not fit; the Cell is as it was then.

    Example:
        >>> import triport, triport.mindspore
        >>> cell = triport.model("res2net_digits").mindspore()
        >>> triport.mindspore.load_into(cell, triport.SHIPPED).named_by
        "mindcv's names of res2net_digits"
    """
    mindspore = import_mindspore(to_run=False)
    if not isinstance(cell, mindspore.nn.Cell):
        raise ArgumentError(f"expected a mindspore.nn.Cell to load into, found {type(cell).__name__}")
    parameters = list(cell.get_parameters())
    counts = Counter(parameter.name for parameter in parameters)
    twice = [f"{name}: {counted(count, 'parameter')}" for name, count in counts.items() if count > 1]
    if twice:
        raise LoadError(
            f"{type(cell).__name__}: several parameters have one name, so no file can tell them apart\n"
            f"{listed(twice)}\nGive them names of their own: cell.update_parameters_name"
        )
    slots = {one.name: Slot(tuple(one.shape), str(one.dtype).lower()) for one in parameters}
    wanted = WantedSlots("mindspore", slots, model, selection_of(**options))
    return load(Path(path), wanted, {one.name: _Target(one) for one in parameters})


class _Target:
    """A parameter, whose values are read and written as NumPy arrays."""

    def __init__(self, parameter: Any) -> None:
        self.parameter = parameter

    def read(self) -> np.ndarray:
        """Return a copy of the values; those of bfloat16 by way of ml_dtypes."""
        if str(self.parameter.dtype) != "BFloat16":
            return self.parameter.asnumpy().copy()
        import ml_dtypes

        return self.parameter.float().asnumpy().astype(ml_dtypes.bfloat16)  # exact: no value is between

    def write(self, array: np.ndarray) -> None:
        """Set the values."""
        import mindspore

        self.parameter.set_data(mindspore.Tensor(array, dtype=self.parameter.dtype))
