"""A graph as source: node after node into the bodies of classes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .body import Body, Shared
from .call import Call, WideCall
from .expressions import code, is_identifier, literal, names_in, text_of
from .folding import folded
from .operators import find_operator
from .reading import ImportRefusedError
from .sizes import sizes_made
from .tree import Block
from .values import Known, Rep, Sizes, Variable, fields_of
from .variables import put, without_unused

_RANDOM = frozenset(
    ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
)


@dataclass(slots=True)
class Written:
    """A block's class, as far as its forward pass: `layers` are the paths that its constructor makes."""

    block: Block
    arguments: list[str]
    statements: list[ast.stmt]
    inner: list[Written] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)  # the tensors that are its arguments
    returned: list[Any] = field(default_factory=list)
    numbers: set[str] = field(default_factory=set)  # those arguments that are numbers of Python


class Translation:
    """One graph, translated for one framework."""

    def __init__(self, shared: Shared, opsets: dict[str, int]) -> None:
        """Begin; `opsets` are the model's."""
        self.shared = shared
        self.opsets = opsets
        self.reps: dict[Any, Rep] = {}
        self.nodes = 0

    def graph(self, graph: Any, root: Block) -> Written:
        """Write a whole graph as its root block's class."""
        inputs = [value for value in graph.inputs if not value.is_initializer()]
        for value in inputs:
            self.check_type(value)
        arguments = {value: self._argument(value, root) for value in inputs}
        return self.block(root, arguments, list(graph.outputs), returns_one=len(graph.outputs) == 1)

    def check_type(self, value: Any) -> None:
        """Refuse an input that is no tensor of a dtype that the framework has."""
        import onnx_ir as ir

        dtype, _ = fields_of(value)
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            raise ImportRefusedError(
                f"input '{value.name}' is {type(value.type).__name__}; only tensors are read"
            )
        if self.shared.framework.dtype(dtype) is None:
            raise ImportRefusedError(
                f"input '{value.name}' is of {dtype or 'no type'}, which is not in the framework"
            )

    def block(
        self,
        block: Block,
        inputs: Mapping[Any, str],
        outputs: list[Any],
        returns_one: bool,
        sizes: Mapping[Any, Sizes] | None = None,
        numbers: Mapping[str, ast.expr] | None = None,
    ) -> Written:
        """Write a block's body: its inputs are arguments, its outputs are returned.

        Args:
            block: of the graph.
            inputs: tensors that are arguments, with their names.
            outputs: that are returned, except for sizes that follow of the arguments.
            returns_one: whether one tensor is returned, and not a tuple.
            sizes: what is known in it of sizes that are computed outside.
            numbers: the arguments that these sizes are made of.
        """
        sizes, numbers = sizes or {}, numbers or {}
        outer = {value: self.reps[value] for value in (*inputs, *sizes) if value in self.reps}
        body = Body(self.shared, self.reps, block.path)
        arguments = list(inputs.values())
        self.reps.update({value: Variable(variable) for value, variable in inputs.items()})
        self.reps.update(sizes)
        inner: list[Written] = []
        for item in block.items:
            if isinstance(item, Block):
                written = self._inner(item, body)
                inner += [written] if written.returned else []
            else:
                self.node(item, body)
        given = {*arguments, *numbers}
        returned = [v for v in outputs if not block.path or not _follows(self.reps.get(v), given)]
        trees = [self._returned(value, body) for value in returned]
        one = returns_one or (bool(block.path) and len(trees) == 1)
        body.statements.append(ast.Return(trees[0] if one else literal(tuple(trees))))
        # what follows sees the block's outputs as its own variables
        self.reps.update(outer)
        statements = without_unused(body.statements, self.shared.nouns)
        return Written(block, [*arguments, *numbers], statements, inner, list(inputs), returned, set(numbers))

    def _inner(self, block: Block, body: Body) -> Written:
        """Write a block within another, and the call of it."""
        inputs = [v for v in block.inputs() if not _is_fixed(self.reps.get(v))]
        reps = [body.rep(value) for value in inputs]
        tensors = [v for v, rep in zip(inputs, reps, strict=True) if not isinstance(rep, Sizes)]
        given = [body.tensor(body.rep(value), value) for value in tensors]
        arguments = {
            value: self._argument(value, block, tree if i else None)
            for i, (value, tree) in enumerate(zip(tensors, given, strict=True))
        }
        seen = {
            tree.id: name
            for tree, name in zip(given, arguments.values(), strict=True)
            if isinstance(tree, ast.Name)
        }
        numbers: dict[str, ast.expr] = {}
        known: dict[str, str] = {}  # of each expression's text, the argument that it is
        sizes = {}
        for value, rep in zip(inputs, reps, strict=True):
            if isinstance(rep, Sizes):
                elements = [
                    n if isinstance(n, int) else self._number(n, seen, known, numbers) for n in rep.elements
                ]
                sizes[value] = Sizes(tuple(elements), rep.scalar)
        outputs = block.outputs()
        written = self.block(block, arguments, outputs, False, sizes, numbers)
        call = code("f(*xs)", f=body.member(block.path), xs=[*given, *numbers.values()])
        outer = dict(zip(written.arguments, [*given, *numbers.values()], strict=True))
        names = [self.shared.fresh("x") for _ in written.returned]
        if names:
            targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names]
            target = targets[0] if len(targets) == 1 else ast.Tuple(targets, ast.Store())
            body.statements.append(ast.Assign([target], call))
        for value in outputs:
            if value in written.returned:
                variable = names[written.returned.index(value)]
                self.reps[value] = _as_argument(self.reps.get(value), variable)
            else:
                self.reps[value] = _outside(self.reps[value], outer)
        return written

    def _number(
        self, tree: ast.expr, seen: dict[str, str], known: dict[str, str], numbers: dict[str, ast.expr]
    ) -> ast.expr:
        """Return a size as a block sees it: of a tensor that it is given, or an argument for each."""
        if set(names_in(tree)) <= set(seen):
            return put(tree, {outer: ast.Name(inner, ast.Load()) for outer, inner in seen.items()})
        text = text_of(tree)
        if text not in known:
            known[text] = self.shared.fresh(self._noun_of_size(tree))
            numbers[known[text]] = tree
        return ast.Name(known[text], ast.Load())

    def _noun_of_size(self, tree: ast.expr) -> str:
        """Return what a size is called: as the axis that it is the length of."""
        if isinstance(tree, ast.Name):
            return self.shared.nouns.get(tree.id, "size")
        if isinstance(tree, ast.Subscript) and isinstance(tree.value, ast.Attribute):
            owner, place = tree.value.value, tree.slice
            if isinstance(owner, ast.Name) and isinstance(place, ast.Constant):
                shape, i = self.shared.shapes.get(owner.id), place.value
                axis = shape[i] if shape is not None and isinstance(i, int) and i < len(shape) else None
                if isinstance(axis, str) and is_identifier(axis) and not axis.startswith(("unk__", "_")):
                    return axis if axis not in ("N", "B") else "batch"
        return "size"

    def _argument(self, value: Any, block: Block, given: ast.expr | None = None) -> str:
        """Return the temporary name of a tensor that a block is given: like its name outside."""
        from .state import plain

        noun = "x" if block.path else plain(value.name or "x", "x")
        if isinstance(given, ast.Name):
            noun = self.shared.nouns[given.id]
        variable = self.shared.fresh(noun)
        self.shared.shapes[variable] = fields_of(value)[1]
        return variable

    def _returned(self, value: Any, body: Body) -> ast.expr:
        rep = body.rep(value)
        if isinstance(rep, Sizes) and body.prefix:
            return rep.tree
        if isinstance(rep, Known):
            tree = body.tensor(rep, value)
            return code("x.clone()" if body.target == "pytorch" else "x.copy()", x=tree)
        return body.tensor(rep, value)

    def node(self, node: Any, body: Body) -> None:
        """Write one node, or find that it is a constant or shape arithmetic."""
        self.nodes += 1
        body.nodes.add(node)
        domain = "" if node.domain == "ai.onnx" else node.domain
        version = self._version(node, domain)
        for rule in (folded, sizes_made):
            made = rule(Call(node, version, body))
            if made is not None:
                reps = made if isinstance(made, list) else [made]
                self.reps.update(zip(node.outputs, reps, strict=False))
                return
        narrow = self._narrow(node)
        call = WideCall(node, version, body, narrow) if narrow else Call(node, version, body)
        if node.op_type == "Constant":
            call.refuse("its value is of a kind that is not read (text or sparse)")
        operator = find_operator(domain, node.op_type, version, self.shared.target)
        if not domain and node.op_type in _RANDOM:
            call.refuse(
                "draws random numbers: no two runs are equal, and no source could be proven equal to the "
                "graph. Let the numbers be an input of the network in its place, and export it again"
            )
        if operator is None:
            call.refuse(
                f"the operator {domain + '.' if domain else ''}{node.op_type} has no translation to "
                f"{self.shared.framework.shown}"
            )
        self._check_outputs(call)
        call.body.translation, call.body.scope = self, node.meta.get("layer")
        result = operator.translate(call)
        unread = call.unread()
        if unread is not None:
            call.refuse(unread)
        self._take(call, call.narrowed(result) if isinstance(call, WideCall) else result)

    def _narrow(self, node: Any) -> str:
        """Return the type of a node that is computed in float32 although it is of another, or nothing."""
        if self.shared.target != "mindspore" or node.op_type in _ONLY_MOVE:
            return ""
        kinds = {fields_of(value)[0] for value in (*node.inputs, *node.outputs) if value is not None}
        if "bfloat16" in kinds:
            return "bfloat16"
        return "float16" if "float16" in kinds and node.op_type in _ONLY_WIDE else ""

    def _check_outputs(self, call: Call) -> None:
        for value in call.node.outputs:
            dtype, _ = fields_of(value)
            if dtype and not self.shared.framework.has_dtype(dtype):
                call.refuse(f"its output is of {dtype}, which is not in {self.shared.framework.shown}")

    def _version(self, node: Any, domain: str) -> int:
        """Return the since-version of the operator's schema in the model's opset."""
        opset = self.opsets.get(domain, self.opsets.get("ai.onnx", 1) if not domain else 1)
        return _since(node.op_type, opset, domain)

    def _take(self, call: Call, result: Any) -> None:
        """Give a node's outputs the expressions that were made of it."""
        outputs = call.node.outputs
        noun = noun_of(call.node.op_type)
        if isinstance(result, ast.expr) and len([v for v in outputs if v.name]) <= 1:
            results: list[Any] = [result]
        elif isinstance(result, tuple):
            results = list(result)
        else:
            results = self._unpacked(call, result, noun)
        for index, value in enumerate(outputs):
            if index >= len(results) or results[index] is None:
                if call.used(index):
                    call.refuse(f"output {index} is not translated")
                continue
            made = results[index]
            if isinstance(made, Known | Sizes):
                self.reps[value] = made
                continue
            # what is passed on keeps its variable; in a loop that may be assigned again
            is_same = isinstance(made, ast.Name) and made.id in self.shared.nouns and _is_outermost(call.node)
            tree = made if is_same else call.body.let(noun, made)
            self.reps[value] = Variable(tree.id if isinstance(tree, ast.Name) else "")

    def _unpacked(self, call: Call, result: ast.expr, noun: str) -> list[ast.expr]:
        """Return names for the members of a tuple that an expression makes."""
        nouns = call.node.meta.get("nouns", [noun] * len(call.node.outputs))
        names = [self.shared.fresh(each) for each in nouns]
        call.body.statements.append(
            ast.Assign([ast.Tuple([ast.Name(n, ast.Store()) for n in names], ast.Store())], result)
        )
        return [ast.Name(n, ast.Load()) for n in names]


