"""Two blocks that compute the same but for numbers, or for layers that one of them lacks.

A block whose shortcut has no projection is one whose projection is the identity: it can have the other's
forward pass. What is compared are the values and what each is made of, not the order of the statements.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .expressions import walked
from .members import steps_of

_STEPS = 20_000  # of one comparison, which tries both orders of sums and products
_COMMUTATIVE = (ast.Add, ast.Mult)


@dataclass(slots=True)
class ForwardBody:
    """A forward pass in single statements; its arguments and what is made have temporary names."""

    arguments: list[str]
    statements: list[ast.stmt]
    members: frozenset[str]  # the attributes of `self`
    numbers: frozenset[str] = frozenset()  # those arguments that are numbers of Python
    shapes: tuple[Any, ...] = ()  # of each argument its shape, as far as it is known

    def axes_of(self, size: int, place: int | None) -> set[tuple[int, int]]:
        """Return the arguments' axes of that size, as numbers of both: of one place, or the last ones."""
        axes = ((i, len(shape or ()) - 1 if place is None else place) for i, shape in enumerate(self.shapes))
        return {
            (i, axis) for i, axis in axes if axis >= 0 and (self.shapes[i] or ())[axis : axis + 1] == [size]
        }

    @property
    def kinds(self) -> list[bool]:
        """Return of each argument whether it is a number."""
        return [each in self.numbers for each in self.arguments]


@dataclass(slots=True)
class Likeness:
    """How a body is like another one, the template.

    `numbers` has, by the place of a number in the template, what stands there in the body. `lacking` are the
    template's members that the body has not: each is given one value, which it passes on. `unadded` has the
    variables that are a sum in the template and only one of the two in the body: which of the two is left.
    """

    numbers: dict[int, Any] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    unadded: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Likeness:
        """Return what can be changed without this."""
        return Likeness(dict(self.numbers), set(self.lacking), dict(self.unadded))


def numbers_in(statements: list[ast.stmt]) -> list[tuple[ast.AST, str, int | None, ast.Constant]]:
    """Return the numbers in statements, each with its parent, field and position, in the order of places."""
    found: list[tuple[ast.AST, str, int | None, ast.Constant]] = []
    for statement in statements:
        for node in walked(statement):
            for name, value in ast.iter_fields(node):
                members = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
                found += [
                    (node, name, i, each)
                    for i, each in members
                    if isinstance(each, ast.Constant) and is_number(each.value)
                ]
    return found


def likeness(template: ForwardBody, other: ForwardBody) -> Likeness | None:
    """Return how a body is like a template, None if it is not."""
    if not other.members <= template.members or other.kinds != template.kinds:
        return None
    if len(other.statements) > len(template.statements):
        return None
    match = _Match(template, other)
    return match.found if match.is_alike() else None


