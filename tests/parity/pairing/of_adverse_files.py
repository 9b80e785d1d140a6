"""Pairs made to mislead of which one side, or both, is an ONNX graph."""

import numpy as np
import torch
from onnx import helper
from torch import nn
from torch.nn import functional as F  # noqa: N812

from . import adverse_cells
from .cases import Case, renamed
from .of_adversaries import PRODUCTS, products, used_twice
from .of_onnx import graph
from .of_packings import gated
from .torch_nets import conv, net

ROW, IMAGE = ("4x6",), ("2x3x5x5",)


def node(kind, given, returned, **words):
    return helper.make_node(kind, given.split(), [returned], **words)


def squares(name, steps):
    """Square matrices one after the other: (initializer, how it is multiplied)."""
    nodes, now = [], "x"
    for place, (called, how) in enumerate(steps):
        if how == "gemm":
            nodes.append(node("Gemm", f"{now} {called}", f"m{place}", transB=1))
        else:
            nodes.append(node("MatMul", f"{now} {called}", f"m{place}"))
        now = "y" if place == len(steps) - 1 else f"t{place}"
        nodes.append(node("Tanh", f"m{place}", now))
    weights = {called: (6, 6) for called, _ in sorted(steps)}
    return lambda: graph(name, nodes, weights, [4, 6], [4, 6])


STEPS = (("p2", "gemm"), ("p0", "product"), ("p3", "gemm"), ("p1", "product"))
AGAIN = (("a", "gemm"), ("d", "gemm"), ("b", "product"), ("c", "product"))


def turned(steps, others):
    pairs = list(zip(steps, others, strict=True))
    return lambda t: {other: t[name].T if how != then else t[name] for (name, how), (other, then) in pairs}


def norms(name, first, second, other=1e-3):
    """Two norms on one input, of which one has another epsilon."""
    nodes = [
        node("LayerNormalization", f"x {first}_scale {first}_shift", "n1", axis=-1, epsilon=1e-5),
        node("LayerNormalization", f"x {second}_scale {second}_shift", "n2", axis=-1, epsilon=other),
        node("Tanh", "n1", "t1"),
        node("Sin", "n2", "t2"),
        node("Add", "t1 t2", "s"),
        node("Gemm", "s head", "y", transB=1),
    ]
    weights = {f"{one}_{leaf}": (6,) for one in ("right", "left") for leaf in ("shift", "scale")}
    return lambda: graph(name, nodes, {"head": (2, 6), **weights}, [4, 6], [4, 2])


def norms_of_module(self, x):
    return self.out(torch.tanh(self.right(x)) + torch.sin(self.left(x)))


def twice(name, first, second):
    nodes = [
        node("MatMul", f"x {first}", "a1"),
        node("Tanh", "a1", "t1"),
        node("MatMul", f"t1 {second}", "a2"),
        node("Tanh", "a2", "t2"),
        node("MatMul", f"t2 {first}", "a3"),
        node("Tanh", "a3", "y"),
    ]
    return lambda: graph(name, nodes, {"a": (6, 6), "b": (6, 6)}, [4, 6], [4, 6])


def spare(name, first, second, unused):
    nodes = [
        node("Gemm", f"x {first}", "h", transB=1),
        node("Relu", "h", "r"),
        node("Gemm", f"r {second}", "y", transB=1),
    ]
    return lambda: graph(name, nodes, dict.fromkeys(sorted((first, second, unused)), (6, 6)), [4, 6], [4, 6])


def summed(name, names):
    """Convolutions on one input that are added up, one of them with another padding."""
    pads = {0: [1, 1, 1, 1], 1: [2, 2, 0, 0]}
    nodes = [
        node("Conv", f"x {one} {one}_shift", f"c{place}", pads=pads[place]) for place, one in enumerate(names)
    ]
    nodes += [node("Add", "c0 c1", "s"), node("Relu", "s", "r"), node("Conv", "r last", "y")]
    weights = {"last": (2, 4, 1, 1), **{f"{one}_shift": (4,) for one in sorted(names)}}
    weights |= dict.fromkeys(sorted(names), (4, 3, 3, 3))
    return lambda: graph(name, nodes, weights, [2, 3, 5, 5], [2, 2, 5, 5])


def shifted(first, second):
    def forward(self, x):
        one = getattr(self, first)(x)
        two = getattr(self, second)(F.pad(x, (2, 0, 2, 0)))
        return self.last(torch.relu(one + two))

    parts = {name: conv(3, 4, padding=int(name == first)) for name in sorted((first, second))}
    return lambda: net(forward, **parts, last=conv(4, 2, 1, bias=False))


