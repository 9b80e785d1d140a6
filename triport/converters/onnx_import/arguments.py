"""What differs between the constructors of one class' blocks, as arguments with names."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .expressions import Changer, code, copied, is_identity, literal, text_of
from .layer_arguments import DEFAULTS, GROUPS, IN_ORDER, INTO, OUT_OF, PLAIN, POSITIONS, is_width

_LISTS = ("nn.Sequential", "nn.SequentialCell", "nn.ModuleList", "nn.CellList")
_MOST_TIMES = 8  # a width that is so many times another one is written so


class UnlikeError(Exception):
    """Two blocks differ in more than arguments."""


@dataclass(slots=True)
class Argument:
    """An argument of a class' constructor: of each block its value, `...` where it does not matter.

    `made_of` is another argument of which this one follows, and how: a factor, a divisor as a negative
    number, or "half", rounded down.
    """

    values: list[Any]
    wanted: list[str]  # a name for each place at which it stands
    is_flag: bool = False
    name: str = ""
    made_of: tuple[Argument, int | str] | None = None
    in_constructor: list[ast.Name] = field(default_factory=list)
    in_body: list[ast.Attribute] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its annotation."""
        kinds = {_kind(value) for value in self.values if value is not ...}
        return "float" if kinds == {"int", "float"} else " | ".join(sorted(kinds, key=len))

    @property
    def default(self) -> Any:
        """What it is where a call leaves it out; None if none does."""
        if self.is_flag:
            return False
        if self.name not in PLAIN or "tuple" in self.kind:
            return None
        return DEFAULTS[self.name] if DEFAULTS[self.name] in self.values else None

    def value_of(self, block: int) -> Any:
        """Return a block's value; another one's where it does not matter."""
        value = self.values[block]
        return next(each for each in self.values if each is not ...) if value is ... else value

    def in_forward(self) -> ast.Attribute:
        """Return a place in the forward pass at which it is read."""
        self.in_body.append(ast.Attribute(ast.Name("self", ast.Load()), "size", ast.Load()))
        return self.in_body[-1]

    def read_by_forward(self) -> list[str]:
        """Return the attributes of `self` that the forward pass reads for it."""
        return [self.made_of[0].name if self.made_of is not None else self.name]

    def expression(self, owner: ast.expr | None) -> ast.expr:
        """Return what it is, of its own name or the one that it is made of, as an attribute of the owner."""
        origin = self.made_of[0] if self.made_of is not None else self
        here = ast.Attribute(owner, origin.name, ast.Load()) if owner else ast.Name(origin.name, ast.Load())
        if self.made_of is None:
            return here
        how = self.made_of[1]
        if how == "half" or (isinstance(how, int) and how < 0):
            return code("x // n", x=here, n=2 if how == "half" else -int(how))
        return code("n * x", n=how, x=here)


