"""The layers and tensors of the network that is written, by dotted path, and their weights."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace

import numpy as np

from .expressions import is_identifier, is_key, text_of
from .values import Known

# what a class of either framework has already: a layer of that name would hide it
_TAKEN = frozenset(
    [
        "T",
        "add_module",
        "append",
        "apply",
        "bfloat16",
        "bprop",
        "buffers",
        "call",
        "cells",
        "children",
        "clear",
        "construct",
        "cpu",
        "cuda",
        "data",
        "double",
        "eval",
        "extend",
        "float",
        "forward",
        "get_buffer",
        "get_parameter",
        "half",
        "insert",
        "keys",
        "items",
        "modules",
        "name",
        "named_buffers",
        "named_parameters",
        "parameters",
        "pop",
        "register_buffer",
        "register_parameter",
        "requires_grad",
        "requires_grad_",
        "set_train",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "trainable_params",
        "type",
        "update",
        "update_cell_prefix",
        "values",
        "zero_grad",
        "xpu",
        "ipu",
        "mtia",
        "compile",
        "phase",
        "param_prefix",
        "cell_type",
        "cls_name",
        "shard",
        "recompute",
        "set_grad",
        "load_state_dict",
        "insert_child_to_cell",
        "insert_param_to_cell",
        "init_parameters_data",
        "parameters_dict",
        "parameters_and_names",
        "cells_and_names",
        "name_cells",
        "get_parameters",
        "add_flags",
    ]
)

# what torch.onnx calls a tensor that is no parameter as it stands: by the node that reads it, and a number
_NUMBERED = re.compile(r"onnx::([A-Z][A-Za-z]*)_\d+(_quantized)?")
_NUMBER = re.compile(r"(?<=[a-z])_\d+\Z")  # what torch.export puts after a second tensor of a name
_RECURRENT = frozenset(("LSTM", "GRU", "RNN"))
_WEIGHED = _RECURRENT | {"Conv", "ConvTranspose", "MatMul", "Gemm"}
_NOUNS = {"Mul": "scale", "Add": "bias", "Sub": "mean", "Div": "divisor"}


@dataclass(slots=True)
class Layer:
    """A layer with hyper-parameters: its constructor, and its weights by leaf."""

    constructor: ast.expr
    weights: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """A parameter or a buffer."""

    array: np.ndarray
    trained: bool


class State:
    """Layers and tensors by path; equal requests get equal paths."""

    def __init__(self) -> None:
        """Begin without layers."""
        self.members: dict[str, Layer | Held] = {}
        self._owners: set[str] = set()  # the paths within which members lie
        self._paths: dict[str, str] = {}  # of each initializer, where it is held
        self._copies: dict[
            str, str
        ] = {}  # of each initializer that blocks have copies of, the first of these
        self.renamed: dict[str, str] = {}  # initializers whose own names could not be kept
        self.origins: dict[str, str] = {}  # of each path, the initializer that it holds

    def add_tensor(self, label: str, array: np.ndarray, rep: Known, prefix: str = "") -> str:
        """Hold a tensor, under its own name if that is valid, and return its path."""
        key, is_named = f"{label}:{array.shape}", rep.origin is not None
        if rep.origin is not None and rep.origin in self._paths:
            path = self._paths[rep.origin]
            if is_same(self.array_at(path), array) or is_same(self.array_at(path).T, array):
                return path
            rep = replace(rep, origin=None)  # a layer keeps it in another shape: it is held once more
        if key in self._paths and rep.origin is None and is_same(self.array_at(self._paths[key]), array):
            return self._paths[key]
        stated = None if is_key(label.rpartition(".")[2]) else path_of(label)  # a number is no attribute
        stated = stated if is_named else None
        noun = noun_of_tensor(label, array) if is_named else "constant"
        path = self._free(stated or _inside(prefix, noun))
        self._put(path, Held(array, rep.trained))
        self._paths[rep.origin or key] = path
        if rep.origin is not None:
            self.origins[path] = rep.origin
        if rep.origin is not None and path != rep.origin:
            self.renamed[rep.origin] = path
        return path

    def add_copy(
        self,
        origin: str | None,
        label: str,
        array: np.ndarray,
        prefix: str,
        trained: bool = False,
        noun: str | None = None,
    ) -> str:
        """Hold a tensor in a block that has the value of another block's, and return its path."""
        key = f"{prefix}:{origin or label}"
        if key not in self._paths:
            if noun is None:
                noun = "constant" if origin is None else noun_of_tensor(_without_number(origin), array)
            path = self._paths[key] = self._free(_inside(prefix, noun))
            self._put(path, Held(array, trained))
            if origin is not None:
                self._copies.setdefault(origin, path)
                first = self.members.get(self._paths.get(origin, ""))
                if isinstance(first, Held):  # all of them are trained, or none
                    first.trained = trained
        return self._paths[key]

    def add_layer(
        self,
        noun: str,
        constructor: ast.expr,
        weights: dict[str, Known],
        prefix: str,
        scope: str | None = None,
    ) -> str | None:
        """Hold a layer and return its path; None if one of its weights is held elsewhere already, or bare.

        The path is what the names of its weights have in common before their leaves, or else its scope.
        """
        if any(is_held_bare(rep.origin) for rep in weights.values()):
            return None
        origins = {
            leaf: rep.origin
            for leaf, rep in weights.items()
            if rep.origin is not None and not (rep.origin in self._paths and is_uniform(rep.array))
        }
        homes = {self._paths[each] for each in origins.values() if each in self._paths}
        if homes:
            home = {path.rpartition(".")[0] for path in homes}
            layer = self.members.get(home.pop()) if len(home) == 1 else None
            if isinstance(layer, Layer) and text_of(layer.constructor) == text_of(constructor):
                found = next(path for path, each in self.members.items() if each is layer)
                if all(self._paths.get(each) == f"{found}.{leaf}" for leaf, each in origins.items()) and all(
                    is_same(layer.weights[leaf], rep.array) for leaf, rep in weights.items()
                ):
                    return found
            return None
        is_inside = scope is not None and (not prefix or scope.startswith(f"{prefix}."))
        # the name of a tensor of one number may be another layer's: an exporter stores equal ones once
        uniform = {each for leaf, each in origins.items() if is_uniform(weights[leaf].array)}
        certain = {leaf: each for leaf, each in origins.items() if each not in uniform}
        stated = self._layer_path(certain) or (scope if is_inside else None) or self._layer_path(origins)
        path = self._free(stated or _inside(prefix, noun))
        self._put(path, Layer(constructor, {leaf: rep.array for leaf, rep in weights.items()}))
        for leaf, origin in origins.items():
            if origin not in uniform or origin.rpartition(".")[0] == path:
                self._paths[origin] = f"{path}.{leaf}"
            self.origins[f"{path}.{leaf}"] = origin
            if origin != f"{path}.{leaf}":
                self.renamed[origin] = f"{path}.{leaf}"
        return path

    def _layer_path(self, origins: dict[str, str]) -> str | None:
        """Return the path that the weights' names state."""
        for origin in origins.values():
            parts = re.split(r"[./]", origin.removesuffix(":0"))
            if len(parts) > 1:
                found = path_of(".".join(parts[:-1]))
                if found is not None:
                    return found
        return None

    def _free(self, path: str) -> str:
        """Return the path, a step of it numbered where it is taken, or lies within or around a layer."""
        steps = path.split(".")
        for last, step in enumerate(steps):
            count = 1
            while self._is_taken(".".join(steps[: last + 1]), is_whole=last + 1 == len(steps)):
                count += 1
                steps[last] = f"{'n' if step.isdigit() else ''}{step}_{count}"
        return ".".join(steps)

    def _is_taken(self, path: str, is_whole: bool) -> bool:
        return path in self.members or (is_whole and path in self._owners)

    def _put(self, path: str, member: Layer | Held) -> None:
        self.members[path] = member
        steps = path.split(".")
        self._owners |= {".".join(steps[:i]) for i in range(1, len(steps))}

    def drop_unread(self, read: set[str]) -> None:
        """Forget tensors that nothing reads, for each block that does has a copy of its own."""
        for path in [p for p, each in self.members.items() if isinstance(each, Held) and p not in read]:
            del self.members[path]
            origin = self.origins.pop(path, None)
            if origin in self._copies:
                self.renamed[origin] = self._paths[origin] = self._copies[origin]

    def leaves(self) -> dict[str, str]:
        """Return the leaves of layers that the initializers have other names for: `gamma` is often `weight`.

        A framework in which a parameter's name is free gives them those. A leaf that is called in two ways,
        or whose other name another tensor has, keeps its own.
        """
        found: dict[str, set[str]] = {}
        origins = {path: origin for origin, path in self._paths.items()}
        for path in self.arrays():
            owner, _, leaf = path.rpartition(".")
            origin = origins.get(path, path)
            if isinstance(self.members.get(owner), Layer) and origin.rpartition(".")[0] == owner:
                found.setdefault(leaf, set()).add(origin.rpartition(".")[2])
        other = {leaf: names.copy().pop() for leaf, names in found.items() if len(names) == 1}
        other = {leaf: name for leaf, name in other.items() if leaf != name and is_identifier(name)}
        named = [self.name_of(path, other) for path in self.arrays()]
        return other if len(set(named)) == len(named) else {}

    def name_of(self, path: str, leaves: dict[str, str]) -> str:
        """Return what a tensor is called once the leaves of layers are renamed so."""
        owner, _, leaf = path.rpartition(".")
        is_a_layers = isinstance(self.members.get(owner), Layer)
        return f"{owner}.{leaves.get(leaf, leaf)}" if is_a_layers else path

    def renamed_with(self, leaves: dict[str, str]) -> dict[str, str]:
        """Return the initializers whose names are not kept, once leaves are renamed so."""
        named = {origin: self.name_of(path, leaves) for origin, path in self.renamed.items()}
        return {origin: path for origin, path in named.items() if origin != path}

    def array_at(self, path: str) -> np.ndarray:
        """Return the tensor that is held at a path."""
        member = self.members.get(path)
        if isinstance(member, Held):
            return member.array
        owner, _, leaf = path.rpartition(".")
        layer = self.members[owner]
        assert isinstance(layer, Layer)
        return layer.weights[leaf]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every tensor by its path."""
        found: dict[str, np.ndarray] = {}
        for path, member in self.members.items():
            if isinstance(member, Held):
                found[path] = member.array
            else:
                found |= {f"{path}.{leaf}": array for leaf, array in member.weights.items()}
        return found


def is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are one tensor: of one dtype and shape, and bit-equal."""
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def is_held_bare(origin: str | None) -> bool:
    """Return whether a name says that a block holds this weight itself: `self_attn.in_proj_weight`.

    `conv.weight_bias` is what torch.onnx calls the bias of a convolution that a BatchNorm was folded into.
    """
    owner, dot, leaf = (origin or "").rpartition(".")
    return (
        bool(dot)
        and leaf != "weight_bias"
        and leaf.endswith(("_weight", "_bias"))
        and path_of(owner) is not None
    )


