"""What the file says of shapes: those of the inputs and outputs, with a free batch axis where it is free."""

from __future__ import annotations

from collections.abc import Mapping, Set

import onnx
import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult, PostconditionError, PreconditionError

from triport.converters.formats.tensors import short
from triport.converters.mindir.errors import BATCH, FixedBatchError
from triport.converters.mindir.inferred import infer_unweighted

MAX_REASON = 300  # characters of ONNX's own message
ADVICE = (
    "Where the Cell states the batch size, as in a Reshape, give -1 instead. Where it holds a constant with "
    "a row for each image, or its code makes the size a number, the batch size can only be fixed."
)


class DeclareShapes(InPlacePass):
    """Declares the shapes of inputs and outputs, and forgets the traced ones of all that lies between.

    Where the batch is free, the outputs' shapes are inferred from the inputs', and the batch must be among
    them; where inference knows no size, `axes` says in which axis of an output the batch was followed to.
    `steady` are outputs that are known to have one shape: a first axis as long as the traced batch is none.

    Before: each value has the shape that MindSpore traced. After: inputs and outputs alone have one.
    """

    def __init__(
        self, batch_size: int | None, axes: Mapping[str, int | None], steady: Set[str] = frozenset()
    ) -> None:
        super().__init__()
        self.batch_size, self.axes, self.steady = batch_size, axes, steady

    def requires(self, model: ir.Model) -> None:
        """Refuse values without a traced shape."""
        values = (*model.graph.inputs, *model.graph.initializers.values(), *model.graph.outputs)
        if any(value.shape is None or value.dtype is None for value in values):
            raise PreconditionError("a value has no traced shape")

    def ensures(self, model: ir.Model) -> None:
        """Check that no value in between has a shape: it would be that of the traced batch."""
        inner = [value for node in model.graph for value in node.outputs if not value.is_graph_output()]
        if any(value.shape is not None for value in (*inner, *model.graph.initializers.values())):
            raise PostconditionError("a value between inputs and outputs still has its traced shape")

    def call(self, model: ir.Model) -> PassResult:
        """Declare.

        Raises:
            FixedBatchError: the batch size is part of the graph.
        """
        if self.batch_size is not None:
            for value in model.graph.inputs:
                sizes = _sizes(value)
                if sizes[:1] == [self.batch_size]:
                    value.shape = ir.Shape([BATCH, *sizes[1:]])
            self._free_outputs(model, self.batch_size)
        inner = [value for node in model.graph for value in node.outputs if not value.is_graph_output()]
        for value in (*inner, *model.graph.initializers.values()):
            value.shape = value.type = None
        return PassResult(model, modified=True)

    def _free_outputs(self, model: ir.Model, batch_size: int) -> None:
        try:
            inferred = infer_unweighted(model)
        except onnx.shape_inference.InferenceError as error:
            raise FixedBatchError(
                "the graph does not hold for another batch size than the traced one: "
                f"{short(' '.join(str(error).split()), MAX_REASON)}\n{ADVICE}"
            ) from error
        fixed = []
        for found, output in zip(inferred.output, model.graph.outputs, strict=True):
            traced, known = _sizes(output), list(found.type.tensor_type.shape.dim)
            if not known:  # no axes, or ONNX does not infer this operator: nothing speaks against it
                continue
            sizes = self._freed(str(output.name), traced, known, batch_size)
            output.shape = ir.Shape(sizes)
            is_free = output.name in self.steady or any(isinstance(size, str) for size in sizes)
            if traced[:1] == [batch_size] and not is_free:
                fixed.append(output.name)
        if fixed:
            raise FixedBatchError(
                "the batch size is hard-coded in the graph: the first axis of "
                f"{short(', '.join(map(str, fixed)))} is fixed\n{ADVICE}"
            )

    def _freed(
        self, name: str, traced: list[int], inferred: list[onnx.TensorShapeProto.Dimension], batch_size: int
    ) -> list[int | str]:
        """Return an output's sizes, the batch free among them where it is known to be."""
        sizes: list[int | str] = list(traced)
        for axis, (dim, size) in enumerate(zip(inferred, traced, strict=False)):
            is_followed = not dim.dim_value and self.axes.get(name) == axis
            is_batch = (axis == 0 or is_followed) and not dim.dim_value and size == batch_size
            if dim.dim_param == BATCH or (is_batch and name not in self.steady):
                sizes[axis] = BATCH
            elif axis == 0 and name not in self.steady and not dim.dim_value:
                sizes[axis] = f"{name}_0"  # a multiple of the batch size
        return sizes


def _sizes(value: ir.Value) -> list[int]:
    return [size for size in value.shape or () if isinstance(size, int)]
