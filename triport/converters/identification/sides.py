"""A file's tensors laid beside the names and shapes that a model expects."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from triport.converters.formats import FLOATS, Tensor
from triport.converters.names import COUNTER_LEAF


class FitSides:
    """A file's tensors beside the names that a model expects; the fields are as in `Fit`."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.problems: list[str] = []
        self.other_floats: list[str] = []
        self.missing: list[str] = []
        self.dropped: list[tuple[str, str]] = []

    def lay(
        self,
        tensors: Mapping[str, Tensor],
        names: Mapping[str, str],
        expected: Mapping[str, tuple[int, ...]],
        dtypes: Collection[str],
    ) -> None:
        """Look each canonical name up in the file."""
        for canonical, theirs in names.items():
            tensor = tensors.get(theirs)
            if canonical.endswith(COUNTER_LEAF):
                self._lay_counter(canonical, theirs, tensor)
                continue
            if tensor is None:
                self.problems.append(f"{theirs}: missing, expected {expected[canonical]}")
                self.missing.append(theirs)
                continue
            self.found[canonical] = theirs
            if tensor.shape != expected[canonical]:
                self.problems.append(f"{theirs}: shape {tensor.shape}, expected {expected[canonical]}")
            elif tensor.dtype not in dtypes:
                others = self.other_floats if tensor.dtype in FLOATS else self.problems
                others.append(f"{theirs}: dtype {tensor.dtype}, expected {' or '.join(dtypes)}")

    def _lay_counter(self, canonical: str, theirs: str, tensor: Tensor | None) -> None:
        """Take a counter where the file has one that is one; it need not."""
        if tensor is not None and (tensor.dtype, tensor.shape) == ("int64", ()):
            self.found[canonical] = theirs
        elif tensor is not None:
            self.dropped.append(
                (theirs, f"counts training batches, but is {tensor.dtype}{list(tensor.shape)}")
            )