@lru_cache(1024)
def _since(op_type: str, opset: int, domain: str) -> int:
    import onnx

    try:
        return int(onnx.defs.get_schema(op_type, opset, domain).since_version)
    except onnx.defs.SchemaError:
        return opset if domain else 0


def _is_outermost(node: Any) -> bool:
    return getattr(node.graph, "parent_node", None) is None


def _is_fixed(rep: Rep | None) -> bool:
    """Return whether a value needs no argument to be known in a block."""
    return isinstance(rep, Known) or (
        isinstance(rep, Sizes) and all(isinstance(n, int) for n in rep.elements)
    )


def _follows(rep: Rep | None, given: set[str]) -> bool:
    """Return whether sizes are made of arguments alone, so that they are known outside too."""
    return isinstance(rep, Sizes) and all(
        isinstance(n, int) or set(names_in(n)) <= given for n in rep.elements
    )


def _outside(rep: Rep, outer: Mapping[str, ast.expr]) -> Rep:
    """Return what sizes in a block are outside of it, where its arguments are those expressions."""
    assert isinstance(rep, Sizes)
    return Sizes(tuple(n if isinstance(n, int) else put(n, outer) for n in rep.elements), rep.scalar)


def _as_argument(rep: Rep | None, variable: str) -> Rep:
    """Return what a block sees of a value that it is given as that argument."""
    if isinstance(rep, Sizes):
        here = ast.Name(variable, ast.Load())
        if rep.scalar:
            return Sizes((rep.elements[0] if isinstance(rep.elements[0], int) else here,), True)
        return Sizes(
            tuple(n if isinstance(n, int) else code("x[i]", x=here, i=i) for i, n in enumerate(rep.elements))
        )
    return Variable(variable)


# of which MindSpore's CPU has no kernel in float16
_ONLY_WIDE = frozenset(("Conv", "ConvTranspose", "Einsum", "GridSample", "Resize", "Upsample"))
# what holds other nodes, or computes nothing
_ONLY_MOVE = frozenset(
    ("Cast", "If", "Loop", "Scan", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze", "Flatten")
)

_NOUNS = {
    "Softmax": "weights",
    "Shape": "shape",
    "NonZero": "indices",
    "ArgMax": "indices",
    "TopK": "top",
    "Equal": "mask",
    "Less": "mask",
    "Greater": "mask",
    "Not": "mask",
    "And": "mask",
    "Or": "mask",
    "ReduceMean": "mean",
    "Range": "positions",
    "Split": "part",
    "Unbind": "part",
    "LSTM": "out",
    "GRU": "out",
    "RNN": "out",
}


def noun_of(op_type: str) -> str:
    """Return what a variable is called that holds what such a node makes."""
    return _NOUNS.get(op_type, "x")
