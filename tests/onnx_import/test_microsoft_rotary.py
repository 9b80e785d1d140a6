"""Rotary embeddings of ONNX Runtime's own, beside it."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.converters.onnx_import.targets import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(4)


def model(shape, half, positions, **attributes):
    """Return a model of one node; features of a head beyond twice `half` stay."""
    angles = RANDOM.uniform(0, 6, (12, half))
    node = onnx.helper.make_node(
        "RotaryEmbedding", ["x", "p", "c", "s"], ["y"], "turned", domain="com.microsoft", **attributes
    )
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [
            value("x", onnx.TensorProto.FLOAT, ["N", *shape[1:]]),
            value("p", onnx.TensorProto.INT64, list(positions.shape)),
        ],
        [value("y", onnx.TensorProto.FLOAT, None)],
        [
            onnx.numpy_helper.from_array(array.astype("f4"), name)
            for name, array in (("c", np.cos(angles)), ("s", np.sin(angles)))
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


WHOLE, SOME = {}, {"num_heads": 2, "rotary_embedding_dim": 4}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("positions", [[3], [[0, 1, 2, 3, 4], [7, 3, 0, 11, 2]]], ids=["from", "each"])
@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize(
    ("shape", "half", "attributes"),
    [((2, 5, 16), 4, WHOLE), ((2, 5, 16), 2, SOME), ((2, 3, 5, 8), 4, WHOLE), ((2, 2, 5, 8), 2, SOME)],
)
def test_pairs_are_turned(shape, half, attributes, interleaved, positions, target, tmp_path):
    places = np.array(positions)
    proto = model(shape, half, places, interleaved=interleaved, **attributes)
    x = RANDOM.standard_normal(shape).astype("f4")
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x, "p": places})
    (found,) = outputs_of(written(proto, target), [x, places], tmp_path)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("attribute", [{"scale": 0.5}, {"is_packed_batching": 1}])
def test_what_is_not_read_is_refused(attribute):
    with pytest.raises(ImportRefusedError, match=r"com\.microsoft\.RotaryEmbedding has no translation"):
        written(model((2, 5, 16), 4, np.array([3]), **attribute))
