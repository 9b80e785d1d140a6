"""Where the batch is in each value: so that a Reshape can leave it free.

MindSpore traces with one batch size and writes shapes as plain numbers. Which of them is the batch
size follows from the inputs, whose first axis it is, by what each ONNX node does to its axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import helper

if TYPE_CHECKING:
    from .values import TypedValue


class BatchPlace(NamedTuple):
    """The axis that holds the batch, and how many elements of that axis belong to one image."""

    axis: int
    inner: int = 1


class BatchAxes:
    """The places of the batch in the values of a graph, by name."""

    def __init__(self, batch_size: int) -> None:
        """Begin with nothing known; `batch_size` is the traced one."""
        self.batch_size = batch_size
        self._places: dict[str, BatchPlace] = {}

    def add_input(self, value: TypedValue) -> None:
        """Say that the first axis of a value is the batch axis, if it has that size."""
        if value.shape[:1] == (self.batch_size,):
            self._places[value.name] = BatchPlace(0)

    def get(self, value: TypedValue) -> BatchPlace | None:
        """Return where the batch is in a value, None if nowhere or unknown."""
        return self._places.get(value.name)

    def put(self, value: TypedValue, place: BatchPlace) -> None:
        """Say where the batch is in a value, because it is known."""
        self._places[value.name] = place

    def copy(self, value: TypedValue, to: TypedValue) -> None:
        """Say that the batch is where it is in another value of the same shape."""
        if value.name in self._places:
            self._places[to.name] = self._places[value.name]

    def follow(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[TypedValue | None],
        outputs: Sequence[TypedValue],
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        """Work out where a new node puts the batch."""
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        for output in outputs:
            place = self._find(node.op_type, inputs, output, attributes, arrays)
            if place is not None and 0 <= place.axis < len(output.shape):
                self._places[output.name] = place

    def _find(
        self,
        op_type: str,
        inputs: Sequence[TypedValue | None],
        output: TypedValue,
        attributes: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
    ) -> BatchPlace | None:
        if op_type in ("Expand", "Tile") and inputs[1] and inputs[1].name not in arrays:
            return BatchPlace(0)  # to the batch size, which is put first
        given = ((index, value) for index, value in enumerate(inputs) if value and value.name in self._places)
        index, value = next(given, (0, None))
        if value is None or op_type in ("Shape", "Size", "Einsum"):
            return None
        place, rank, new_rank = self._places[value.name], len(value.shape), len(output.shape)

        def find_axes() -> list[int]:
            if "axes" in attributes:
                return list(attributes["axes"])
            named = inputs[1] if len(inputs) > 1 else None
            return arrays[named.name].tolist() if named else list(range(rank))

        if op_type in ("Reshape", "Flatten"):
            return self._find_reshaped(value, output.shape)
        if op_type == "Transpose":
            return place._replace(axis=attributes["perm"].index(place.axis))
        if op_type == "Unsqueeze":
            kept = [axis for axis in range(new_rank) if axis not in find_axes()]
            return place._replace(axis=kept[place.axis])
        drops = op_type.startswith(("Reduce", "Arg")) and not attributes.get("keepdims", 1)
        if op_type == "Squeeze" or drops:
            axes = [attributes["axis"]] if op_type.startswith("Arg") else find_axes()
            axes = [axis % rank for axis in axes]
            kept = [axis for axis in range(rank) if axis not in axes]
            return place._replace(axis=kept.index(place.axis)) if place.axis in kept else None
        if op_type == "Gemm":
            return place if index == 0 and not attributes.get("transA") and place.axis == 0 else None
        if op_type == "MatMul":
            summed = rank - 1 if index == 0 else rank - 2
            if rank == 1 or place.axis == summed:
                return None
        if op_type == "GatherND":
            return place if place.axis < attributes.get("batch_dims", 0) else None
        if op_type == "Gather":
            axis, second = attributes.get("axis", 0) % max(rank, 1), inputs[1]
            if index == 1:
                return place._replace(axis=place.axis + attributes.get("axis", 0))
            more = len(second.shape) - 1 if second else 0
            if place.axis == axis:
                return None
            return place._replace(axis=place.axis + (more if place.axis > axis else 0))
        # element by element with broadcasting, or along axes that stay where they are
        return place._replace(axis=place.axis + new_rank - rank)

    def _find_reshaped(self, value: TypedValue, after: Sequence[int]) -> BatchPlace | None:
        """Return the axis that holds the batch after a Reshape: the one that covers its stride."""
        place = self._places[value.name]
        stride = place.inner * math.prod(value.shape[place.axis + 1 :])
        best: tuple[int, bool] | None = None
        found = None
        for axis, size in enumerate(after):
            behind = math.prod(after[axis + 1 :])
            if not behind or stride % behind or size % (stride // behind * self.batch_size):
                continue
            # with a traced batch of one, axes of size 1 look alike: it stays where it was
            quality = (behind, axis == place.axis)
            if best is None or quality > best:
                best, found = quality, BatchPlace(axis, stride // behind)
        return found

    def free_shape(self, value: TypedValue, after: Sequence[int]) -> list[int] | None:
        """Return a Reshape's target in which the traced batch size does not stay, None if unknown.

        The batch axis becomes 0 where it stays the first as it is, else -1: whatever is left.
        """
        if value.name not in self._places or 0 in value.shape:
            return None
        place = self._find_reshaped(value, after)
        if place is None:
            return None
        target = list(after)
        same = place == self._places[value.name] == BatchPlace(0) and value.shape[0] == after[0]
        target[place.axis] = 0 if same else -1
        return target


def free_first_axis(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return a Reshape's target in which the traced batch size does not stay, where that can be said.

    The first axis becomes 0 (as the input's) or -1 (whatever is left).
    """
    target = list(after)
    if not before or not after or 0 in before:
        return target
    if before[0] == after[0] and math.prod(before[1:]) == math.prod(after[1:]):
        target[0] = 0
    elif after[0] % before[0] == 0 or before[0] % after[0] == 0:
        target[0] = -1
    return target
