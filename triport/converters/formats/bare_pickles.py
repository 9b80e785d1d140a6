"""Pickles that torch.save did not write: which of them can be read, and what the others are."""

from __future__ import annotations

from typing import Any

from triport.converters.formats.archives import distributed_metadata
from triport.converters.formats.numpy_arrays import PickledArray
from triport.converters.formats.pickled_values import Opaque, UnreadableTensor, describe

_PADDLE_MARK = "StructuredToParameterName@@"


def not_a_state_dict(root: Any) -> str | None:
    """Return what a bare pickle is, for a message after its name; None if it is one of NumPy arrays."""
    if isinstance(root, Opaque) and root.kind.module.startswith("torch.distributed.checkpoint"):
        return distributed_metadata()
    inner = [root, *root.values()] if type(root) is dict else []
    tables = [one for one in inner if type(one) is dict]
    values = [value for table in tables for value in table.values()]
    if any(_PADDLE_MARK in table for table in tables) or any(_is_named_array(value) for value in values):
        return (
            "is a state dict of PaddlePaddle (.pdparams): NumPy arrays, of which those of Linear layers lie "
            "the other way round. Load it with paddle.load, transpose them, and torch.save a dict of "
            "torch.from_numpy(array)"
        )
    if any(isinstance(one, UnreadableTensor) and one.kind.module.startswith("torch") for one in values):
        return (
            "is a bare pickle of PyTorch's tensors, written by pickle.dump, not by torch.save. Load it with "
            "pickle.load where it was made and torch.save the state dict"
        )
    if any(isinstance(value, PickledArray) for value in values):
        return None
    return (
        f"is a bare pickle ({describe(root)}), not a file of torch.save. Load it where it was made and "
        f"torch.save the model's state_dict()"
    )


def _is_named_array(value: Any) -> bool:
    """Return whether a value is (name, array), as Paddle saves a tensor."""
    return type(value) is tuple and len(value) == 2 and isinstance(value[1], PickledArray)
