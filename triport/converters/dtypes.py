"""Parameters in another floating-point type: values are rounded, and it is said by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from triport.converters.formats import FLOATS, Tensor, numpy_dtype
from triport.reference_models.errors import TriportError, listed

DTYPES = ("float16", "bfloat16", "float32")


class DtypeError(TriportError):
    """Values do not fit into the type that was asked for."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """What a conversion of values did to them.

    Attributes:
        dtype: the type they have now.
        max_abs_error: the largest difference from the value before.
        max_rel_error: the largest such difference, relative to the value; 1 is a value that became 0.
        tensor: where the largest difference is; None where there is none.
        became_zero: how many values were not 0 and are now.
    """

    dtype: str
    max_abs_error: float
    max_rel_error: float
    tensor: str | None
    became_zero: int

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --dtype --json` prints of it."""
        return {
            "dtype": self.dtype,
            "max_abs_error": self.max_abs_error,
            "max_rel_error": self.max_rel_error,
            "tensor": self.tensor,
            "became_zero": self.became_zero,
        }


class ConvertedTensor(Tensor):
    """A float tensor read in another type; rounded to nearest, ties to even."""

    def __init__(self, tensor: Tensor, dtype: str) -> None:
        """Read a tensor in a type of DTYPES."""
        self.tensor = tensor
        self.shape, self.dtype = tensor.shape, dtype

    def chunks(self) -> Iterator[bytes]:
        """Yield the converted payload in order."""
        import numpy as np

        target = numpy_dtype(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for values in self.tensor.arrays():
                # in two halves: a wider type must not make a piece larger than the reader's
                for part in np.array_split(values, max(1, target.itemsize // values.itemsize)):
                    yield part.astype(target).tobytes()


def converted(tensors: Mapping[str, Tensor], dtype: str) -> tuple[dict[str, Tensor], Rounding]:
    """Return the tensors with their float values in another type, and what that did to them.

    Every value is read and compared. Tensors that are no floats stay as they are.

    Raises:
        DtypeError: finite values would become Inf; the message lists the tensors.
    """
    result: dict[str, Tensor] = {}
    problems = []
    largest, relative, where, zeros = 0.0, 0.0, None, 0
    for name, tensor in tensors.items():
        if tensor.dtype not in FLOATS or tensor.dtype == dtype:
            result[name] = tensor
            continue
        result[name] = ConvertedTensor(tensor, dtype)
        overflowing, peak, error, relative_error, became_zero = _compare(tensor, dtype)
        if overflowing:
            problems.append(f"{name}: {overflowing} of {tensor.count} values, up to {peak:.4g}")
        if error > largest:
            largest, where = error, name
        relative = max(relative, relative_error)
        zeros += became_zero
    if problems:
        limit = float(_limits(dtype).max)
        raise DtypeError(
            f"{len(problems)} of {len(tensors)} tensors have values that {dtype} cannot hold (its largest is "
            f"{limit:.5g})\n{listed(problems)}\n"
            f"{'Use --dtype bfloat16, or leave --dtype out' if dtype == 'float16' else 'Leave --dtype out'}"
        )
    return result, Rounding(dtype, largest, relative, where, zeros)


def _compare(tensor: Tensor, dtype: str) -> tuple[int, float, float, float, int]:
    """Return how many finite values overflow, the largest of them, the largest errors, and new zeros."""
    import numpy as np

    target = numpy_dtype(dtype)
    overflowing, zeros = 0, 0
    peak = largest = relative = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for values in tensor.arrays():
            before = values.astype(np.float64)
            after = values.astype(target).astype(np.float64)
            fits = np.isfinite(before)
            lost = fits & ~np.isfinite(after)
            if lost.any():
                overflowing += int(np.count_nonzero(lost))
                peak = max(peak, float(np.abs(before[lost]).max()))
            before, after = before[fits & ~lost], after[fits & ~lost]
            error = np.abs(after - before)
            nonzero = before != 0
            zeros += int(np.count_nonzero(nonzero & (after == 0)))
            largest = max(largest, float(error.max(initial=0.0)))
            relative = max(relative, float((error[nonzero] / np.abs(before[nonzero])).max(initial=0.0)))
    return overflowing, peak, largest, relative, zeros


def _limits(dtype: str) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(numpy_dtype(dtype))
