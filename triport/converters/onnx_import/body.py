"""The body of a forward pass while it is written: statements, and what is known of each value."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .expressions import code, literal, name
from .frameworks import FRAMEWORKS, Framework
from .pieces import piece
from .reading import ImportRefusedError
from .reference import Reference
from .state import State, is_same, is_uniform
from .targets import Target
from .values import Known, Rep, Sizes, Variable, fields_of, number

_COPIED = 1 << 12  # elements of a parameter that each class may have for itself
_COPIED_BUFFER = 1 << 18  # the same of a constant
_LITERAL = 16  # constants of at most so many whole numbers are written out


class SharedWeightError(Exception):
    """A block reads a weight that another block holds: it cannot be a class."""

    def __init__(self, weight: str, block: str) -> None:
        """Say which weight, and which block reads it."""
        super().__init__(f"{weight} in {block}")
        self.weight, self.block = weight, block


@dataclass(slots=True)
class Shared:
    """What all bodies of one source have in common: layers and weights, functions, names of variables."""

    target: Target
    state: State
    functions: dict[str, str] = field(default_factory=dict)
    nouns: dict[str, str] = field(default_factory=dict)  # of each temporary name, what it holds
    read: set[str] = field(default_factory=set)  # the paths of members that forward passes reach
    shapes: dict[str, Any] = field(default_factory=dict)  # of arguments, by their temporary names
    # initializers that one node reads, and no module's name says whose: what they are, as far as that tells
    alone: dict[str, str | None] = field(default_factory=dict)
    # of recurrent layers, by constructor and the names of their weights, the paths
    recurrent: dict[tuple[str | None, ...], str] = field(default_factory=dict)
    reference: Reference = field(default_factory=Reference)

    @property
    def framework(self) -> Framework:
        """The framework that is written for."""
        return FRAMEWORKS[self.target]

    def leaves(self) -> dict[str, str]:
        """Return the other names of parameters' leaves; in PyTorch the attributes are the names."""
        return self.state.leaves() if self.target == "mindspore" else {}

    def fresh(self, noun: str) -> str:
        """Return a temporary name of a variable; `variables.py` gives it its last one."""
        found = f"v{len(self.nouns)}_"
        self.nouns[found] = noun
        return found


