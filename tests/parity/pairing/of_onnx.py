"""Pairs of which one side is an ONNX graph: under the names that the source written of it has."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from .cases import Case, moved, renamed
from .torch_nets import chain, conv

FOLDER = tempfile.TemporaryDirectory(prefix="pairs-")


def graph(name, nodes, weights, given, returned):
    """Write a graph whose initializers have these shapes, and return the path of its file."""
    random = np.random.default_rng(0)
    initializers = [
        numpy_helper.from_array(random.uniform(0.5, 1.5, shape).astype(np.float32), key)
        for key, shape in weights.items()
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


def product():
    """Two dense layers as products from the right, with what is added of its own."""
    nodes = [
        helper.make_node("MatMul", ["x", "w_in"], ["h"]),
        helper.make_node("Add", ["h", "b_in"], ["i"]),
        helper.make_node("Relu", ["i"], ["j"]),
        helper.make_node("MatMul", ["j", "w_out"], ["k"]),
        helper.make_node("Add", ["k", "b_out"], ["y"]),
    ]
    weights = {"b_out": (6,), "w_out": (6, 6), "b_in": (6,), "w_in": (6, 6)}
    return graph("product", nodes, weights, [4, 6], [4, 6])


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


IMAGE_TRUTH = moved(conv="conv", bn="norm", last="conv_2")

CASES = [
    Case(
        "square dense layers and an ONNX graph that multiplies from the right",
        lambda: chain(one=nn.Linear(6, 6), act=nn.ReLU(), two=nn.Linear(6, 6)),
        product,
        ("4x6",),
        renamed(
            one__weight="linear.weight", one__bias="b_in", two__weight="linear_2.weight", two__bias="b_out"
        ),
    ),
    Case("an image's network and an ONNX graph", module, image, ("2x3x5x5",), IMAGE_TRUTH),
]
