"""What is done with one image, done with all images of a batch at once.

The ONNX nodes that were written for one image are written again with the batch as a further axis, the first
one: each by the rule of its operator (`batch_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_ir as ir
from onnx import helper

from .batch_rules import RULES, Batched, ImageValue
from .builder import Builder
from .graph import TensorType
from .values import TypedValue, UnsupportedCallError, value_of


class AllImages:
    """Writes into a graph what a body does with one image, for all of them."""

    def __init__(self, builder: Builder, body: Builder, rows: Mapping[str, TypedValue]) -> None:
        """Begin.

        Args:
            builder: where the nodes go.
            body: the nodes that are written for one image.
            rows: by the names of the body's inputs, the tensors whose first axis is the batch.
        """
        self.builder, self.body = builder, body
        self.images = next(iter(rows.values())).shape[0]
        self._made: dict[str, ImageValue] = {
            name: ImageValue(value, is_batched=True) for name, value in rows.items()
        }

    def make(self, result: TypedValue) -> TypedValue:
        """Return a value of the body for each image, along a new first axis.

        Raises:
            UnsupportedCallError: an operator of the body has no rule.
        """
        for node in self.body.graph:
            if node.op_type == "Constant":
                array = self.body.get_array(value_of(node.outputs[0]))
                made = [ImageValue(self.builder.constant(array, value_of(node.outputs[0]).type.elem_type))]
            else:
                made = self._make_node(node)
            self._made |= {str(value.name): one for value, one in zip(node.outputs, made, strict=True)}
        found = self._given(result.ir)
        if not found.is_batched:
            raise UnsupportedCallError("what is done with each image does not depend on it")
        return found.value

    def _make_node(self, node: ir.Node) -> list[ImageValue]:
        inputs = [None if value is None else self._given(value) for value in node.inputs]
        types = [value_of(value).type for value in node.outputs]
        attributes: dict[str, Any] = {
            name: helper.get_attribute_value(ir.serde.serialize_attribute(one))
            for name, one in node.attributes.items()
        }
        if not any(given and given.is_batched for given in inputs):
            values = [given and given.value for given in inputs]
            made = self.builder.add_many(node.op_type, values, types, **attributes)
            return [ImageValue(value) for value in made]
        rule = RULES.get(node.op_type)
        found = (
            rule(Batched(self.builder, node.op_type, inputs, attributes, types, self.images))
            if rule
            else None
        )
        if found is None:
            raise UnsupportedCallError(
                f"ONNX's {node.op_type} is computed of each image, and is not written for all at once"
            )
        return [ImageValue(value, is_batched=True) for value in found]

    def _given(self, value: ir.Value) -> ImageValue:
        """Return what a node of the body reads: made in it, or known outside of it."""
        return self._made.get(str(value.name)) or ImageValue(value_of(value))


def join_images(builder: Builder, together: TypedValue, axis: int, is_stacked: bool) -> TypedValue:
    """Return values of all images, along the first axis, joined along another, new or not."""
    rank = len(together.shape)
    order = [*range(1, axis + 1), 0, *range(axis + 1, rank)]
    moved = builder.transpose(together, order)
    if is_stacked:
        return moved
    sizes = moved.shape
    merged = (*sizes[:axis], sizes[axis] * sizes[axis + 1], *sizes[axis + 2 :])
    target = builder.constant([-1 if place == axis else size for place, size in enumerate(merged)])
    return builder.add("Reshape", [moved, target], TensorType(moved.type.elem_type, merged))
