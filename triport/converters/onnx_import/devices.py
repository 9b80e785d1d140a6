"""Tensors that a forward pass makes lie where its input does."""

from __future__ import annotations

import ast

from .expressions import Changer, code

# what makes a tensor of nothing but numbers, in PyTorch: without a word it lies on the CPU
_MAKERS = frozenset(("arange", "eye", "full", "ones", "rand", "randn", "tensor", "zeros"))


def with_devices(statements: list[ast.stmt], tensor: str) -> list[ast.stmt]:
    """Return statements in which each new tensor is made on the device of the tensor of that name."""
    return [_Devices(tensor).visit(each) for each in statements]


class _Devices(Changer):
    def __init__(self, tensor: str) -> None:
        self.tensor = tensor

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        maker = node.func.attr if isinstance(node.func, ast.Attribute) and _is_torch(node.func.value) else ""
        if maker in _MAKERS and all(keyword.arg != "device" for keyword in node.keywords):
            node.keywords.append(ast.keyword("device", code(f"{self.tensor}.device")))
        return node


def _is_torch(tree: ast.expr) -> bool:
    """Return whether an expression is the module `torch` itself."""
    return isinstance(tree, ast.Name) and tree.id == "torch"
