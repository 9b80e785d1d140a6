"""The source file: classes, functions, weights, `build`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .arguments import Argument
from .body import Shared, SharedWeightError
from .classes import classes_of
from .equal_classes import Class
from .expressions import is_identifier, text_of
from .formatting import definition, lines_of
from .operators import Target
from .reading import ImportRefusedError
from .roles import unnamed
from .state import Layer, State
from .stored_once import stored_names
from .translate import Translation, Written
from .tree import Block, flat
from .values import fields_of

_TAKEN = {
    "torch",
    "nn",
    "F",
    "math",
    "mindspore",
    "ops",
    "mint",
    "np",
    "json",
    "Path",
    "Tensor",
    "Parameter",
    "self",
}
_TAKEN |= {
    "build",
    "read_weights",
    "int",
    "float",
    "tuple",
    "list",
    "range",
    "len",
    "min",
    "max",
    "zip",
    "sum",
}
_TAKEN |= {
    "bool",
    "slice",
    "enumerate",
    "super",
    "str",
    "dict",
    "bytes",
    "print",
    "type",
    "set",
    "abs",
    "any",
    "all",
}

# how the first line of every source ends, by which its folder is known
MADE_BY_TRIPORT = "from an ONNX graph by triport."
_LOADERS = {
    "pytorch": '''
def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file by name."""
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            kind, values = _DTYPES[entry["dtype"]], data[start + first : start + last]
            tensor = torch.frombuffer(values, dtype=kind) if values else torch.empty(0, dtype=kind)
            tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def build(weights: bool = True) -> @NAME@:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = @NAME@()
    if weights:
        network.load_state_dict(read_weights(Path(__file__).with_name(@FILE@)))
    return network.eval()
''',
    "mindspore": '''
def build(weights: bool = True) -> @NAME@:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = @NAME@()
@NAMING@
    if weights:
        path = Path(__file__).with_name(@FILE@)
        tensors = mindspore.load_checkpoint(str(path), format="safetensors")
        missing, unused = mindspore.load_param_into_net(network, tensors, strict_load=True)
        if missing or unused:
            raise ValueError(f"{path}: the weights are not this network's: {missing} {unused}")
    return network.set_train(False)
''',
}
_LOADER_WITHOUT_WEIGHTS = '''
def build() -> @NAME@:
    """Return the network, which has no weights."""
    network = @NAME@()
    return @END@
