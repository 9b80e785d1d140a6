"""Where a node lies in the module tree: by the names of its weights, or by its exporter's scopes."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

import numpy as np

from .expressions import is_key
from .state import is_held_bare, is_uniform, path_of

# they become layers, whose path is their weights' names without the leaf
_LAYERS = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "BatchNormalization",
        "Gemm",
        "MatMul",
        "LayerNormalization",
        "LayerNorm2d",
        "QuantizedConv2d",
        "QuantizedLinear",
        "QLinearConv",
        "GroupNormalization",
        "GroupNorm",
        "InstanceNormalization",
        "PRelu",
        "Linear",
        "Gather",
        "RMSNormalization",
        "LSTM",
        "GRU",
        "RNN",
    ]
)
_THROUGH = frozenset(("Transpose", "Identity", "Cast", "Reshape", "DequantizeLinear", "Squeeze", "Unsqueeze"))
_LONG = 2000
_LARGE = 1 << 16  # elements; a vector of ones has fewer


class Homes:
    """The block of each node of a graph, as far as names tell."""

    def __init__(self, nodes: list[Any]) -> None:
        """Look at all nodes."""
        self._layers: set[str] = set()
        names = {node: list(_initializers(node, 3)) for node in nodes}
        self._scopes = _modules(nodes, names)
        for node, found in names.items():
            if node.op_type in _LAYERS:
                self._layers |= {path.rpartition(".")[0] for path in found if not is_held_bare(path)}
        scoped = _scoped_layers([node for node, found in names.items() if not found], self._scopes)
        for node, path in scoped.items():
            node.meta["layer"] = path
            names[node] = [f"{path}.weight"]
        self._layers |= set(scoped.values())
        self._layers.discard("")
        self.blocks: set[str] = {""}
        homes = {}
        for node, found in names.items():
            paths = [self._block_of(path) for path in found]
            homes[node] = max(paths, key=len) if paths else None
            if homes[node] is not None:
                self.blocks |= set(_candidates(homes[node] or "")) | {homes[node] or ""}
        self._homes = {node: home if home is not None else self._hinted(node) for node, home in homes.items()}

    def of(self, node: Any) -> str | None:
        """Return a node's block: the path, "" for the whole network, None if nothing tells."""
        return self._homes.get(node)

    def _block_of(self, path: str) -> str:
        """Return the block of a weight's name."""
        owner = path.rpartition(".")[0]
        if owner in self._layers or not owner:
            owner, _, last = owner.rpartition(".")
            while is_key(last):
                owner, _, last = owner.rpartition(".")
        return owner

    def _hinted(self, node: Any) -> str | None:
        """Return the block that an exporter's scope names, if weights lie there too."""
        path = self._scopes.get(node)
        return None if path is None else self._innermost(path)

    def _innermost(self, path: str) -> str:
        while path and path not in self.blocks:
            path = path.rpartition(".")[0]
        return path


def _modules(nodes: list[Any], names: dict[Any, list[str]]) -> dict[Any, str]:
    """Return the module in which each node runs by its exporter's scopes, in the words of the weights' names.

    Scopes tell which modules call each other, names tell which one holds the other: what was exported may be
    around the network, and a module may call one that another holds. Where a layer has both, they say which
    scope is which module.
    """
    scopes = {node: path for node in nodes if (path := scope_of(node)) is not None}
    around = _steps_around(scopes.values(), [path for paths in names.values() for path in paths])
    found: dict[str, Counter[str]] = {}
    for node, paths in names.items():
        for path in paths:
            for scope, module in _alike(scopes.get(node, ""), path.rpartition(".")[0], around):
                found.setdefault(scope, Counter())[module] += 1
    modules = {scope: counts.most_common(1)[0][0] for scope, counts in found.items()}
    return {node: _in_modules(path, modules) for node, path in scopes.items()}


def _steps_around(scopes: Iterable[str], names: list[str]) -> int:
    """Return how many steps all scopes begin with, which names do not."""
    common = list(
        takewhile(lambda steps: len(set(steps)) == 1, zip(*(s.split(".") for s in scopes if s), strict=False))
    )
    return len(common) if common and all(name.partition(".")[0] != common[0][0] for name in names) else 0