class _Match:
    def __init__(self, template: ForwardBody, other: ForwardBody) -> None:
        self.template, self.other = template, other
        self.found = Likeness()
        self.pairs = dict(zip(template.arguments, other.arguments, strict=True))
        self.made, self.others_made = _made_by(template.statements), _made_by(other.statements)
        self.places = {id(each): i for i, (*_, each) in enumerate(numbers_in(template.statements))}
        self.steps = 0

    def is_alike(self) -> bool:
        a, b = self.template.statements[-1], self.other.statements[-1]
        if self.made is None or self.others_made is None:
            return False
        if not (isinstance(a, ast.Return) and isinstance(b, ast.Return) and self._alike(a.value, b.value)):
            return False
        if not set(self.pairs.values()) >= set(self.others_made):
            return False
        return all(self._is_there(name) for target in self.found.unadded for name in self._added_to(target))

    def _is_there(self, name: str) -> bool:
        """Return whether what is added in the template is made in the body too."""
        return name in self.pairs

    def _alike(self, a: Any, b: Any) -> bool:
        """Compare two trees, or lists of trees; what is found on the way is undone where they differ."""
        self.steps += 1
        if self.steps > _STEPS or type(a) is not type(b):
            return False
        if isinstance(a, ast.Name) and isinstance(b, ast.Name):
            return self._alike_names(a.id, b.id)
        if isinstance(a, ast.Constant):
            return self._alike_constants(a, b)
        if isinstance(a, ast.BinOp) and isinstance(a.op, _COMMUTATIVE) and type(a.op) is type(b.op):
            kept = self._state()
            if self._alike([a.left, a.right], [b.left, b.right]):
                return True
            self._undo(kept)
            return self._alike([a.left, a.right], [b.right, b.left])
        if isinstance(a, list):
            return len(a) == len(b) and all(map(self._alike, a, b))
        if isinstance(a, ast.AST):
            return all(
                self._alike(getattr(a, each, None), getattr(b, each, None))
                for each in a._fields
                if each != "ctx"
            )
        return bool(a == b)

    def _alike_constants(self, a: ast.Constant, b: ast.Constant) -> bool:
        if type(a.value) is type(b.value) and a.value == b.value:
            return True
        if not (is_number(a.value) and is_number(b.value)) or type(a.value) is not type(b.value):
            return False
        place = self.places[id(a)]
        if self.found.numbers.get(place, b.value) != b.value:
            return False
        self.found.numbers[place] = b.value
        return True

    def _alike_names(self, a: str, b: str) -> bool:
        assert self.made is not None and self.others_made is not None
        if a in self.pairs:
            return self.pairs[a] == b
        if a not in self.made:
            return a == b and b not in self.others_made and b not in self.other.arguments
        kept = self._state()
        if b in self.others_made and self._alike_makers(self.made[a], self.others_made[b]):
            return self.pairs.get(a) == b
        self._undo(kept)
        passed = self._passed_on(self.made[a])
        if passed is not None and self._alike_names(passed[1], b):
            self.pairs[a] = b
            self.found.lacking.add(passed[0])
            return True
        self._undo(kept)
        for left in self._added_to(a):
            if self._alike_names(left, b):
                self.pairs[a] = b
                self.found.unadded[a] = left
                return True
            self._undo(kept)
        return False

    def _added_to(self, name: str) -> list[str]:
        """Return the two variables whose sum a variable is."""
        assert self.made is not None
        value = self.made[name].value
        if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
            return []
        both = [each.id for each in (value.left, value.right) if isinstance(each, ast.Name)]
        return both if len(both) == 2 else []

    def _alike_makers(self, a: ast.Assign, b: ast.Assign) -> bool:
        first, second = _targets(a), _targets(b)
        if len(first) != len(second) or set(second) & set(self.pairs.values()):
            return False
        self.pairs |= dict(zip(first, second, strict=True))
        return self._alike(a.value, b.value)

    def _passed_on(self, statement: ast.Assign) -> tuple[str, str] | None:
        """Return a member that the other body has not and the one variable that it is given."""
        call = statement.value
        if not isinstance(call, ast.Call) or call.keywords or len(call.args) != 1:
            return None
        steps, given = steps_of(call.func), call.args[0]
        if steps is None or len(steps) != 1 or not isinstance(given, ast.Name):
            return None
        return None if steps[0] in self.other.members else (steps[0], given.id)

    def _state(self) -> tuple[dict[str, str], Likeness]:
        return dict(self.pairs), self.found.copy()

    def _undo(self, state: tuple[dict[str, str], Likeness]) -> None:
        self.pairs, self.found = dict(state[0]), state[1].copy()


def _made_by(statements: list[ast.stmt]) -> dict[str, ast.Assign] | None:
    """Return the statement that makes each variable, None where a statement is no plain assignment."""
    made: dict[str, ast.Assign] = {}
    for statement in statements[:-1]:
        if not isinstance(statement, ast.Assign) or not _targets(statement):
            return None
        made |= dict.fromkeys(_targets(statement), statement)
    return made


def _targets(statement: ast.Assign) -> list[str]:
    target = statement.targets[0]
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return [each.id for each in names if isinstance(each, ast.Name)] if _are_names(names) else []


def _are_names(trees: list[ast.expr]) -> bool:
    return all(isinstance(each, ast.Name) for each in trees)


def is_number(value: Any) -> bool:
    """Return whether a constant of the source is a number, which an argument may be."""
    return isinstance(value, int | float) and not isinstance(value, bool)