'''
_SAFETENSORS = {
    "F32": "float32",
    "F64": "float64",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "C64": "complex64",
}
_SAFETENSORS_8 = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


@dataclass(slots=True)
class Source:
    """What was written: the text of the .py file, the weights by their names, and what a report says.

    `origins` has the initializer of each weight that is one, which the layer may keep transposed. `modules`
    has the class of each block by its path, the whole network's is "".
    """

    name: str
    target: Target
    text: str
    weights: dict[str, np.ndarray]
    renamed: dict[str, str]
    nodes: int
    classes: int
    inputs: list[tuple[str, str, list[int | str | None] | None]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return self.text.count("\n")


_NAMING = """
    for path, parameter in network.parameters_and_names():
        parameter.name = path
"""
_RENAMING = """
    for path, cell in network.cells_and_names():
        names = NAMES if isinstance(cell, @LAYERS@) else {}
        for leaf, parameter in cell.parameters_and_names(expand=False):
            leaf = names.get(leaf, leaf)
            parameter.name = f"{path}.{leaf}" if path else leaf
"""


_MOST_DISSOLVED = 40


def source_of(model: Any, target: Target, name: str, root: Block) -> Source:
    """Return the source of a model for a framework.

    Args:
        model: an onnx_ir.Model.
        target: the framework.
        name: of the module that is written; an identifier.
        root: the graph as blocks.

    Raises:
        ImportRefusedError: a node is not translated.
    """
    shared, written, nodes = _in_blocks(model, target, root)
    taken = _TAKEN | set(shared.functions)
    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Network"
    class_name = class_name if is_identifier(class_name) and class_name not in taken else "Network"
    classes = classes_of(written, shared, class_name, taken)
    text = _text(model, shared, classes, written, name)
    _check(text)
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    leaves, stored = shared.leaves(), stored_names(model.graph)
    return Source(
        name,
        target,
        text,
        {shared.state.name_of(path, leaves): array for path, array in shared.state.arrays().items()},
        shared.state.renamed_with(leaves),
        nodes,
        len(classes),
        [(v.name, *fields_of(v)) for v in inputs],
        [v.name for v in model.graph.outputs],
        {shared.state.name_of(path, leaves): stored.get(o, o) for path, o in shared.state.origins.items()},
        {path: each.name for each in classes for path in each.paths},
    )


def _in_blocks(model: Any, target: Target, root: Block) -> tuple[Shared, Written, int]:
    """Return what `_translated` does; blocks that read weights of others are none."""
    blocks = root.copy()
    for _ in range(_MOST_DISSOLVED):
        try:
            return _translated(model, target, blocks)
        except SharedWeightError as error:
            if not blocks.dissolve(error.block):
                break
    return _translated(model, target, flat(model.graph))


def _translated(model: Any, target: Target, root: Block) -> tuple[Shared, Written, int]:
    """Return what all bodies share, the root's, and how many nodes were translated."""
    shared = Shared(target, State(), alone=unnamed(model))
    translation = Translation(shared, dict(model.opset_imports))
    written = translation.graph(model.graph, root)
    shared.state.drop_unread(shared.read)
    return shared, written, translation.nodes


def _text(model: Any, shared: Shared, classes: list[Class], root: Written, name: str) -> str:
    body = "\n\n\n".join(
        [
            *shared.functions.values(),
            *("\n".join(_class_lines(each, shared, model, root)) for each in classes),
        ]
    )
    arrays = shared.state.arrays()
    loader = (_LOADERS[shared.target] if arrays else _LOADER_WITHOUT_WEIGHTS).strip("\n")
    end = {"pytorch": "network.eval()", "mindspore": "network.set_train(False)"}[shared.target]
    loader = loader.replace("@END@", end)
    loader = loader.replace("@NAME@", classes[-1].name).replace("@FILE@", f'"{name}.safetensors"')
    leaves = shared.leaves()
    loader = loader.replace("@NAMING@", (_RENAMING if leaves else _NAMING).strip("\n"))
    loader = loader.replace("@LAYERS@", _layers_with(leaves, shared.state))
    if leaves:
        table = ", ".join(f'"{leaf}": "{other}"' for leaf, other in leaves.items())
        loader = f"# what the graph calls them\nNAMES = {{{table}}}\n\n\n{loader}"
    if shared.target == "pytorch" and arrays:
        kinds = {str(array.dtype) for array in arrays.values()}
        entries = {key: kind for key, kind in (_SAFETENSORS | _SAFETENSORS_8).items() if kind in kinds}
        table = ", ".join(f'"{key}": torch.{kind}' for key, kind in entries.items())
        loader = f"_DTYPES = {{{table}}}\n\n\n{loader}"
    code = f"{body}\n\n\n{loader}\n"
    return f"{_head(model, shared, name, code)}\n\n{code}"


def _layers_with(leaves: dict[str, str], state: State) -> str:
    """Return the classes of the layers that have such leaves, as isinstance takes them."""
    found = {
        text_of(member.constructor).partition("(")[0]
        for member in state.members.values()
        if isinstance(member, Layer) and leaves.keys() & member.weights.keys()
    }
    return f"({', '.join(sorted(found))})" if len(found) > 1 else "".join(found)


def _head(model: Any, shared: Shared, name: str, body: str) -> str:
    graph = model.graph
    inputs = [_described(v) for v in graph.inputs if not v.is_initializer()]
    outputs = [_described(v) for v in graph.outputs]
    opset = model.opset_imports.get("", "")
    producer = _plain(
        f"{model.producer_name or 'an unnamed producer'} {model.producer_version or ''}".strip()
    )
    lines = [
        f'"""{name} in {shared.framework.shown}, {MADE_BY_TRIPORT}',
        "",
        f"The graph is of {producer}, opset {opset}.",
        *(f"Input {each}." for each in inputs),
        *(f"Output {each}." for each in outputs),
        '"""',
        "",
        "from __future__ import annotations",
        "",
    ]
    if shared.target == "pytorch":
        standard = ["import json"] if "json." in body else []
        names = ["import torch", "from torch import Tensor, nn"]
        if re.search(r"\bF\.", body):
            names.append("from torch.nn import functional as F")
    else:
        standard, names = [], ["import mindspore", "from mindspore import Tensor, nn"]
        inner = [each for each in ("ops", "mint") if re.search(rf"\b{each}\.", body)]
        inner += ["Parameter"] if re.search(r"\bParameter\(", body) else []
        names[1] = "from mindspore import " + ", ".join(
            sorted([*inner, "Tensor", "nn"], key=lambda n: (n.islower(), n))
        )
        if re.search(r"\bnp\.", body):
            names.insert(1, "import numpy as np")
            names.sort(key=lambda line: (line.startswith("from"), line))
    standard += ["from collections import OrderedDict"] if "OrderedDict(" in body else []
    standard += ["import itertools"] if re.search(r"\bitertools\.", body) else []
    standard += ["import math"] if re.search(r"\bmath\.", body) else []
    standard += ["from collections.abc import Callable"] if re.search(r"\bCallable\b", body) else []
    standard += ["from pathlib import Path"] if re.search(r"\bPath\b", body) else []
    typed = ", ".join(each for each in ("Any", "NamedTuple") if re.search(rf"\b{each}\b", body))
    standard += [f"from typing import {typed}"] if typed else []
    standard += [""] if standard else []
    return "\n".join([*lines, *standard, *names, ""])


def _class_lines(made: Class, shared: Shared, model: Any, root: Written) -> list[str]:
    framework = shared.framework
    block = made.written.block
    what = (
        "The network."
        if made.written is root
        else f"`{block.path}`" + (f" and {made.count - 1} more." if made.count > 1 else ".")
    )
    lines = [f"class {made.name}({framework.module}):", f'    """{what}"""', ""]
    if made.constructor:
        given = ["self", *(_argument(each) for each in made.arguments)]
        lines += [*definition("__init__", given, "None", " " * 4), "        super().__init__()"]
        lines += [line for each in made.statements for line in lines_of(each, " " * 8)]
        lines.append("")
    returned = made.forward[-1]
    several = isinstance(returned, ast.Return) and isinstance(returned.value, ast.Tuple)
    result = "tuple[Tensor, ...]" if several else "Tensor"
    kinds = ("int" if is_number else "Tensor" for is_number in made.body.kinds)
    arguments = ["self", *map("{}: {}".format, made.forward_arguments, kinds)]
    lines += definition(framework.forward, arguments, result, " " * 4)
    doc = _shapes(made, model, root)
    if doc:
        lines.append(f'        """{doc}"""')
    lines += [line for each in made.forward for line in lines_of(each, " " * 8)]
    return lines


def _argument(argument: Argument) -> str:
    default = "" if argument.default is None else f" = {argument.default!r}"
    return f"{argument.name}: {argument.kind}{default}"


def _shapes(made: Class, model: Any, root: Written) -> str:
    """Return a line of a forward pass' input and output shapes."""
    if made.written is root:
        inputs = [v for v in model.graph.inputs if not v.is_initializer()]
        outputs = list(model.graph.outputs)
    else:
        if made.count > 1:
            return ""
        inputs, outputs = made.written.block.inputs(), made.written.block.outputs()
    inputs = [v for v in inputs if v in made.written.given] if made.written is not root else inputs
    given = ", ".join(f"{name} {_shape(v)}" for name, v in zip(made.forward_arguments, inputs, strict=False))
    found = f"Return {', '.join(_shape(v) for v in outputs)} for {given}."
    return found if len(found) < 96 else ""


def _shape(value: Any) -> str:
    _, shape = fields_of(value)
    if shape is None:
        return "(...)"
    sizes = [str(n) if isinstance(n, int) else _axis(n) for n in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _axis(free: str | None) -> str:
    if free is None:
        return "?"
    is_shown = re.fullmatch(r"[A-Za-z_][\w ]{0,30}", free) and not free.startswith("unk__")
    return free if is_shown else "?"


def _described(value: Any) -> str:
    return f"{_plain(value.name)}: {_shape(value)} {fields_of(value)[0]}"


def _plain(text: str) -> str:
    """Return a file's text as it can stand in a docstring: no quote, no backslash, no control character."""
    return re.sub(r"[^A-Za-z0-9_ .:/()+-]", "?", text)[:80]


def _check(text: str) -> None:
    """The text must be Python; a fault here is ours."""
    try:
        ast.parse(text)
    except SyntaxError as error:  # pragma: no cover
        raise ImportRefusedError(
            f"the source that was written is no Python (a fault of triport): {error}"
        ) from None