class Template:
    """Blocks' constructors as one, with names where they differ."""

    def __init__(self, blocks: int, parameters: dict[str, tuple[str, ...]]) -> None:
        """Begin; `parameters` are those of the classes that the constructors call."""
        self._blocks, self._parameters = blocks, parameters
        self._arguments: list[Argument] = []
        self._widths: list[Argument] = []  # in the order of the places at which widths stand
        self._trees: dict[int, ast.expr] = {}

    def statements(self, given: list[list[ast.stmt]]) -> list[ast.stmt]:
        """Return the statements of one member, of which each block has its own."""
        if len({len(each) for each in given}) != 1:
            raise UnlikeError("another number of statements")
        return [self._one(list(column), "", "") for column in zip(*given, strict=True)]

    def optional(self, key: str, given: list[list[ast.stmt] | None]) -> list[ast.stmt]:
        """Return the statement of a member that some blocks lack: it is their identity."""
        present = [each for each in given if each is not None]
        if any(len(each) != 1 or not isinstance(each[0], ast.Assign) for each in present):
            raise UnlikeError("more than a layer")
        values = [each[0].value if each is not None else ... for each in given]  # type: ignore[attr-defined]
        before = len(self._widths)
        made = self._one(values, "", "")
        del self._widths[before:]  # a layer that may lack names no width
        flag = self.flag([each is not None for each in given], key)
        target = present[0][0].targets[0]  # type: ignore[attr-defined]
        has = ast.Name(key, ast.Load())
        flag.in_constructor.append(has)
        return [ast.Assign([target], ast.IfExp(has, made, code("nn.Identity()")))]

    def flag(self, values: list[Any], wanted: str) -> Argument:
        """Return an argument that says whether blocks have something."""
        self._arguments.append(Argument(values, [wanted], is_flag=True))
        return self._arguments[-1]

    def argument(self, values: list[Any], parent: Any, name: str, position: int | None) -> Argument:
        """Return the argument with those values: one that is there already if it can be that."""
        wanted = self._wanted(parent, name, position)
        found = next((each for each in self._arguments if _is_same(each, values, wanted)), None)
        if found is None:
            found = Argument(list(values), [])
            self._arguments.append(found)
        found.values = [b if a is ... else a for a, b in zip(found.values, values, strict=True)]
        found.wanted.append(wanted)
        if is_width(wanted) and wanted not in ("size", *GROUPS):
            self._widths.append(found)
        return found

    def _one(self, given: list[Any], parent: Any, name: str, position: int | None = None) -> Any:
        """Return the tree of several, with a name where their numbers differ; `...` is any."""
        known = [each for each in given if each is not ...]
        if all(_is_leaf(each) for each in known):
            values = [each if each is ... else ast.literal_eval(each) for each in given]
            if len({repr(value) for value in values if value is not ...}) == 1:
                return copied(known[0])
            if _differ_in_one(known):
                return ast.Tuple(self._field(given, known[0], "elts"), ast.Load())
            here = ast.Name("size", ast.Load())
            self.argument(values, parent, name, position).in_constructor.append(here)
            return here
        if len({type(each) for each in known}) != 1:
            raise UnlikeError("another kind of expression")
        if isinstance(known[0], ast.Call):
            return self._call(given, known)
        if not isinstance(known[0], ast.AST):
            if any(each != known[0] for each in known):
                raise UnlikeError("another text")
            return known[0]
        fields = {each: self._field(given, known[0], each) for each in known[0]._fields}
        return type(known[0])(**fields)

    def _field(self, given: list[Any], parent: ast.AST, name: str) -> Any:
        values = [each if each is ... else getattr(each, name, None) for each in given]
        known: list[Any] = [each for each in values if each is not ...]
        if not isinstance(known[0], list):
            return self._one(values, parent, name)
        lengths, columns = {len(each) for each in known}, list[Any](values)
        if len(lengths) != 1:
            raise UnlikeError("another length")
        return [
            self._one([each if each is ... else each[i] for each in columns], parent, name, i)
            for i in range(lengths.pop())
        ]

    def _or_identity(self, given: list[Any], function: str) -> ast.expr:
        """Return a layer that is the identity in some blocks."""
        is_there = [each is not ... and not is_identity(each) for each in given]
        made = self._one(
            [each if there else ... for each, there in zip(given, is_there, strict=True)], "", ""
        )
        flag = self.flag(
            is_there, "pool" if "Pool" in function else "norm" if "Norm" in function else "layer"
        )
        here = ast.Name("size", ast.Load())
        flag.in_constructor.append(here)
        return ast.IfExp(here, made, code("nn.Identity()"))

    def _call(self, given: list[Any], known: list[ast.Call]) -> ast.expr:
        """Return one call; a keyword that some leave out is its default there."""
        there = [each for each in known if not is_identity(each)]
        if len(there) != len(known) and there:
            return self._or_identity(given, text_of(there[0].func))
        if len({text_of(each.func) for each in known}) != 1:
            raise UnlikeError("another call")
        repeated = self._repeated(given, known)
        if repeated is not None:
            return repeated
        if len({len(each.args) for each in known}) != 1:
            raise UnlikeError("another call")
        made = ast.Call(copied(known[0].func), self._field(given, known[0], "args"), [])
        keywords = list(dict.fromkeys(k.arg or "" for each in known for k in each.keywords))
        if any(len(each.keywords) != len(keywords) for each in known):
            keywords.sort(key=lambda each: IN_ORDER.index(each) if each in IN_ORDER else -1)
        for keyword in keywords:
            values: list[Any] = []
            for each in given:
                stated = {} if each is ... else {k.arg: k.value for k in each.keywords}
                if each is ... or keyword in stated:
                    values.append(... if each is ... else stated[keyword])
                elif keyword in DEFAULTS:
                    values.append(literal(DEFAULTS[keyword]))
                else:
                    raise UnlikeError("a keyword without a default")
            made.keywords.append(
                ast.keyword(keyword, self._one(values, ast.keyword(keyword, ast.Constant(0)), "value"))
            )
        return made

    def _repeated(self, given: list[Any], known: list[ast.Call]) -> ast.expr | None:
        """Return a list of layers that are equal in each block, of which there are more in some; or None."""
        lists = [_equal_layers(each) for each in known]
        if any(each is None for each in lists) or len({each[1] for each in lists if each is not None}) == 1:
            return None
        found = iter([each for each in lists if each is not None])
        pairs = [(..., ...) if each is ... else next(found) for each in given]
        layer = self._one([each for each, _ in pairs], "", "")
        count = ast.Name("size", ast.Load())
        counts: list[Any] = [number for _, number in pairs]
        self.argument(counts, ast.keyword("depth", count), "value", None).in_constructor.append(count)
        function = known[0].func
        is_list = isinstance(known[0].args[0], ast.List | ast.ListComp)
        template = "f([x for _ in range(n)])" if is_list else "f(*[x for _ in range(n)])"
        return code(template, f=copied(function), x=layer, n=count)

    def _wanted(self, parent: Any, name: str, position: int | None) -> str:
        """Return what a place calls its argument."""
        if isinstance(parent, ast.keyword) and parent.arg:
            return parent.arg
        if isinstance(parent, ast.Call) and name == "args" and position is not None:
            function = text_of(parent.func).rpartition(".")[2]
            names = self._parameters.get(function, POSITIONS.get(function, ()))
            if position < len(names):
                return names[position] or "size"
        return "size"

    @property
    def given(self) -> list[Argument]:
        """The arguments that are given: widths first, those with a default last."""
        given = [each for each in self._arguments if each.made_of is None]
        order = (
            "in_channels",
            "in_features",
            "channels",
            "features",
            "hidden",
            "out_channels",
            "out_features",
        )
        return sorted(
            given,
            key=lambda each: (
                each.default is not None,
                next((i for i, start in enumerate(order) if each.name.startswith(start)), len(order)),
            ),
        )

    def name_arguments(self, attributes: set[str]) -> None:
        """Name the arguments, and find those that follow of others; `attributes` are names of layers."""
        for i, each in enumerate(self._arguments):
            each.made_of = next((m for o in self._arguments[:i] if (m := _made_of(each, o))), None)
        given = [each for each in self._arguments if each.made_of is None]
        widths = [each for each in self._widths if each.made_of is None]
        first, last = (widths[0], self._widths[-1]) if widths else (None, None)
        used: set[str] = set()
        for each in given:
            is_a_width = any(each is width for width in widths)
            wanted = _width_name(each, first, last) if is_a_width else _common(each.wanted)
            taken = used | (attributes if each.in_body and not each.is_flag else set())
            number, each.name = 1, wanted
            while each.name in taken:
                number += 1
                each.name = f"{wanted}{number}"
            used.add(each.name)
        for each in self._arguments:
            self._trees |= {id(place): each.expression(None) for place in each.in_constructor}
            self._trees |= {id(place): each.expression(place.value) for place in each.in_body}

    def filled(self, statement: ast.stmt) -> ast.stmt:
        """Return a statement with the arguments in their places."""
        filled = _Filled(self._trees).visit(statement)
        assert isinstance(filled, ast.stmt)
        return filled


