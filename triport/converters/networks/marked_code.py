"""Code that says where Python takes the value of a number without a word: as a place, a key or an argument.

`row[n]`, `{80: 2}[n]`, `n in {80}`, `hex(n)` and `"%d" % n` ask nothing of a number that tells what it would
be at other sizes. So the source of each function that a network runs is compiled once more with calls in
these places, and the function runs that code for a while.
"""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import gc
import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

# of a call in marked code; they end in underscores, which no class mangles
TAKEN, PUT, CONTAINED = "__triport_taken__", "__triport_put__", "__triport_in__"
CALLED, FORMATTED = "__triport_called__", "__triport_formatted__"
_SLICE = "__triport_slice__"
# what looks at the frame that calls it
_OF_THE_FRAME = {"super", "locals", "vars", "dir", "eval", "exec", "globals"}

Marks = dict[str, Callable[..., Any]]


class _Marking(ast.NodeTransformer):
    """Puts calls of marks into a syntax tree."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = _call(PUT, node.value, node.value)
            return node
        return _call(TAKEN, node, node.value, _as_value(node.slice))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) > 1 or not isinstance(node.ops[0], ast.In | ast.NotIn):
            return node
        found = _call(CONTAINED, node, node.left, *node.comparators)
        if isinstance(node.ops[0], ast.In):
            return found
        return ast.copy_location(ast.UnaryOp(ast.Not(), found), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _call(FORMATTED, node, node.left, node.right) if isinstance(node.op, ast.Mod) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _OF_THE_FRAME:
            return node
        return _call(CALLED, node, node.func, *node.args, keywords=node.keywords)


def _call(mark: str, of: ast.AST, *given: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    found = ast.Call(ast.Name(mark, ast.Load()), list(given), list(keywords))
    return ast.fix_missing_locations(ast.copy_location(found, of))


def _as_value(index: ast.expr) -> ast.expr:
    """Return what stands in brackets as what is given to a function: `2:n` is slice(2, n, None)."""
    if isinstance(index, ast.Slice):
        ends = (one or ast.Constant(None) for one in (index.lower, index.upper, index.step))
        return _call(_SLICE, index, *ends)
    if isinstance(index, ast.Tuple):
        return ast.copy_location(ast.Tuple([*map(_as_value, index.elts)], ast.Load()), index)
    return index


def codes_within(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code, and that of the functions within."""
    yield code
    for held in code.co_consts:
        if isinstance(held, CodeType):
            yield from codes_within(held)


@functools.lru_cache(maxsize=512)
def _marked_of(source: str, filename: str) -> dict[CodeType, CodeType]:
    """Return the marked code of each function in a source."""
    try:
        tree = ast.parse(source)
        plain = compile(source, filename, "exec", dont_inherit=True)
        marked = compile(_Marking().visit(tree), filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # it is not Python's, or no longer what was run
        return {}
    return {
        one: other
        for one, other in zip(codes_within(plain), codes_within(marked), strict=True)
        if (one.co_name, one.co_freevars) == (other.co_name, other.co_freevars)
    }


def marked(code: CodeType) -> CodeType | None:
    """Return the marked code of a function; itself if nothing in it can be; None without a source."""
    source = "".join(linecache.getlines(code.co_filename))
    found = _marked_of(source, code.co_filename).get(code) if source else None
    return code if found is None and not any(map(_takes_or_calls, codes_within(code))) else found


def _takes_or_calls(code: CodeType) -> bool:
    """Whether anything in a code may be marked."""
    return any(
        one.opname.startswith(("CALL", "BINARY_SUBSCR", "BINARY_SLICE", "CONTAINS"))
        or one.argrepr in ("%", "[]")
        for one in dis.get_instructions(code)
    )


@contextmanager
def noted_calls(is_own: Callable[[FrameType], bool], codes: dict[CodeType, None]) -> Iterator[None]:
    """Note the code of each function of the network's own that runs.

    A profiler that is a function is told of every call too. cProfile, which is none, sees nothing of the
    block before Python 3.12. Both go on afterwards.
    """
    known: dict[CodeType, bool] = {}
    before: Any = sys.getprofile()
    tell = before if callable(before) else None

    def note(frame: FrameType, event: str, given: Any) -> None:
        if tell is not None:
            tell(frame, event, given)
        if event == "call":
            code = frame.f_code
            if code not in known:  # the body of a module or of a class is no function's
                known[code] = bool(code.co_flags & inspect.CO_OPTIMIZED) and is_own(frame)
                if known[code]:
                    codes.setdefault(code)

    sys.setprofile(note)
    try:
        yield
    finally:
        if before is None or tell is not None:
            sys.setprofile(before)
        else:  # one in C, which is no function and has a place of its own there
            sys.setprofile(None)
            before.enable()


def _functions_of(codes: Iterable[CodeType]) -> list[FunctionType]:
    """Return all functions that have one of these codes."""
    is_frozen = gc.get_freeze_count() > 0
    if is_frozen:  # what is frozen is not looked through
        gc.unfreeze()
    try:
        return [one for one in gc.get_referrers(*codes) if isinstance(one, FunctionType)]
    finally:
        if is_frozen:
            gc.freeze()


class Marked:
    """Functions that run marked for a while.

    Attributes:
        unread: the names of those that cannot, as their source is not there.
        accounted: the codes of all of them, marked and not.
    """

    def __init__(self, codes: Sequence[CodeType]) -> None:
        self._copies = {code: marked(code) for code in codes}
        self._functions = _functions_of(self._copies)  # once: all that Python holds is looked through
        self.unread = [code.co_name for code, copy in self._copies.items() if copy is None]
        copies = [copy for copy in self._copies.values() if copy is not None]
        self.accounted = {*codes, *(one for copy in copies for one in codes_within(copy))}

    def missed(self, ran: Iterable[CodeType]) -> list[str]:
        """Return the names of the functions that ran as they are, though they could be marked."""
        return [code.co_name for code in ran if self._copies.get(code) not in (None, code)]

    @contextmanager
    def running(self, marks: Marks) -> Iterator[None]:
        """Let the functions run so, with these marks."""
        changed: list[tuple[FunctionType, CodeType]] = []
        for function in self._functions:
            if (copy := self._copies.get(function.__code__)) is not None:
                changed.append((function, function.__code__))
                function.__code__ = copy
        for name, mark in {**marks, _SLICE: slice}.items():
            setattr(builtins, name, mark)
        try:
            yield
        finally:
            for function, code in changed:
                function.__code__ = code
            for name in (*marks, _SLICE):
                delattr(builtins, name)
