"""If, Loop and Scan: their graphs become the bodies of Python's own statements."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.body import Body
from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, literal
from triport.converters.onnx_import.values import Known, Sizes, Variable, fields_of
from triport.reference_models.errors import counted

from . import both


def _graph(call: Call, name: str) -> Any:
    attribute = call.node.attributes.get(name)
    call.attribute(name)
    return attribute.as_graph()


def _inner(call: Call, graph: Any, ends: list[tuple[str, Any]]) -> list[ast.stmt]:
    """Return the statements of an inner graph, its outputs given to those names or lists.

    An end is a name to assign, or a name and "append" for a list that grows.
    """
    body = Body(call.body.shared, call.body.reps, call.body.prefix)
    for node in graph:
        if node.op_type != "Constant" or node.outputs[0].const_value is None:
            call.body.translation.node(node, body)
    results = [body.tensor(body.rep(value), value) for value in graph.outputs]
    # all are computed before the first is assigned: one may be made of another's old value
    kept = [body.let("x", tree) if not isinstance(tree, ast.Name) else tree for tree in results]
    if len(ends) > 1:
        kept = [body.let("x", code("x", x=tree)) if _is_end(tree, ends) else tree for tree in kept]
    for (name, kind), tree in zip(ends, kept, strict=True):
        if kind == "append":
            body.statements.append(ast.Expr(code("x.append(v)", x=ast.Name(name, ast.Load()), v=tree)))
        elif kind == "assign":
            body.statements.append(ast.Assign([ast.Name(name, ast.Store())], tree))
    return body.statements


def _is_end(tree: ast.expr, ends: list[tuple[str, Any]]) -> bool:
    return isinstance(tree, ast.Name) and any(tree.id == name for name, _ in ends)


def _assigned(name: str, tree: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], tree)


@both("If")
def if_(call: Call) -> Any:
    """One of two graphs; the one that is known already is written out."""
    known = call.constant(0)
    branches = [_graph(call, "then_branch"), _graph(call, "else_branch")]
    outputs = call.node.outputs
    for graph in branches:
        _check_tensors(call, graph)
    if known is not None:
        graph = branches[0 if bool(known.reshape(-1)[0]) else 1]
        names = [call.body.shared.fresh("x") for _ in outputs]
        call.body.statements += _inner(call, graph, [(n, "assign") for n in names])
        return tuple(ast.Name(n, ast.Load()) for n in names)
    condition = call.tensor(0)
    names = [call.body.shared.fresh("x") for _ in outputs]
    parts = [_inner(call, graph, [(n, "assign") for n in names]) for graph in branches]
    call.body.statements.append(ast.If(condition, parts[0], parts[1]))
    return tuple(ast.Name(n, ast.Load()) for n in names)


def _check_tensors(call: Call, graph: Any) -> None:
    import onnx_ir as ir

    for value in [*graph.inputs, *graph.outputs]:
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            call.refuse("a graph with sequences or optional values")


@both("Loop")
def loop(call: Call) -> Any:
    """A loop with values that are carried, and others that are gathered."""
    graph = _graph(call, "body")
    _check_tensors(call, graph)
    carried = list(call.node.inputs[2:])
    inputs, outputs = list(graph.inputs), list(graph.outputs)
    if len(inputs) < 2 or not outputs:
        call.refuse(
            f"its body has {counted(len(inputs), 'input')} and {counted(len(outputs), 'output')}: damaged"
        )
    names = [call.body.shared.fresh("x") for _ in carried]
    for i, name in enumerate(names):
        call.body.statements.append(_assigned(name, call.tensor(i + 2)))
    lists = [call.body.shared.fresh("gathered") for _ in outputs[1 + len(carried) :]]
    for name in lists:
        call.body.statements.append(_assigned(name, literal([])))
    counter, condition = call.body.shared.fresh("step"), call.body.shared.fresh("going")
    call.body.reps[inputs[0]] = Sizes((ast.Name(counter, ast.Load()),), True)
    call.body.reps[inputs[1]] = Variable(condition)
    for value, name in zip(inputs[2:], names, strict=True):
        call.body.reps[value] = Variable(name)
    known = call.constant(1) if call.has(1) else np.array(True)
    ends = [(condition, "assign"), *((n, "assign") for n in names), *((n, "append") for n in lists)]
    is_counted = known is not None and bool(known.all()) and _is_true(graph, outputs[0], inputs[1])
    if is_counted:
        ends[0] = (condition, "none")
        call.body.reps[inputs[1]] = Known(np.array(True))
        body = _inner(call, graph, ends)
    else:
        call.body.statements.append(_assigned(condition, call.tensor(1) if call.has(1) else _true(call)))
        leave = ast.If(code("not c", c=ast.Name(condition, ast.Load())), [ast.Break()], [])
        body = [leave, *_inner(call, graph, ends)]
    count = code("range(n)", n=call.scalar(0)) if call.has(0) else code("range(n)", n=2**62)
    call.body.statements.append(ast.For(ast.Name(counter, ast.Store()), count, body, []))
    trips = call.constant(0) if call.has(0) else None
    never_empty = is_counted and trips is not None and int(trips.reshape(-1)[0]) > 0
    gathered = list(zip(lists, outputs[1 + len(carried) :], strict=True))
    return (
        *(ast.Name(n, ast.Load()) for n in names),
        *(_stacked(call, n, None if never_empty else value, 0) for n, value in gathered),
    )


def _stacked(call: Call, listed: str, value: Any, axis: int) -> ast.expr:
    """Return a list's tensors along a new axis; of none at all, of the shape that one would have had.

    Args:
        call: the node.
        listed: the list's name.
        value: what the list gathers; None if it is never empty.
        axis: the new one.
    """
    is_torch = call.target == "pytorch"
    stack = "torch.stack(x, dim=a)" if is_torch else "mindspore.ops.stack(x, a)"
    found = code(stack, x=ast.Name(listed, ast.Load()), a=axis or OMIT)
    dtype, shape = fields_of(value) if value is not None else ("", None)
    if shape is None or not dtype:
        return found
    sizes = [n if isinstance(n, int) else 0 for n in shape]  # a free one is 0 then, as in ONNX Runtime
    sizes.insert(axis % (len(sizes) + 1), 0)
    empty = code(
        "torch.zeros(s, dtype=d)" if is_torch else "mindspore.ops.zeros(s, d)",
        s=tuple(sizes),
        d=call.dtype_name(dtype),
    )
    return ast.IfExp(ast.Name(listed, ast.Load()), found, empty)


def _true(call: Call) -> ast.expr:
    return code("torch.tensor(True)" if call.target == "pytorch" else "mindspore.Tensor(True)")


def _is_true(graph: Any, value: Any, given: Any) -> bool:
    """Return whether a loop's condition is always true."""
    if value is given:
        return True
    if value.const_value is not None:
        return bool(value.const_value.numpy().reshape(-1)[0])
    producer = value.producer()
    return (
        producer is not None and producer.op_type == "Identity" and _is_true(graph, producer.inputs[0], given)
    )