class _Filled(Changer):
    def __init__(self, trees: dict[int, ast.expr]) -> None:
        self._trees = trees

    def visit(self, node: Any) -> Any:
        """Return what stands in the place of a tree."""
        found = self._trees.get(id(node))
        return copied(found) if found is not None else self.generic_visit(node)


def _is_same(one: Argument, values: list[Any], wanted: str) -> bool:
    """Return whether an argument can be that one."""
    if one.is_flag or not (wanted in one.wanted or all(map(is_width, [wanted, *one.wanted]))):
        return False
    pairs = [(a, b) for a, b in zip(one.values, values, strict=True) if a is not ... and b is not ...]
    return bool(pairs) and all(type(a) is type(b) and a == b for a, b in pairs)


def _made_of(one: Argument, other: Argument) -> tuple[Argument, int | str] | None:
    """Return how an argument follows of another: a width as a multiple of it, a padding as half a kernel."""
    pairs = list(zip(one.values, other.values, strict=True))
    if other.made_of is not None or other.is_flag or len(set(map(repr, other.values))) < 2:
        return None
    if not all(type(a) is int and type(b) is int for a, b in pairs):
        return None
    if _common(one.wanted) == "padding" and _common(other.wanted) == "kernel_size":
        return (other, "half") if all(a == b // 2 for a, b in pairs) else None
    if not all(map(is_width, [*one.wanted, *other.wanted])):
        return None
    if set(other.wanted) <= set(GROUPS):
        return None
    if set(one.wanted) <= set(GROUPS):
        parts = {b // a if a and b % a == 0 else 0 for a, b in pairs}
        share = parts.pop() if len(parts) == 1 else 0
        return (other, -share) if share > 1 else None
    times = {a // b if b and a % b == 0 else 0 for a, b in pairs}
    factor = times.pop() if len(times) == 1 else 0
    return (other, factor) if 2 <= factor <= _MOST_TIMES else None


def _width_name(argument: Argument, first: Argument | None, last: Argument | None) -> str:
    """Return what a number of channels or features is called."""
    noun = "channels" if any("channels" in each for each in argument.wanted) else "features"
    if argument is first:
        is_all = argument is last or not set(argument.wanted) & {*INTO, *OUT_OF}
        return noun if is_all else f"in_{noun}"
    return f"out_{noun}" if argument is last else f"hidden_{noun}"


def _common(wanted: list[str]) -> str:
    """Return the name that most places have, the first of several."""
    return max(wanted, key=lambda each: (each != "size", wanted.count(each), -wanted.index(each)))


def _is_leaf(tree: Any) -> bool:
    """Return whether a tree is a number, a truth value, or a tuple of numbers."""
    if isinstance(tree, ast.Tuple):
        return bool(tree.elts) and all(_is_leaf(each) for each in tree.elts)
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.op, ast.USub) and _is_leaf(tree.operand)
    return isinstance(tree, ast.Constant) and isinstance(tree.value, int | float)


def _equal_layers(tree: ast.Call) -> tuple[ast.expr, int] | None:
    """Return the layer of which a list of layers has several equal ones, and how many."""
    if text_of(tree.func) not in _LISTS or len(tree.args) < 1 or tree.keywords:
        return None
    inner: Any = tree.args
    if len(inner) == 1 and isinstance(inner[0], ast.List):
        inner = inner[0].elts
    elif len(inner) == 1 and isinstance(inner[0], ast.Starred | ast.ListComp):
        listed = inner[0].value if isinstance(inner[0], ast.Starred) else inner[0]
        if not isinstance(listed, ast.ListComp):
            return None
        count = getattr(listed.generators[0].iter, "args", [None])[0]
        number = count.value if isinstance(count, ast.Constant) else None
        return (listed.elt, number) if isinstance(number, int) else None
    is_equal = len({text_of(each) for each in inner}) == 1
    return (inner[0], len(inner)) if is_equal and isinstance(inner[0], ast.Call) else None


def _differ_in_one(trees: list[Any]) -> bool:
    """Return whether all are tuples that are equal but for one of their numbers."""
    if not all(isinstance(each, ast.Tuple) for each in trees) or len({len(each.elts) for each in trees}) > 1:
        return False
    columns = zip(*(each.elts for each in trees), strict=True)
    return sum(len({text_of(each) for each in column}) > 1 for column in columns) == 1


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(_kind(each) for each in value)}]"
    return type(value).__name__