def _alike(scope: str, module: str, around: int) -> list[tuple[str, str]]:
    """Return the scopes around a layer's, each with the module of that name around the layer.

    There are none where a layer is another module's as well: more than one step differs then, beside the
    steps that are around the whole network.
    """
    scopes, steps = scope.split("."), module.split(".")
    found = []
    while scopes and steps and scopes[-1] == steps[-1]:
        found.append((".".join(scopes), ".".join(steps)))
        scopes.pop()
        steps.pop()
    if found and scopes and not steps:
        found.append((".".join(scopes), ""))
    return found if not steps or len(scopes) <= around + 1 else []


def _in_modules(scope: str, modules: dict[str, str]) -> str:
    """Return a scope as the path of a module: of the innermost known scope around it, and the rest."""
    known, rest = scope, ""
    while known and known not in modules:
        known, _, step = known.rpartition(".")
        rest = f"{step}.{rest}" if rest else step
    return ".".join(part for part in (modules.get(known, known), rest) if part)


def _scoped_layers(candidates: list[Any], scopes: dict[Any, str]) -> dict[Any, str]:
    """Return layers whose weights have no names of modules, by the scope that each has for itself.

    torch.onnx.export folds BatchNorm into a convolution, whose weight it then numbers; the scope stays.
    """
    around = {
        ".".join(steps[:i]) for steps in (p.split(".") for p in scopes.values()) for i in range(len(steps))
    }
    layers = Counter(path for node, path in scopes.items() if node.op_type in _LAYERS and path)
    return {
        node: scopes[node]
        for node in candidates
        if node.op_type in _LAYERS
        and layers.get(scopes.get(node, "")) == 1
        and scopes[node] not in around
        and path_of(f"{scopes[node]}.weight")
        and any(value is not None and _is_constant(value) for value in node.inputs[1:])
    }


def _initializers(node: Any, depth: int) -> Any:
    """Give the valid dotted names of a node's weights, those that reach it through a cast or the like too."""
    for value in node.inputs:
        if value is None:
            continue
        producer = value.producer()
        if value.is_initializer() and value.name and path_of(value.name) and "." in value.name:
            if not _is_stored_once(value):
                yield value.name
        elif producer is not None and producer.op_type in _THROUGH and depth and value.const_value is None:
            first = producer.inputs[0] if producer.inputs else None
            if first is not None and _is_constant(first):
                yield from _initializers(producer, depth - 1)


def _is_stored_once(value: Any) -> bool:
    """Return whether several readers read a tensor of one number: its name is that of one of them alone."""
    if len(value.uses()) < 2 or value.const_value is None or value.const_value.size > _LARGE:
        return False
    return is_uniform(np.asarray(value.const_value.numpy()))


def _is_constant(value: Any) -> bool:
    producer = value.producer()
    if value.const_value is not None:
        return True
    return producer is not None and all(v is None or v.const_value is not None for v in producer.inputs)


def _candidates(path: str) -> list[str]:
    """Return the paths around a block that are blocks: those whose next step is no number."""
    steps = path.split(".") if path else []
    return [".".join(steps[:i]) for i in range(len(steps)) if not is_key(steps[i])]


def scope_of(node: Any) -> str | None:
    """Return the path of the module in which an exporter says that a node runs."""
    stated = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    if stated and len(stated) < _LONG:
        try:
            scopes = ast.literal_eval(stated)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        if isinstance(scopes, list) and len(scopes) >= 2 and all(isinstance(s, str) for s in scopes):
            return str(scopes[-2])
        return None
    name = node.name or ""
    if not name.startswith("/") or len(name) > _LONG:
        return None
    return _without_repeats(name.split("/")[1:-1])


def _without_repeats(steps: list[str]) -> str:
    """Return TorchScript's scopes as a path: `layer1/layer1.0/conv1` is `layer1.0.conv1`."""
    path: list[str] = []
    for step in steps:
        if path and step.startswith(path[-1] + "."):
            path[-1] = step
        else:
            path.append(step)
    return ".".join(path)
