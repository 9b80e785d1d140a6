"""Tiny ONNX graphs to start from: one of each form that the import reads in another way."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

_FLOAT = TensorProto.FLOAT


def graph_seeds() -> list[bytes]:
    """Return serialised models, each under 2 KB."""
    makers = (
        _layers,
        _linear,
        _sizes,
        _branches,
        _loop,
        _recurrent,
        _function,
        _external,
        _resized,
        _int8,
        _fused,
        _table,
        _constants,
        _blocks,
    )
    return [maker().SerializeToString() for maker in makers]


def _value(name: str, shape: Any = None, kind: int = _FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes: list[Any], tensors: dict[str, np.ndarray], shape: Any = ("N", 4), **more: Any) -> Any:
    kind = more.pop("kind", _FLOAT)
    graph = helper.make_graph(
        nodes,
        "graph",
        [_value("x", shape, kind)],
        [_value("y", None, more.pop("made", _FLOAT))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    domains = {"": 17} | more.pop("domains", {})
    opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="fuzz", **more)


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


def _layers() -> Any:
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["a", *(f"bn.{leaf}" for leaf in "wbmv")], ["b"], "bn", epsilon=1e-5
        ),
        helper.make_node("Relu", ["b"], ["c"], "act"),
        helper.make_node("MaxPool", ["c"], ["d"], "pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("GlobalAveragePool", ["d"], ["y"], "end"),
    ]
    tensors = {"conv.weight": _floats(4, 2, 3, 3), "conv.bias": _floats(4)}
    tensors |= {f"bn.{leaf}": np.abs(_floats(4)) for leaf in "wbmv"}
    return _model(nodes, tensors, ("N", 2, 6, 6))


def _linear() -> Any:
    nodes = [
        helper.make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["a"], transB=1, alpha=0.5),
        helper.make_node("LayerNormalization", ["a", "norm.weight", "norm.bias"], ["b"], axis=-1),
        helper.make_node("Softmax", ["b"], ["y"], axis=-1),
    ]
    tensors = {"fc.weight": _floats(4, 4), "fc.bias": _floats(4)}
    return _model(nodes, tensors | {"norm.weight": _floats(4), "norm.bias": _floats(4)})


def _sizes() -> Any:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["new"], axis=0),
        helper.make_node("Reshape", ["x", "new"], ["a"]),
        helper.make_node("Slice", ["a", "axis", "two", "axis"], ["b"]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[1, 0]),
    ]
    numbers = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1]), "two": np.array([2])}
    return _model(nodes, numbers, ("N", 2, 2))


def _branch(name: str, op: str) -> Any:
    return helper.make_graph(
        [helper.make_node(op, ["x", f"w{name}"], [f"y{name}"])],
        name,
        [],
        [_value(f"y{name}", [4])],
        [numpy_helper.from_array(_floats(4), f"w{name}")],
    )


def _branches() -> Any:
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["yes"]),
        helper.make_node(
            "If", ["yes"], ["y"], then_branch=_branch("t", "Mul"), else_branch=_branch("e", "Add")
        ),
    ]
    return _model(nodes, {"zero": np.float32(0)}, (4,))


def _loop() -> Any:
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [_value("i", [], TensorProto.INT64), _value("go", [], TensorProto.BOOL), _value("state", [4])],
        [_value("still", [], TensorProto.BOOL), _value("next", [4])],
    )
    nodes = [helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)]
    return _model(nodes, {"times": np.array(3), "yes": np.array(True), "w": _floats(4)}, (4,))


def _recurrent() -> Any:
    nodes = [helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=2, direction="forward")]
    return _model(nodes, {"W": _floats(1, 8, 3), "R": _floats(1, 8, 2), "B": _floats(1, 16)}, (5, "N", 3))


def _function() -> Any:
    opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 17)]
    inner = [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Neg", ["r"], ["b"])]
    proto = _model([helper.make_node("f", ["x"], ["y"], domain="own")], {"w": _floats(2)}, domains={"own": 1})
    proto.functions.append(helper.make_function("own", "f", ["a"], ["b"], inner, opsets[1:]))
    return proto


def _external() -> Any:
    proto = _model([helper.make_node("Add", ["x", "w"], ["y"])], {})
    tensor = TensorProto(name="w", data_type=_FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "data.bin"), ("offset", "16"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    proto.graph.initializer.append(tensor)
    return proto


def _resized() -> Any:
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["a"], mode="linear"),
        helper.make_node("Pad", ["a", "pads", "fill"], ["y"], mode="constant"),
    ]
    tensors = {"scales": np.array([1, 1, 2, 2], "f4"), "pads": np.array([0, 0, 1, 1] * 2)}
    return _model(nodes, tensors | {"fill": np.float32(0.5)}, ("N", 1, 3, 3))


def _int8() -> Any:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "scales", "zeros"], ["e"], axis=1),
        helper.make_node("MatMul", ["d", "e"], ["y"]),
    ]
    tensors = {"scale": np.float32(0.1), "zero": np.uint8(3), "w": np.ones((4, 3), "i1")}
    return _model(nodes, tensors | {"scales": np.abs(_floats(3)), "zeros": np.zeros(3, "i1")})


def _fused() -> Any:
    nodes = [
        helper.make_node("FusedConv", ["x", "w"], ["a"], domain="com.microsoft", activation="Relu"),
        helper.make_node("Gelu", ["a"], ["y"], domain="com.microsoft"),
    ]
    return _model(nodes, {"w": _floats(2, 2, 3, 3)}, ("N", 2, 4, 4), domains={"com.microsoft": 1})


def _table() -> Any:
    nodes = [
        helper.make_node("Gather", ["embedding.weight", "x"], ["a"]),
        helper.make_node("Cast", ["x"], ["b"], to=_FLOAT),
        helper.make_node("Unsqueeze", ["b", "last"], ["c"]),
        helper.make_node("Where", ["mask", "a", "c"], ["d"]),
        helper.make_node("Einsum", ["d", "d"], ["y"], equation="nti,ntj->nij"),
    ]
    tensors = {
        "embedding.weight": _floats(7, 3),
        "last": np.array([-1]),
        "mask": np.array([True, False, True]),
    }
    return _model(nodes, tensors, ("N", 5), kind=TensorProto.INT64)


def _constants() -> Any:
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(_floats(4), "value")),
        helper.make_node("Constant", [], ["s"], value_float=2.5),
        helper.make_node("ConstantOfShape", ["size"], ["o"], value=numpy_helper.from_array(np.ones(1, "f4"))),
        helper.make_node("Mul", ["x", "c"], ["a"]),
        helper.make_node("Add", ["a", "s"], ["b"]),
        helper.make_node("Sub", ["b", "o"], ["d"]),
        helper.make_node("Clip", ["d", "s"], ["e"]),
        helper.make_node("Cast", ["e"], ["y"], to=TensorProto.INT32),
    ]
    return _model(nodes, {"size": np.array([4])}, made=TensorProto.INT32)


def _blocks() -> Any:
    nodes, tensors, last = [], {}, "x"
    for i in range(3):
        path = f"/blocks/blocks.{i}"
        tensors[f"blocks.{i}.fc.weight"] = _floats(4, 4)
        nodes += [
            helper.make_node("MatMul", [last, f"blocks.{i}.fc.weight"], [f"{path}/m"], f"{path}/fc/MatMul"),
            helper.make_node("Tanh", [f"{path}/m"], [f"{path}/t"], f"{path}/act/Tanh"),
            helper.make_node("Add", [f"{path}/t", last], [f"{path}/a"], f"{path}/Add"),
        ]
        last = f"{path}/a"
    nodes.append(helper.make_node("Identity", [last], ["y"]))
    return _model(nodes, tensors)