def halves(name, is_interleaved):
    """A gate and its value packed: the first rows and the others, or every other row."""
    if is_interleaved:
        apart = [
            node("Reshape", "h apart", "pairs"),
            node("Gather", "pairs first", "gate", axis=2),
            node("Gather", "pairs second", "value", axis=2),
        ]
    else:
        apart = [helper.make_node("Split", ["h"], ["gate", "value"], axis=1, num_outputs=2)]
    nodes = [
        node("Gemm", "x both", "h", transB=1),
        *apart,
        node("Sigmoid", "gate", "open"),
        node("Mul", "open gate", "silu"),
        node("Mul", "silu value", "m"),
        node("Gemm", "m down shift", "y", transB=1),
    ]
    weights = {"shift": (4,), "down": (4, 10), "both": (20, 6)}
    constants = [("apart", [4, 10, 2]), ("first", 0), ("second", 1)]
    return lambda: graph(name, nodes, weights, [4, 6], [4, 4], opset=18, constants=constants)


def two_norms(t):
    leaves = {"scale": "weight", "shift": "bias"}
    return {
        "out.weight": t["head"],
        **{f"left.{leaves[leaf]}": t[f"right_{leaf}"] for leaf in leaves},
        **{f"right.{leaves[leaf]}": t[f"left_{leaf}"] for leaf in leaves},
    }


EXCHANGED = renamed(
    head="head",
    **{
        f"{a}_{leaf}": f"{b}_{leaf}"
        for a, b in (("left", "right"), ("right", "left"))
        for leaf in ("scale", "shift")
    },
)

CASES = [
    Case(
        "square matrices of a graph, some transposed, and of a Module",
        squares("squares_to_module", STEPS),
        products(PRODUCTS),
        ROW,
        turned(STEPS, [(name, "product" if is_right else "gemm") for name, is_right in PRODUCTS]),
    ),
    Case(
        "square matrices of a Module, and of a graph with some transposed",
        products(PRODUCTS),
        squares("squares_of_module", AGAIN),
        ROW,
        turned([(name, "product" if is_right else "gemm") for name, is_right in PRODUCTS], AGAIN),
    ),
    Case(
        "square matrices of two graphs, some transposed",
        squares("squares_first", STEPS),
        squares("squares_second", AGAIN),
        ROW,
        turned(STEPS, AGAIN),
    ),
    Case(
        "square matrices of a graph and of a Cell",
        squares("squares_to_cell", STEPS),
        lambda: adverse_cells.Squares(PRODUCTS),
        ROW,
        turned(STEPS, [(name, "product" if is_right else "gemm") for name, is_right in PRODUCTS]),
        mindspore=True,
        slow=True,
    ),
    Case(
        "norms of a graph, each with the epsilon of the other's name in a Module",
        norms("norms_to_module", "left", "right"),
        lambda: net(
            norms_of_module,
            left=nn.LayerNorm(6, eps=1e-3),
            right=nn.LayerNorm(6),
            out=nn.Linear(6, 2, bias=False),
        ),
        ROW,
        two_norms,
    ),
    Case(
        "norms of two graphs, each with the epsilon of the other's name",
        norms("norms_first", "left", "right"),
        norms("norms_second", "right", "left"),
        ROW,
        EXCHANGED,
    ),
    Case(
        "norms of two graphs of which one has another epsilon",
        norms("norms_third", "left", "right", 1e-1),
        norms("norms_fourth", "right", "left"),
        ROW,
        EXCHANGED,
        "another graph",
        parting=("norm_2", "norm_2"),
        why="epsilon",
    ),
    Case(
        "a matrix at two places of a graph and of a Module",
        twice("twice_to_module", "a", "b"),
        used_twice("b", "a"),
        ROW,
        renamed(a="b", b="a"),
    ),
    Case(
        "a matrix at two places of two graphs",
        twice("twice_first", "a", "b"),
        twice("twice_second", "b", "a"),
        ROW,
        renamed(a="b", b="a"),
    ),
    Case(
        "a matrix that no node of a graph uses, each time another",
        spare("spare_first", "a", "b", "c"),
        spare("spare_second", "c", "a", "b"),
        ROW,
        renamed(a="c", b="a"),
    ),
    Case(
        "convolutions of a graph that are added up, of which one pads otherwise, and of a Module",
        summed("summed_to_module", ("u", "v")),
        shifted("q", "p"),
        IMAGE,
        renamed(u="q.weight", u_shift="q.bias", v="p.weight", v_shift="p.bias", last="last.weight"),
        symmetric=frozenset({"u_shift", "v_shift"}),
    ),
    Case(
        "convolutions of two graphs that are added up, of which one pads otherwise",
        summed("summed_first", ("u", "v")),
        summed("summed_second", ("v", "u")),
        IMAGE,
        renamed(u="v", u_shift="v_shift", v="u", v_shift="u_shift", last="last"),
        symmetric=frozenset({"u_shift", "v_shift"}),
    ),
    Case(
        "a gate and its value apart in a Module, interleaved in a graph",
        gated("apart"),
        halves("halves_to_module", True),
        ROW,
        lambda t: {
            "both": np.stack([t["gate.weight"], t["value.weight"]], 1).reshape(20, 6),
            **renamed(down__weight="down", down__bias="shift")(t),
        },
    ),
    Case(
        "a gate and its value packed in two graphs, one after the other and interleaved",
        halves("halves_first", False),
        halves("halves_second", True),
        ROW,
        lambda t: {**t, "both": np.stack(np.split(t["both"], 2), 1).reshape(20, 6)},
    ),
]
