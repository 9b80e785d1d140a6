"""Classes that are one but for arguments: which these are, and what is an argument."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .alike import ForwardBody, Likeness, is_number, likeness, numbers_in
from .arguments import Argument, Template, UnlikeError
from .expressions import code, copied, walked
from .translate import Written

_MOST_ARGUMENTS = 7
_MOST_KEPT = 3  # arguments that the forward pass reads
_MOST_LACKING = 2  # layers that some blocks of a class have not
_MOST_UNADDED = 2  # sums that some blocks of a class have not
_RESIDUAL = "residual"


@dataclass(slots=True)
class Class:
    """A class of the source, or a block that is to be one; of each member the statements that make it."""

    name: str
    constructor: dict[str, list[ast.stmt]]
    body: ForwardBody
    written: Written
    paths: list[str]
    arguments: list[Argument] = field(default_factory=list)
    forward_arguments: list[str] = field(default_factory=list)
    forward: list[ast.stmt] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many blocks are of the class."""
        return len(self.paths)

    @property
    def statements(self) -> list[ast.stmt]:
        """The constructor's statements."""
        return [each for statements in self.constructor.values() for each in statements]


def one_class_each(
    blocks: list[Class], parameters: dict[str, tuple[str, ...]]
) -> list[tuple[Class, list[Class]]]:
    """Return classes for blocks, and of each class the blocks, whose arguments have values in their order.

    Args:
        blocks: that do not hold one another.
        parameters: of the classes that were made before, by name.
    """
    groups: dict[Any, list[Class]] = {}
    for block in blocks:
        groups.setdefault(_form(block), []).append(block)
    left = sorted(groups.values(), key=lambda group: _size(group[0]), reverse=True)
    found = []
    order = {id(block): i for i, block in enumerate(blocks)}
    while left:
        first, *others = left
        merged, left = _merged(first, others, parameters)
        merged[0].paths = [
            path for each in sorted(merged[1], key=lambda e: order[id(e)]) for path in each.paths
        ]
        found.append(merged)
    return sorted(found, key=lambda one: min(order[id(block)] for block in one[1]))


def _size(block: Class) -> tuple[int, int]:
    sums = sum(isinstance(node, ast.Add) for each in block.body.statements for node in walked(each))
    return len(block.body.members), sums


def _merged(
    first: list[Class], others: list[list[Class]], parameters: dict[str, tuple[str, ...]]
) -> tuple[tuple[Class, list[Class]], list[list[Class]]]:
    """Return the class of a group and of those others that it can hold, and the others."""
    held, found = first, _class_of(first, [Likeness()] * len(first), parameters, is_several=False)
    likenesses, left = [Likeness()] * len(first), []
    for group in others:
        alike = likeness(first[0].body, group[0].body)
        if alike is None:
            left.append(group)
            continue
        try:
            found = _class_of([*held, *group], [*likenesses, *[alike] * len(group)], parameters, True)
        except UnlikeError:
            left.append(group)
            continue
        held, likenesses = [*held, *group], [*likenesses, *[alike] * len(group)]
    return (found, held), left


def _class_of(
    blocks: list[Class],
    likenesses: list[Likeness],
    parameters: dict[str, tuple[str, ...]],
    is_several: bool,
) -> Class:
    """Return one class of blocks, each with how it is like the first.

    `is_several` is whether they are of several forms.

    Raises:
        UnlikeError: they differ in more than arguments, or in too many.
    """
    first = blocks[0]
    template = Template(len(blocks), parameters)
    lacking = {key for each in likenesses for key in each.lacking}
    constructor: dict[str, list[ast.stmt]] = {key: [] for key in first.constructor}
    for key in sorted(constructor, key=lambda key: key in lacking):
        given = [block.constructor.get(key) for block in blocks]
        if key in lacking:
            constructor[key] = template.optional(key, given)
        else:
            constructor[key] = template.statements([each or [] for each in given])
    statements = copied(first.body.statements)
    kept = _put_numbers(statements, likenesses, template, [block.body for block in blocks])
    flag = _put_sums(statements, likenesses, template)
    template.name_arguments(set(first.constructor))
    if is_several and (
        len(template.given) > _MOST_ARGUMENTS
        or len({id(each) for each in kept}) > _MOST_KEPT
        or len(lacking) > _MOST_LACKING
    ):
        raise UnlikeError("too many arguments")
    attributes = dict.fromkeys(name for each in [*kept, *flag] for name in each.read_by_forward())
    if attributes:
        constructor = {"": [_stored(name) for name in attributes], **constructor}
    body = replace(first.body, statements=[template.filled(each) for each in statements])
    constructor = {key: [template.filled(each) for each in made] for key, made in constructor.items()}
    return Class("", constructor, body, first.written, [], template.given)


