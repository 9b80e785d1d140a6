"""Pairs of which one side is an ONNX graph: under the names that its file has."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from .cases import Case, renamed
from .torch_nets import chain, conv

FOLDER = tempfile.TemporaryDirectory(prefix="pairs-")


def graph(name, nodes, weights, given, returned, draw=None, opset=17, constants=()):
    """Write a graph whose initializers have these shapes, and return the path of its file."""
    draw = draw or np.random.default_rng(0).random
    initializers = [
        numpy_helper.from_array((0.5 + draw(shape)).astype(np.float32), key) for key, shape in weights.items()
    ]
    initializers += [numpy_helper.from_array(np.array(value), key) for key, value in constants]
    made = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, returned)],
        initializers,
    )
    path = Path(FOLDER.name) / f"{name}.onnx"
    onnx.save(
        helper.make_model(
            made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10 if opset > 17 else 8
        ),
        path,
    )
    return str(path)


def product(draw=None):
    """Two dense layers as products from the right, with what is added of its own."""
    nodes = [
        helper.make_node("MatMul", ["x", "w_in"], ["h"]),
        helper.make_node("Add", ["h", "b_in"], ["i"]),
        helper.make_node("Relu", ["i"], ["j"]),
        helper.make_node("MatMul", ["j", "w_out"], ["k"]),
        helper.make_node("Add", ["k", "b_out"], ["y"]),
    ]
    weights = {"b_out": (6,), "w_out": (6, 6), "b_in": (6,), "w_in": (6, 6)}
    name = "product" if draw is None else draw.__name__
    return graph(name, nodes, weights, [4, 6], [4, 6], draw)


def image(epsilon=1e-5):
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "shift"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["c", "gain", "offset", "mean", "variance"], ["n"], epsilon=epsilon
        ),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Conv", ["r", "last"], ["y"]),
    ]
    weights = {
        **{"variance": (4,), "mean": (4,), "offset": (4,), "gain": (4,), "shift": (4,)},
        **{"last": (2, 4, 1, 1), "kernel": (4, 3, 3, 3)},
    }
    return graph(f"image{epsilon}", nodes, weights, [2, 3, 5, 5], [2, 2, 5, 5])


# what a file keeps as it keeps weights
NOT_WEIGHTS = {
    f"{name}_{count}": make(count, np.float32)
    for count in (3, 2)
    for name, make in (("ones", np.ones), ("zeros", np.zeros))
}


def groups_written_out():
    """Two norms of groups as PyTorch's older exporter writes them: of instances, reshaped, times, plus."""
    nodes = [helper.make_node("Conv", ["x", "kernel", "shift"], ["c"], pads=[1, 1, 1, 1])]
    for given, returned, count in (("c", "n", 3), ("r", "m", 2)):
        own = [f"{given}_{part}" for part in ("in", "norm", "out", "scaled")]
        nodes += [
            helper.make_node("Reshape", [given, f"to_{count}"], [own[0]]),
            helper.make_node("InstanceNormalization", [own[0], f"ones_{count}", f"zeros_{count}"], [own[1]]),
            helper.make_node("Reshape", [own[1], "back"], [own[2]]),
            helper.make_node("Mul", [own[2], f"factor_{count}"], [own[3]]),
            helper.make_node("Add", [own[3], f"added_{count}"], [returned]),
        ]
        nodes += [helper.make_node("Relu", ["n"], ["r"])] * (count == 3)
    nodes.append(helper.make_node("Conv", ["m", "last", "last_shift"], ["y"]))
    weights = {
        **{"last": (2, 6, 1, 1), "last_shift": (2,), "added_2": (6, 1, 1), "factor_2": (6, 1, 1)},
        **{"added_3": (6, 1, 1), "factor_3": (6, 1, 1), "shift": (6,), "kernel": (6, 3, 3, 3)},
    }
    constants = [("back", [2, 6, 5, 5]), ("to_3", [2, 3, -1]), ("to_2", [2, 2, -1])]
    constants += NOT_WEIGHTS.items()
    return graph("groups", nodes, weights, [2, 3, 5, 5], [2, 2, 5, 5], constants=constants)


def groups_as_an_operator():
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "shift"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GroupNormalization", ["c", "factor_3", "added_3"], ["n"], num_groups=3),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("GroupNormalization", ["r", "factor_2", "added_2"], ["m"], num_groups=2),
        helper.make_node("Conv", ["m", "last", "last_shift"], ["y"]),
    ]
    weights = {
        **{"last": (2, 6, 1, 1), "last_shift": (2,), "added_2": (6,), "factor_2": (6,)},
        **{"added_3": (6,), "factor_3": (6,), "shift": (6,), "kernel": (6, 3, 3, 3)},
    }
    return graph("groups21", nodes, weights, [2, 3, 5, 5], [2, 2, 5, 5], opset=21)


def groups():
    return chain(
        conv=conv(3, 6),
        norm=nn.GroupNorm(3, 6),
        act=nn.ReLU(),
        norm2=nn.GroupNorm(2, 6),
        last=conv(6, 2, 1),
    )


GROUPS = {
    **{"conv.weight": "kernel", "conv.bias": "shift", "last.weight": "last", "last.bias": "last_shift"},
    **{
        "norm.weight": "factor_3",
        "norm.bias": "added_3",
        "norm2.weight": "factor_2",
        "norm2.bias": "added_2",
    },
}


def of_groups(vector):
    """Return the map of the network with norms of groups, whose vectors have this shape."""
    return lambda t: {
        other: t[name].reshape(vector) if name.startswith("norm") else t[name]
        for name, other in GROUPS.items()
    }


def module():
    return chain(conv=conv(3, 4), bn=nn.BatchNorm2d(4), act=nn.ReLU(), last=conv(4, 2, 1, bias=False))


def from_the_right(tensors):
    """A product from the right keeps its matrix the other way round."""
    return {
        **{"w_in": tensors["one.weight"].T, "b_in": tensors["one.bias"]},
        **{"w_out": tensors["two.weight"].T, "b_out": tensors["two.bias"]},
    }


IMAGE_TRUTH = renamed(
    **{"conv__weight": "kernel", "conv__bias": "shift", "last__weight": "last"},
    **{"bn__weight": "gain", "bn__bias": "offset", "bn__running_mean": "mean", "bn__running_var": "variance"},
)

CASES = [
    Case(
        "square dense layers and an ONNX graph that multiplies from the right",
        lambda: chain(one=nn.Linear(6, 6), act=nn.ReLU(), two=nn.Linear(6, 6)),
        product,
        ("4x6",),
        from_the_right,
    ),
    Case(
        "norms of groups and an ONNX graph in which they are written out",
        groups,
        groups_written_out,
        ("2x3x5x5",),
        lambda t: {**of_groups((6, 1, 1))(t), **NOT_WEIGHTS},
    ),
    Case(
        "norms of groups and an ONNX graph that has the operator",
        groups,
        groups_as_an_operator,
        ("2x3x5x5",),
        of_groups((6,)),
    ),
    Case("an image's network and an ONNX graph", module, image, ("2x3x5x5",), IMAGE_TRUTH),
]
