"""PyTorch's lazy negative and conjugate: the values are those that torch.load gives, bit for bit."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.formats.checkpoint_samples import array, payload
from triport.converters.formats import open_checkpoint

torch = importlib.import_module("torch")

FLOATS = ("float64", "float32", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int64", "int32", "int16", "int8")


def stored(dtype: str, count: int) -> Any:
    """Return a tensor of random bits, NaN and the smallest integer among them; complex ones are finite.

    (How torch negates a complex NaN depends on the place of the value.)
    """
    if dtype in COMPLEX:
        return torch.randn(count, dtype=getattr(torch, dtype), generator=torch.Generator().manual_seed(0))
    bits = torch.from_numpy(array("uint8", (count * torch.empty(0, dtype=getattr(torch, dtype)).itemsize,)))
    return bits.view(getattr(torch, dtype))


def lazy(tensor: Any, negated: bool, conjugated: bool) -> Any:
    """Return the tensor with the bits set, its stored values as they are."""
    tensor = tensor.conj() if conjugated else tensor
    return torch._neg_view(tensor) if negated else tensor


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("count", [7, 100_000])
@pytest.mark.parametrize(
    ("dtype", "negated", "conjugated"),
    [
        *((dtype, True, False) for dtype in (*FLOATS, *INTEGERS, *COMPLEX)),
        *((dtype, negated, True) for dtype in COMPLEX for negated in (False, True)),
    ],
)
def test_the_values_are_torchs(
    tmp_path: Path, dtype: str, negated: bool, conjugated: bool, count: int, legacy: bool
) -> None:
    tensor = lazy(stored(dtype, count), negated, conjugated)
    torch.save({"w": tensor}, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)
    theirs = torch.load(tmp_path / "x.pth", weights_only=True)["w"]
    assert (theirs.is_neg(), theirs.is_conj()) == (negated, conjugated)
    values = theirs.resolve_neg().resolve_conj().contiguous()
    ours = open_checkpoint(tmp_path / "x.pth").tensors["w"]
    assert payload(ours) == values.view(torch.uint8).numpy().tobytes()
    assert payload(ours) != payload_of_stored(tmp_path, dtype, count)


def payload_of_stored(folder: Path, dtype: str, count: int) -> bytes:
    torch.save({"w": stored(dtype, count)}, folder / "stored.pth")
    return payload(open_checkpoint(folder / "stored.pth").tensors["w"])


@pytest.mark.parametrize("view", ["transposed", "every second", "expanded"])
def test_views_with_the_bit(tmp_path: Path, view: str) -> None:
    tensor = lazy(stored("float32", 24).reshape(4, 6), True, False)
    tensor = {"transposed": tensor.T, "every second": tensor[:, ::2], "expanded": tensor[:1].expand(3, 6)}[
        view
    ]
    torch.save({"w": tensor}, tmp_path / "x.pth")
    theirs = torch.load(tmp_path / "x.pth", weights_only=True)["w"].resolve_neg().contiguous()
    ours = open_checkpoint(tmp_path / "x.pth").tensors["w"]
    assert payload(ours) == theirs.view(torch.uint8).numpy().tobytes()
