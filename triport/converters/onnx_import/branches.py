"""The branch that an If takes, written out in its place where sizes or what reads its outputs decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .facts import Facts, inner_graphs
from .ranks import needed_ranks


def write_out_branches(proto: Any, found: Any, facts: Facts) -> bool:
    """Put the branch that sizes decide in an If's place; return whether there was any.

    Args:
        proto: the model, which is changed.
        found: the model with what onnx infers.
        facts: of it.
    """
    if not _has_branches(proto.graph):
        return False
    return _write_out(proto.graph, found.graph, facts, _names_of(proto.graph))


def _has_branches(graph: Any) -> bool:
    return any(node.op_type == "If" or any(map(_has_branches, inner_graphs(node))) for node in graph.node)


def _write_out(graph: Any, inferred_graph: Any, facts: Facts, taken: set[str]) -> bool:
    nodes: list[Any] = []
    changed = False
    needed = needed_ranks(graph, facts)
    for node, other in zip(list(graph.node), list(inferred_graph.node), strict=True):
        inner = {a.name: a.g for a in node.attribute if a.HasField("g")}
        found = {a.name: a.g for a in other.attribute if a.HasField("g")}
        taken_branch = _branch_taken(node, found, facts, needed)
        if taken_branch is not None:
            branch = inner[taken_branch]
            nodes += _inlined(node, branch, taken)
            graph.initializer.extend(branch.initializer)
            changed = True
            continue
        for mine, its in zip(inner_graphs(node), inner_graphs(other), strict=True):
            inside = taken | _names_of(mine)
            changed = _write_out(mine, its, Facts(its, facts.opset, facts), inside) or changed
        nodes.append(node)
    if changed:
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    return changed


def _branch_taken(
    node: Any, branches: Mapping[str, Any], facts: Facts, needed: Mapping[str, int]
) -> str | None:
    """Return which branch of an If is taken: the one that sizes decide, or whose outputs can be read."""
    if node.op_type != "If" or node.domain not in ("", "ai.onnx"):
        return None
    condition = facts.value(node.input[0])
    if condition is not None and condition.size == 1 and condition.reshape(-1)[0] is not None:
        return "then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"
    possible = [
        name
        for name, graph in branches.items()
        if _can_be_read(graph, node, Facts(graph, facts.opset, facts), needed)
    ]
    return possible[0] if len(possible) == 1 else None


def _can_be_read(branch: Any, node: Any, inside: Facts, needed: Mapping[str, int]) -> bool:
    """Return whether a branch's outputs can have the ranks that what reads them needs."""
    for inner, outer in zip(branch.output, node.output, strict=True):
        shape = inside.shape(inner.name)
        if outer in needed and shape is not None and len(shape) != needed[outer]:
            return False
    return True


def _inlined(node: Any, branch: Any, taken: set[str]) -> Iterator[Any]:
    """Give a branch's nodes, and its outputs under the If's names; two branches may use one name."""
    import onnx

    made = [name for each in branch.node for name in each.output] + [t.name for t in branch.initializer]
    other = {}
    for name in made:
        if name in taken:
            other[name] = name
            while other[name] in taken:
                other[name] += "_"
        taken.add(other.get(name, name))
    for tensor in branch.initializer:
        tensor.name = other.get(tensor.name, tensor.name)
    for each in branch.node:
        _rename(each, other)
        yield each
    for inner, outer in zip(branch.output, node.output, strict=True):
        if outer:
            yield onnx.helper.make_node("Identity", [other.get(inner.name, inner.name)], [outer])


def _rename(node: Any, other: Mapping[str, str]) -> None:
    """Rename what a node reads and makes, in its inner graphs what is not made there itself too."""
    node.input[:] = [other.get(name, name) for name in node.input]
    node.output[:] = [other.get(name, name) for name in node.output]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            own = {name for each in attribute.g.node for name in each.output}
            own |= {each.name for each in (*attribute.g.initializer, *attribute.g.input)}
            outer = {name: new for name, new in other.items() if name not in own}
            for each in attribute.g.node:
                _rename(each, outer)
            for output in attribute.g.output:
                output.name = outer.get(output.name, output.name)


def _names_of(graph: Any) -> set[str]:
    """Return every name that is made in a graph itself, or goes into it."""
    names = {name for node in graph.node for name in node.output if name}
    return names | {each.name for each in (*graph.initializer, *graph.input)}
