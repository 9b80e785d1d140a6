"""What runs a graph in float64 computes in float64, operator by operator."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.reading import read_model
from triport.parity.imported.exact import InDouble
from triport.parity.imported.exact_operators import exact_operators
from triport.parity.imported.references import graph_in_double

torch = pytest.importorskip("torch")
functional = torch.nn.functional
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(2, 8, 5, 5)) * 2
SCALE, BIAS, MEAN = RANDOM.normal(size=(3, 8))
VARIANCE = RANDOM.random(8)
EPS = float(np.float32(1e-5))
ALPHA = float(np.float32(0.1))
CASES = {
    "Gelu": (20, {}, [IMAGE], functional.gelu),
    "Gelu by tanh": (20, {"approximate": "tanh"}, [IMAGE], lambda x: functional.gelu(x, approximate="tanh")),
    "Erf": (13, {}, [IMAGE], torch.erf),
    "HardSwish": (14, {}, [IMAGE], lambda x: x * torch.clamp(x / 6 + 0.5, 0, 1)),
    "HardSigmoid of PaddlePaddle": (
        14,
        {"alpha": 0.1666667},
        [IMAGE],
        lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
    ),
    "HardSigmoid": (14, {"alpha": 1 / 6}, [IMAGE], lambda x: torch.clamp(x / 6 + 0.5, 0, 1)),
    "LRN": (
        13,
        {"size": 3, "alpha": 0.1},
        [IMAGE],
        lambda x: functional.local_response_norm(x, 3, ALPHA, 0.75, 1.0),
    ),
    "LRN of an even size": (
        13,
        {"size": 2, "alpha": 0.1},
        [IMAGE],
        lambda x: x / (1 + ALPHA / 2 * (x**2 + functional.pad(x**2, (0, 0, 0, 0, 0, 1))[:, 1:])) ** 0.75,
    ),
    "GroupNormalization": (
        21,
        {"num_groups": 2, "epsilon": 1e-5},
        [IMAGE, SCALE, BIAS],
        lambda x, w, b: functional.group_norm(x, 2, w, b, EPS),
    ),
    "BatchNormalization 9": (
        9,
        {"epsilon": 1e-5},
        [IMAGE, SCALE, BIAS, MEAN, VARIANCE],
        lambda x, w, b, m, v: functional.batch_norm(x, m, v, w, b, eps=EPS),
    ),
    "BatchNormalization 15": (
        15,
        {"epsilon": 1e-5},
        [IMAGE, SCALE, BIAS, MEAN, VARIANCE],
        lambda x, w, b, m, v: functional.batch_norm(x, m, v, w, b, eps=EPS),
    ),
    "LayerNormalization": (
        17,
        {"axis": -1, "epsilon": 1e-5},
        [np.moveaxis(IMAGE, 1, -1), SCALE, BIAS],
        lambda x, w, b: functional.layer_norm(x, (8,), w, b, EPS),
    ),
    "GlobalMaxPool": (9, {}, [IMAGE[..., 0]], lambda x: x.amax(2, keepdim=True)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_graph_in_float64_is_as_exact_as_float64(case):
    from onnx.reference import ReferenceEvaluator

    opset, attributes, arrays, wanted = CASES[case]
    names = [f"x{place}" for place in range(len(arrays))]
    given = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    node = helper.make_node(case.split()[0], names, ["y"], **attributes)
    result = helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)
    graph = helper.make_graph([node], "graph", given, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = ReferenceEvaluator(model, new_ops=exact_operators(model))
    (found,) = evaluator.run(None, dict(zip(names, arrays, strict=True)))
    true = wanted(*map(torch.tensor, arrays)).numpy()
    assert found.dtype == np.float64
    assert np.abs(found - true).max() <= 1e-13 * np.abs(true).max()


def test_an_epsilon_is_what_the_graph_stores_where_the_source_leaves_it_at_the_usual(tmp_path):
    """PyTorch's 1e-5 is not float32's, which shows where a variance is nearly nought."""
    weights = {"s": SCALE, "b": BIAS, "m": MEAN, "v": VARIANCE * 1e-5}
    proto = helper.make_model(
        helper.make_graph(
            [helper.make_node("BatchNormalization", ["x", *weights], ["y"], epsilon=1e-5)],
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 8, 5, 5])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 8, 5, 5])],
            [numpy_helper.from_array(array.astype("f4"), name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    feed = {"x": IMAGE.astype("f4")}
    (mine,) = InDouble(read_model(path), written(proto))(feed)
    (its,) = graph_in_double(path)[0](feed)
    assert np.abs(mine - its).max() <= 1e-14 * np.abs(its).max()
