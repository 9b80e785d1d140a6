"""Equal tensors that torch's exporters have stored once, and one tensor that they have stored twice.

TorchScript's writes `norm2.bias` as the Identity of `norm1.bias` where both hold the same numbers. Tensors of
one number over and over, zeros of biases and ones of norms, are no shared parameters: each has its own again.

A head that is tied to an embedding multiplies by the embedding's transpose, which the exporters compute
beforehand and store under a number: it is read as that transpose again, and the parameter stays one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .state import is_uniform, path_of

_STORED = "stored as"
_LARGE = 1 << 16  # elements; a bias has fewer


def part_equal(graph: Any) -> None:
    """Put an initializer of its own in the place of each such Identity."""
    for node in list(graph):
        if node.op_type != "Identity" or node.domain not in ("", "ai.onnx"):
            continue
        first, made = node.inputs[0], node.outputs[0]
        if first is not None and first.is_initializer() and _is_named(made) and _is_one_number(first):
            _put(graph, node, first, made)


def tie_turned(graph: Any) -> None:
    """Put the transpose of a parameter in the place of each matrix without a name that has its numbers."""
    matrices = [each for each in graph.initializers.values() if _is_matrix(each)]
    named: dict[Any, list[Any]] = {}
    for value in matrices:
        if _is_named(value):
            named.setdefault(tuple(value.shape), []).append(value)
    known: dict[Any, Any] = {}  # of each parameter that may be one of these, by some of its numbers
    for value in matrices:
        is_numbered = "." not in (value.name or "") and value.uses()
        if not is_numbered or value.is_graph_output() or value.is_graph_input():
            continue
        shape = tuple(value.shape)[::-1]
        for first in named.get(shape, ()):
            known.setdefault(_some_of(np.asarray(first.const_value.numpy())), first)
        if shape in named:
            named[shape] = []  # they are known from now on
            turned = np.asarray(value.const_value.numpy()).T
            found = known.get(_some_of(turned))
            if found is not None and _is_it(np.asarray(found.const_value.numpy()), turned):
                _put_turned(graph, found, value)


def _is_matrix(value: Any) -> bool:
    tensor = value.const_value
    is_wide = tensor is not None and value.dtype is not None and value.dtype.bitwidth >= 8
    return bool(
        is_wide and value.dtype.is_floating_point() and len(tensor.shape) == 2 and min(tensor.shape) > 1
    )


def _some_of(matrix: np.ndarray) -> tuple[Any, ...]:
    return (matrix.dtype, matrix.shape, *(n.tobytes() for n in (matrix[0, 0], matrix[0, 1], matrix[1, 0])))


def _is_it(parameter: np.ndarray, matrix: np.ndarray) -> bool:
    is_equal = parameter.shape == matrix.shape and np.array_equal(parameter, matrix)
    return is_equal and not is_uniform(parameter)


def _put_turned(graph: Any, parameter: Any, value: Any) -> None:
    import onnx_ir as ir

    node = ir.node("Transpose", [parameter], {"perm": [1, 0]}, name=value.name)
    made = node.outputs[0]
    made.type, made.shape = value.type, value.shape
    value.replace_all_uses_with(made)
    del graph.initializers[value.name]
    made.name = value.name
    graph.insert_before(graph[0], node)


def _is_named(value: Any) -> bool:
    """Return whether a name is that of a module's parameter, and no output of the graph."""
    name = value.name or ""
    return "." in name and path_of(name) is not None and not value.is_graph_output()


def _is_one_number(value: Any) -> bool:
    tensor = value.const_value
    is_small = (
        tensor is not None and value.dtype is not None and value.dtype.bitwidth >= 8 and tensor.size <= _LARGE
    )
    return bool(is_small and value.dtype.is_floating_point() and is_uniform(np.asarray(tensor.numpy())))


def _put(graph: Any, node: Any, first: Any, made: Any) -> None:
    import onnx_ir as ir

    own = ir.Value(name=made.name, type=first.type, shape=first.shape, const_value=first.const_value)
    own.meta[_STORED] = first.name
    made.replace_all_uses_with(own)
    graph.remove([node], safe=True)
    graph.register_initializer(own)


def stored_names(graph: Any) -> dict[str, str]:
    """Return, of the initializers that were made so, the names of those that the file has."""
    return {name: value.meta[_STORED] for name, value in graph.initializers.items() if _STORED in value.meta}