@both("Scan", since=9)
def scan(call: Call) -> Any:
    """A loop along an axis of some inputs."""
    graph = _graph(call, "body")
    _check_tensors(call, graph)
    count = call.attribute("num_scan_inputs")
    states = call.count - count
    outputs = list(graph.outputs)
    backwards = call.attribute("scan_input_directions", [0] * count)
    gathered = len(outputs) - states
    reversed_outputs = call.attribute("scan_output_directions", [0] * gathered)
    axes = call.attribute("scan_input_axes", [0] * count)
    output_axes = call.attribute("scan_output_axes", [0] * gathered)
    names = [call.body.shared.fresh("x") for _ in range(states)]
    for i, name in enumerate(names):
        call.body.statements.append(_assigned(name, call.tensor(i)))
    lists = [call.body.shared.fresh("gathered") for _ in range(gathered)]
    for name in lists:
        call.body.statements.append(_assigned(name, literal([])))
    steps, targets = [], []
    split = "x.unbind(a)" if call.target == "pytorch" else "mindspore.ops.unbind(x, a)"
    for value, name in zip(graph.inputs[:states], names, strict=True):
        call.body.reps[value] = Variable(name)
    for i, value in enumerate(graph.inputs[states:]):
        tree = code(split, x=call.tensor(states + i), a=axes[i])
        steps.append(code("reversed(x)", x=tree) if backwards[i] else tree)
        name = call.body.shared.fresh("step")
        targets.append(ast.Name(name, ast.Store()))
        call.body.reps[value] = Variable(name)
    body = _inner(call, graph, [*((n, "assign") for n in names), *((n, "append") for n in lists)])
    target: ast.expr = targets[0] if count == 1 else ast.Tuple(list(targets), ast.Store())
    together = steps[0] if count == 1 else code("zip(*x)", x=steps)
    call.body.statements.append(ast.For(target, together, body, []))
    found: list[ast.expr] = [ast.Name(n, ast.Load()) for n in names]
    for name, back, axis in zip(lists, reversed_outputs, output_axes, strict=True):
        listed: ast.expr = ast.Name(name, ast.Load())
        listed = code("x[::-1]", x=listed) if back else listed
        stack = "torch.stack(x, dim=a)" if call.target == "pytorch" else "mindspore.ops.stack(x, a)"
        found.append(code(stack, x=listed, a=axis))
    return tuple(found)
