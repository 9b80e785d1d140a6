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


def graph(name, nodes, weights, given, returned, draw=None):
    """Write a graph whose initializers have these shapes, and return the path of its file."""
    draw = draw or np.random.default_rng(0).random
    initializers = [
        numpy_helper.from_array((0.5 + draw(shape)).astype(np.float32), key) for key, shape in weights.items()
    ]
    made = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, returned)],
        initializers,
    )
    path = Path(FOLDER.name) / f"{name}.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
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
    Case("an image's network and an ONNX graph", module, image, ("2x3x5x5",), IMAGE_TRUTH),
]