def is_uniform(array: np.ndarray) -> bool:
    """Return whether a tensor is one number over and over.

    Exporters store equal tensors once: the ones of two norms are then one initializer, and not shared.
    """
    if not array.size or array.flat[0] != array.flat[-1]:
        return False
    return bool((array == array.flat[0]).all())


def path_of(label: str) -> str | None:
    """Return a label as a path of attributes, or None if it is none."""
    parts = label.split(".")
    if not all(is_identifier(p) or (is_key(p) and len(parts) > 1) for i, p in enumerate(parts)):
        return None
    if (
        is_key(parts[0])
        or any(p in _TAKEN or p.startswith("__") or len(p) > 80 for p in parts)
        or len(parts) > 20
    ):
        return None
    if any(p.isdigit() and (str(int(p)) != p or len(p) > 6) for p in parts):
        return None
    return label


def plain(label: str, otherwise: str) -> str:
    """Return a name like the label's last step that can be an attribute."""
    found = re.sub(r"[^A-Za-z0-9_]+", "_", re.split(r"[./:]{1,2}", label.removesuffix(":0"))[-1]).strip("_")[
        :60
    ]
    if not found or found[0].isdigit():
        return otherwise
    return found if is_identifier(found) and found not in _TAKEN else f"{found}_"


def noun_of_tensor(label: str, array: np.ndarray) -> str:
    """Return what a tensor is called: by its name, or by what reads it where an exporter only numbered it."""
    numbered = _NUMBERED.fullmatch(label)
    if numbered is None:
        return "constant" if label == "val" else plain(label, "constant")
    noun = _NOUNS.get(numbered[1], "constant")
    if numbered[1] in _WEIGHED:
        noun = "weight" if array.ndim > 1 + (numbered[1] in _RECURRENT) else "bias"
    return f"{noun}{numbered[2] or ''}"


def _without_number(label: str) -> str:
    """Return the name of a second tensor without what torch.export counts it by."""
    return label if _NUMBERED.fullmatch(label) else _NUMBER.sub("", label)


def _inside(prefix: str, noun: str) -> str:
    return f"{prefix}.{noun}" if prefix else noun