def _stored(name: str) -> ast.stmt:
    """Return `self.name = name`."""
    target = ast.Attribute(ast.Name("self", ast.Load()), name, ast.Store())
    return ast.Assign([target], ast.Name(name, ast.Load()))


def _put_numbers(
    statements: list[ast.stmt], likenesses: list[Likeness], template: Template, bodies: list[ForwardBody]
) -> list[Argument]:
    """Put attributes of `self` where the blocks' numbers differ; return which arguments these are.

    A size that an axis keeps in each block is that of the argument.
    """
    kept = []
    for place, (parent, name, i, constant) in enumerate(numbers_in(statements)):
        values = [each.numbers.get(place, constant.value) for each in likenesses]
        if len(set(values)) == 1:
            continue
        here: ast.expr | None = _kept_size(values, parent, i, bodies)
        if here is None:
            argument = template.argument(values, parent, name, i)
            here = argument.in_forward()
            kept.append(argument)
        if i is None:
            setattr(parent, name, here)
        else:
            getattr(parent, name)[i] = here
    return kept


def _kept_size(values: list[Any], parent: ast.AST, place: int | None, bodies: list[ForwardBody]) -> Any:
    """Return `x.shape[i]` where a reshape keeps that axis of an argument in every block, else None.

    What the last axis becomes may be an argument's last one, of another number of axes.
    """
    if place is None or not isinstance(parent, ast.Call) or not isinstance(parent.func, ast.Attribute):
        return None
    is_last = place == len(parent.args) - 1
    for axis in (place, None) if is_last else (place,):
        found = [body.axes_of(v, axis) for body, v in zip(bodies, values, strict=True)]
        shared = sorted(set.intersection(*found)) if parent.func.attr == "reshape" else []
        if shared:
            i, kept = shared[0]
            return code("x.shape[i]", x=ast.Name(bodies[0].arguments[i], ast.Load()), i=kept)
    return None


def _put_sums(statements: list[ast.stmt], likenesses: list[Likeness], template: Template) -> list[Argument]:
    """Put `a + b if self.residual else a` where some blocks have no sum; return the argument."""
    sums = {target: left for each in likenesses for target, left in each.unadded.items()}
    if not sums:
        return []
    if len(sums) > _MOST_UNADDED or any(each.unadded not in ({}, sums) for each in likenesses):
        raise UnlikeError("different sums")
    flag = template.flag([not each.unadded for each in likenesses], _RESIDUAL)
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            left = sums.get(statement.targets[0].id)
            if left is not None:
                other = ast.Name(left, ast.Load())
                statement.value = ast.IfExp(flag.in_forward(), statement.value, other)
    return [flag]


def call_of(made: Class, block: int) -> ast.expr:
    """Return what makes one of a class' blocks."""
    given = [each for each in made.arguments if each.default is None]
    call = code("f(*xs)", f=ast.Name(made.name, ast.Load()), xs=[each.value_of(block) for each in given])
    assert isinstance(call, ast.Call)
    for each in made.arguments:
        value = each.values[block]
        is_left_out = value is ... or (type(value) is type(each.default) and value == each.default)
        if each.default is not None and not is_left_out:
            call.keywords.append(ast.keyword(each.name, code("x", x=value)))
    return call


def _form(block: Class) -> tuple[Any, ...]:
    """Return what is the same in blocks that are one class at once: all but the constructor's numbers."""
    names = {name: f"v{i}" for i, name in enumerate(_names_in_order(block.body))}
    constructor = [_shape(each, {}, has_numbers=False) for each in block.statements]
    body = [_shape(each, names, has_numbers=True) for each in block.body.statements]
    given = [names[each] for each in block.body.arguments]
    return (*constructor, *body, *given, *block.body.kinds)


def _shape(tree: Any, names: Mapping[str, str], has_numbers: bool) -> Any:
    """Return what is equal in equal trees, with other names, and with or without their numbers."""
    if isinstance(tree, ast.Name):
        return names.get(tree.id, tree.id)
    if isinstance(tree, ast.Constant):
        kind = type(tree.value)
        return (kind,) if not has_numbers and is_number(tree.value) else (kind, repr(tree.value))
    if isinstance(tree, list):
        return tuple([_shape(each, names, has_numbers) for each in tree])
    if not isinstance(tree, ast.AST):
        return tree
    parts = [_shape(getattr(tree, name, None), names, has_numbers) for name in tree._fields if name != "ctx"]
    return (tree.__class__, *parts)


def _names_in_order(body: ForwardBody) -> list[str]:
    """Return the temporary names in the order in which they are met."""
    names = [node for each in body.statements for node in walked(each) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return list(dict.fromkeys([*body.arguments, *(node.id for node in names if node.id in made)]))
