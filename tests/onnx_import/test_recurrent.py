"""Recurrent layers with activations of their own: as ONNX Runtime has them, or refused."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import TARGETS
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.judge import UnoptimisedRuntime

FLOAT = onnx.TensorProto.FLOAT
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(op_type, activations, direction="forward", **attributes):
    """Return a model of one layer of 4 features, and a sequence for it."""
    random = np.random.default_rng(0)
    count, rows = (2 if direction == "bidirectional" else 1), GATES[op_type] * 4
    weights = {"w": random.normal(size=(count, rows, 3)), "r": random.normal(size=(count, rows, 4))}
    attributes |= {"activations": activations * count, "hidden_size": 4, "direction": direction}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, ["x", *weights], ["y"], **attributes)],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, [5, 2, 3])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(array.astype("f4"), name) for name, array in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 14)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), random.normal(
        size=(5, 2, 3)
    ).astype("f4")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("op_type", "activations", "attributes"),
    [
        ("LSTM", ["HardSigmoid", "Tanh", "Softsign"], {}),
        ("GRU", ["HardSigmoid", "LeakyRelu"], {"activation_alpha": [0.3, 0.1], "activation_beta": [0.4]}),
        ("RNN", ["Elu"], {"activation_alpha": [0.5, 0.7], "direction": "bidirectional"}),
        ("RNN", ["ThresholdedRelu"], {"activation_alpha": [0.5]}),
        ("RNN", ["ScaledTanh"], {"activation_alpha": [0.5], "activation_beta": [1.5]}),
        ("RNN", ["Affine"], {"activation_alpha": [0.5], "activation_beta": [0.1]}),
        ("RNN", ["Softplus"], {}),
    ],
)
def test_activations_are_onnx_runtimes(op_type, activations, attributes, target, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    proto, x = layer(op_type, activations, **attributes)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x})
    (found,) = outputs_of(written(proto, target), [x], tmp_path)
    np.testing.assert_allclose(found, wanted, atol=2e-6 * abs(wanted).max())


@pytest.mark.parametrize(
    ("activations", "attributes", "why"),
    [
        (["Affine"], {}, "without its alpha"),
        (["Tanh"], {"activation_alpha": [0.5]}, "more values"),
        (["Nothing"], {}, "activations"),
    ],
)
def test_what_an_activation_does_not_say_is_refused(activations, attributes, why):
    with pytest.raises(ImportRefusedError, match=why):
        written(layer("RNN", activations, **attributes)[0])
