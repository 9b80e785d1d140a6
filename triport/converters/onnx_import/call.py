"""One ONNX node as the operators see it: what it reads, its attributes, and how to write what it makes."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from .body import Body
from .expressions import code, literal
from .reading import ImportRefusedError
from .targets import Target
from .values import Known, Sizes, Variable, fields_of, number, sizes_of

_REQUIRED = object()
_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Call:
    """A node, and the body that it is written into."""

    def __init__(self, node: Any, version: int, body: Body) -> None:
        """Read a node of that schema version for a body of source."""
        self.node, self.version, self.body = node, version, body
        self.target: Target = body.target
        self._read_attributes: set[str] = set()
        self._read_inputs: set[int] = set()

    # what it reads

    def refuse(self, why: str) -> NoReturn:
        """Stop: this node is not translated."""
        raise ImportRefusedError(f"{self.label}: {why}")

    @property
    def label(self) -> str:
        """How errors call the node."""
        shown = "".join(
            c if c.isprintable() else "?" for c in (self.node.name or self.node.outputs[0].name or "")
        )
        return f"node '{shown[:80]}' ({self.node.op_type} of version {self.version})"

    @property
    def count(self) -> int:
        """How many inputs there are; trailing ones that are left out do not count."""
        present = [i for i, value in enumerate(self.node.inputs) if value is not None]
        return present[-1] + 1 if present else 0

    def has(self, index: int) -> bool:
        """Return whether an optional input is given."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def used(self, index: int) -> bool:
        """Return whether an output is asked for."""
        if index >= len(self.node.outputs):
            return False
        value = self.node.outputs[index]
        return bool(value.name) and (bool(value.uses()) or value.is_graph_output())

    def attribute(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return an attribute's value: int, float, text, or a list; a tensor as an array."""
        import onnx_ir as ir

        self._read_attributes.add(name)
        found = self.node.attributes.get(name)
        if found is None:
            if default is _REQUIRED:
                self.refuse(f"attribute {name} is missing")
            return default
        if isinstance(found, ir.Attr) and found.type == ir.AttributeType.TENSOR:
            return found.as_tensor().numpy()
        if found.is_ref():
            self.refuse(f"attribute {name} refers to a function's attribute")
        value = found.value
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return list(value) if isinstance(value, list | tuple) else value

    def rep(self, index: int) -> Any:
        """Return what is known of an input."""
        self._read_inputs.add(index)
        if not self.has(index):
            self.refuse(f"input {index} is missing")
        return self.body.rep(self.node.inputs[index])

    def constant(self, index: int) -> np.ndarray | None:
        """Return an input's value if it is a constant."""
        rep = self.rep(index)
        if isinstance(rep, Known):
            return rep.array
        if isinstance(rep, Sizes) and all(isinstance(n, int) for n in rep.elements):
            array = np.array(rep.elements, rep.dtype)
            return array[0] if rep.scalar else array
        return None

    def array(self, index: int) -> np.ndarray:
        """Return an input's value, which must be a constant."""
        found = self.constant(index)
        if found is None:
            self.refuse(f"input {index} is computed at run time; only a constant is translated")
        return found

    def dtype(self, index: int = 0) -> str:
        """Return an input's dtype: float32, int64, bool, ..."""
        self._read_inputs.add(index)
        return self._dtype(self.node.inputs[index], f"input {index}")

    def output_dtype(self, index: int = 0) -> str:
        """Return an output's dtype."""
        return self._dtype(self.node.outputs[index], f"output {index}")

    def _dtype(self, value: Any, what: str) -> str:
        rep = self.body.reps.get(value)
        dtype, _ = fields_of(value)
        if isinstance(rep, Known):
            return str(rep.array.dtype)
        if not dtype:
            self.refuse(f"the type of {what} is not known")
        return dtype

    def is_float(self, index: int = 0) -> bool:
        """Return whether an input has one of the four common floating dtypes."""
        return self.dtype(index) in _FLOATS

    def shape(self, index: int = 0) -> list[int | str | None] | None:
        """Return an input's shape: numbers, names of free axes, None for what is not known."""
        self._read_inputs.add(index)
        rep = self.body.reps.get(self.node.inputs[index])
        if isinstance(rep, Known):
            return list(rep.array.shape)
        if isinstance(rep, Sizes):
            return [] if rep.scalar else [len(rep.elements)]
        return fields_of(self.node.inputs[index])[1]

    def output_shape(self, index: int = 0) -> list[int | str | None] | None:
        """Return an output's shape, as far as it is known."""
        return fields_of(self.node.outputs[index])[1]

    def rank(self, index: int = 0) -> int:
        """Return an input's rank, which must be known."""
        shape = self.shape(index)
        if shape is None:
            self.refuse(f"the rank of input {index} is not known")
        return len(shape)

    def size(self, index: int, axis: int) -> int | None:
        """Return an input's size along an axis, or None where it is free or not known."""
        shape = self.shape(index)
        found = shape[axis] if shape is not None else None
        return found if isinstance(found, int) else None

    def axis(self, value: int, rank: int) -> int:
        """Return an axis from 0 on, checked."""
        if not -rank <= value < rank:
            self.refuse(f"axis {value} is out of range for rank {rank}")
        return value % rank

    def axes(self, index: int, since: int) -> Any:
        """Return the axes: an attribute before that version, then input `index`; None if not given."""
        if self.version < since:
            return self.attribute("axes", None)
        if not self.has(index):
            return None
        return [int(n) for n in np.atleast_1d(self.array(index))]

    # how it is written

    def tensor(self, index: int = 0) -> ast.expr:
        """Return an input as an expression of a tensor."""
        return self.body.tensor(self.rep(index), self.node.inputs[index])

    def tensors(self, first: int = 0) -> list[ast.expr]:
        """Return all inputs from one on as tensors."""
        return [self.tensor(i) for i in range(first, self.count)]

    def operand(self, index: int, others: tuple[int, ...] = ()) -> ast.expr:
        """Return an input as a number if another input keeps dtype and rank, else as a tensor."""
        rep = self.rep(index)
        if isinstance(rep, Sizes) and rep.scalar and any(self._variable(i) for i in others):
            return rep.tree
        if (
            isinstance(rep, Known)
            and rep.array.size == 1
            and rep.array.dtype.kind in "fiub"
            and not rep.trained
        ):
            for other in others:
                shape = self.shape(other)
                if self._variable(other) and (
                    rep.array.ndim == 0 or (shape is not None and len(shape) >= rep.array.ndim)
                ):
                    return literal(number(rep.array))
        return self.tensor(index)

    def _variable(self, index: int) -> bool:
        rep = self.rep(index)
        return isinstance(rep, Variable) or (isinstance(rep, Known) and rep.array.size > 1)

    def ints(self, index: int) -> list[int | ast.expr] | None:
        """Return an input's whole numbers, each a number or an expression, if they are known as such."""
        rep = self.rep(index)
        if isinstance(rep, Known):
            rep = sizes_of(rep.array)
        return list(rep.elements) if isinstance(rep, Sizes) else None

    def int_tuple(self, index: int) -> ast.expr:
        """Return an input's whole numbers as a tuple of Python's: from the tensor itself if need be."""
        found = self.ints(index)
        if found is not None:
            return literal(tuple(found))
        tensor = self.tensor(index)
        return code(
            "tuple(x.tolist())" if self.target == "pytorch" else "tuple(x.asnumpy().tolist())", x=tensor
        )

    def scalar(self, index: int) -> ast.expr:
        """Return an input of one element as a number of Python's."""
        rep = self.rep(index)
        if isinstance(rep, Sizes) and len(rep.elements) == 1:
            return literal(rep.elements[0])
        found = self.constant(index)
        if found is not None:
            if found.size != 1:
                self.refuse(f"input {index} has {found.size} elements; one is expected")
            return literal(number(found))
        return code("x.item()" if self.target == "pytorch" else "x.asnumpy().item()", x=self.tensor(index))

    def let(self, noun: str, tree: ast.expr) -> ast.expr:
        """Give an expression a variable, and return that."""
        if isinstance(tree, ast.Name):
            return tree
        return self.body.let(noun, tree)

    def dtype_name(self, dtype: str) -> ast.expr:
        """Return the framework's name of a dtype, if it has it."""
        found = self.body.framework.dtype(dtype)
        if found is None:
            self.refuse(f"{self.target} has no dtype {dtype}")
        return found

    def function(self, name: str) -> ast.expr:
        """Return a function of pieces/, whose text is copied into the source."""
        return self.body.function(name)

    def unread(self) -> str | None:
        """Return what was given and not read, or None."""
        attributes = set(self.node.attributes) - self._read_attributes
        if attributes:
            return f"attribute {min(attributes)} is not translated"
        inputs = {i for i in range(self.count) if self.has(i)} - self._read_inputs
        return f"input {min(inputs)} is not translated" if inputs else None


class WideCall(Call):
    """A node of a narrow type, as if it were of float32.

    MindSpore's CPU computes next to nothing in bfloat16, and no convolution in float16.
    """

    def __init__(self, node: Any, version: int, body: Body, narrow: str) -> None:
        """Read a node of that schema version for a body of source; `narrow` is its type."""
        super().__init__(node, version, body)
        self.narrow = narrow

    def rep(self, index: int) -> Any:
        """Return what is known of an input; a constant in float32."""
        found = super().rep(index)
        if isinstance(found, Known) and str(found.array.dtype) == self.narrow:
            return replace(found, array=found.array.astype(np.float32))
        return found

    def tensor(self, index: int = 0) -> ast.expr:
        """Return an input as an expression of a tensor in float32."""
        found = super().tensor(index)
        is_narrow = self.has(index) and super()._dtype(self.node.inputs[index], "") == self.narrow
        return code("x.to(mindspore.float32)", x=found) if is_narrow and self._variable(index) else found

    def _dtype(self, value: Any, what: str) -> str:
        found = super()._dtype(value, what)
        return "float32" if found == self.narrow else found

    def narrowed(self, result: Any) -> Any:
        """Return what the node makes, rounded to its narrow type where it is of that."""
        results = result if isinstance(result, tuple) else (result,)
        kinds = [fields_of(value)[0] for value in self.node.outputs]
        rounded = [
            code("x.to(d)", x=each, d=self.dtype_name(self.narrow))
            if kind == self.narrow and isinstance(each, ast.expr)
            else each
            for each, kind in zip(results, kinds, strict=False)
        ]
        return tuple(rounded) if isinstance(result, tuple) else rounded[0]