class Body:
    """Statements of one block, in order."""

    def __init__(self, shared: Shared, reps: dict[Any, Rep], prefix: str = "") -> None:
        """Begin a body of the block of that path; `reps` is shared with the bodies around it."""
        self.shared, self.reps, self.prefix = shared, reps, prefix
        self.target = shared.target
        self.framework = shared.framework
        self.statements: list[ast.stmt] = []
        self.nodes: set[Any] = set()  # those that are written into it, not into a block within
        self.translation: Any = None  # what writes the nodes of inner graphs
        self.scope: str | None = None  # of the node that is written, where that is a layer of its own

    def rep(self, value: Any) -> Rep:
        """Return what is known of a value."""
        found = self.reps.get(value)
        if found is None:
            if value.const_value is None:
                raise ImportRefusedError(
                    f"value '{value.name}' is read before it is made: the graph is damaged"
                )
            found = self.reps[value] = known_of(value)
        return found

    def shape_of(self, tree: ast.expr) -> list[int | str | None] | None:
        """Return the shape of a variable, as far as the graph says it."""
        if not isinstance(tree, ast.Name):
            return None
        held = (v for v, rep in self.reps.items() if isinstance(rep, Variable) and rep.name == tree.id)
        return next((fields_of(value)[1] for value in held), None)

    def let(self, noun: str, tree: ast.expr) -> ast.expr:
        """Give an expression a variable, and return that."""
        variable = self.shared.fresh(noun)
        self.statements.append(ast.Assign([ast.Name(variable, ast.Store())], tree))
        return ast.Name(variable, ast.Load())

    def tensor(self, rep: Rep, value: Any) -> ast.expr:
        """Return a value as an expression of a tensor."""
        if isinstance(rep, Variable):
            return ast.Name(rep.name, ast.Load())
        if isinstance(rep, Known):
            return self.constant(rep, value.name)
        dtype = self.framework.dtype(rep.dtype)
        kind = "torch.tensor" if self.target == "pytorch" else "mindspore.Tensor"
        return code(
            f"{kind}(x, dtype=kind)", x=rep.tree if rep.scalar else literal(list(rep.elements)), kind=dtype
        )

    def constant(self, rep: Known, label: str | None) -> ast.expr:
        """Return a constant: written out if it is a small one, else a parameter or a buffer."""
        array = rep.array
        if array.dtype.kind in "OSU":
            raise ImportRefusedError(
                f"constant '{label}' holds text; a tensor of texts is in neither framework"
            )
        if (array.ndim == 0 and not rep.trained) or (
            array.ndim == 1 and array.dtype.kind in "iub" and 0 < array.size <= _LITERAL
        ):
            return self._written(array)
        held = array
        if rep.origin is not None and rep.transposed:
            held = np.ascontiguousarray(array.T)
        path = self.shared.state.add_tensor(rep.origin or label or "constant", held, rep, self.prefix)
        is_a_modules = rep.trained and "." in (rep.origin or "")
        small = held.size <= (_COPIED if rep.trained else _COPIED_BUFFER) and not is_a_modules
        is_movable = small or rep.origin in self.shared.alone or is_uniform(held)
        if not self._is_inside(path) and is_movable:  # each class has its own
            trained = rep.trained and held.size > 1
            noun = self.shared.alone.get(rep.origin or "")
            path = self.shared.state.add_copy(
                rep.origin, label or "constant", held, self.prefix, trained, noun
            )
        tree, stored = self.member(path), self.shared.state.array_at(path)
        is_straight = stored is array or is_same(stored, array)
        return tree if is_straight else code("x.T", x=tree)

    def _written(self, array: np.ndarray) -> ast.expr:
        dtype = self.framework.dtype(str(array.dtype))
        if dtype is None:
            raise ImportRefusedError(f"{self.target} has no dtype {array.dtype}")
        values = [number(v) for v in array.reshape(-1)]
        kind = "torch.tensor" if self.target == "pytorch" else "mindspore.Tensor"
        return code(f"{kind}(x, dtype=kind)", x=values if array.ndim else values[0], kind=dtype)

    def layer(
        self, noun: str, constructor: ast.expr, weights: dict[str, Known], *given: ast.expr
    ) -> ast.expr | None:
        """Return the call of a layer; None if one of its weights is held by something else already."""
        path = self.layer_path(noun, constructor, weights)
        return code("f(*xs)", f=self.member(path), xs=list(given)) if path is not None else None

    def layer_path(self, noun: str, constructor: ast.expr, weights: dict[str, Known]) -> str | None:
        """Hold a layer and return its path; None if one of its weights is held by something else already."""
        return self.shared.state.add_layer(noun, constructor, weights, self.prefix, self.scope)

    def member(self, path: str) -> ast.expr:
        """Return `self.path` as this block's class sees it.

        Raises:
            SharedWeightError: another block holds it.
        """
        if not self._is_inside(path):
            raise SharedWeightError(path, self.prefix)
        self.shared.read.add(path)
        return name("self." + path[len(self.prefix) + 1 if self.prefix else 0 :])

    def _is_inside(self, path: str) -> bool:
        return not self.prefix or path.startswith(self.prefix + ".")

    def function(self, wanted: str) -> ast.expr:
        """Return the name of a function of pieces/, whose text is then copied into the source."""
        for key, text in piece(self.target, wanted).items():
            self.shared.functions.setdefault(key, text)
        return ast.Name(wanted, ast.Load())


def known_of(value: Any) -> Known:
    """Return the constant of an ir.Value."""
    import onnx_ir as ir

    if value.dtype == ir.DataType.STRING:
        return Known(np.array(value.const_value.string_data(), object))
    if value.dtype is not None and value.dtype.bitwidth < 8:
        raise ImportRefusedError(
            f"constant '{value.name}' is of {value.dtype.name}, which neither framework has"
        )
    array = np.asarray(value.const_value.numpy())
    is_initializer = not value.meta.get("constant")
    floating = array.dtype.kind in "fV" or "float" in str(array.dtype)
    return Known(
        array,
        value.name if is_initializer else None,
        trained=is_initializer and floating and array.ndim > 0 and not value.meta.get("buffer"),
    )


__all__ = ["Body", "Shared", "Sizes", "known_of"]
