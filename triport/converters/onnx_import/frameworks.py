"""What the two frameworks call things in the source that is written."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .expressions import name
from .targets import Target

_TORCH = {
    "bool": "torch.bool",
    **{kind: f"torch.{kind}" for kind in ("int8", "int16", "int32", "int64", "uint8")},
    **{kind: f"torch.{kind}" for kind in ("uint16", "uint32", "uint64")},
    **{kind: f"torch.{kind}" for kind in ("float16", "bfloat16", "float32", "float64")},
    **{kind: f"torch.{kind}" for kind in ("complex64", "complex128")},
    "float8e4m3fn": "torch.float8_e4m3fn",
    "float8e5m2": "torch.float8_e5m2",
    "float8e4m3fnuz": "torch.float8_e4m3fnuz",
    "float8e5m2fnuz": "torch.float8_e5m2fnuz",
    "float8e8m0": "torch.float8_e8m0fnu",
}
_MINDSPORE = {
    "bool": "mindspore.bool_",
    **{kind: f"mindspore.{kind}" for kind in ("int8", "int16", "int32", "int64")},
    **{kind: f"mindspore.{kind}" for kind in ("uint8", "uint16", "uint32", "uint64")},
    **{kind: f"mindspore.{kind}" for kind in ("float16", "bfloat16", "float32", "float64")},
    **{kind: f"mindspore.{kind}" for kind in ("complex64", "complex128")},
}


@dataclass(frozen=True, slots=True)
class Framework:
    """How one framework's source begins, and the names in it."""

    target: Target
    module: str  # what classes are derived from
    forward: str
    lists: tuple[str, str]  # of layers by number, and by name
    shown: str  # in docstrings
    dtypes: dict[str, str]

    def dtype(self, kind: str) -> ast.expr | None:
        """Return a dtype's name, or None if the framework has it not; NumPy writes float8_e4m3fn."""
        kind = _key_of(kind)
        return name(self.dtypes[kind]) if kind in self.dtypes else None

    def has_dtype(self, kind: str) -> bool:
        """Return whether the framework has a dtype."""
        return _key_of(kind) in self.dtypes


def _key_of(kind: str) -> str:
    return kind.replace("float8_", "float8").removesuffix("fnu" if "e8m0" in kind else "")


FRAMEWORKS: dict[Target, Framework] = {
    "pytorch": Framework(
        "pytorch", "nn.Module", "forward", ("nn.ModuleList", "nn.ModuleDict"), "PyTorch", _TORCH
    ),
    "mindspore": Framework(
        "mindspore", "nn.Cell", "construct", ("nn.CellList", "nn.CellDict"), "MindSpore", _MINDSPORE
    ),
}
