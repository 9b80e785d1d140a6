"""What is written goes back to ONNX and computes the same; and it can be trained."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import triport

FINETUNE = Path(__file__).parents[2] / "examples" / "imported" / "finetune.py"
FLOAT = onnx.TensorProto.FLOAT


def save(path, nodes, tensors, shape):
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


def convolutional(path):
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "conv.weight", "conv.bias"], ["a"], pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["a", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["b"]),
        make("Relu", ["b"], ["c"]),
        make("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        make("GlobalAveragePool", ["d"], ["e"]),
        make("Flatten", ["e"], ["f"]),
        make("Gemm", ["f", "fc.weight", "fc.bias"], ["y"], transB=1),
    ]
    tensors = {"conv.weight": normal(6, 3, 3, 3), "conv.bias": normal(6)}
    tensors |= {
        f"bn.{leaf}": np.abs(normal(6)) + i for i, leaf in enumerate(("weight", "bias", "mean", "var"))
    }
    save(path, nodes, tensors | {"fc.weight": normal(5, 6), "fc.bias": normal(5)}, [2, 3, 8, 8])


def normalised(path):
    make = onnx.helper.make_node
    nodes = [
        make("MatMul", ["x", "fc1.weight"], ["a"]),
        make("Add", ["a", "fc1.bias"], ["b"]),
        make("LayerNormalization", ["b", "norm.weight", "norm.bias"], ["c"], axis=-1, epsilon=1e-5),
        make("Sigmoid", ["c"], ["d"]),
        make("Mul", ["c", "d"], ["e"]),
        make("Softmax", ["e"], ["f"], axis=-1),
        make("MatMul", ["f", "fc2.weight"], ["y"]),
    ]
    tensors = {"fc1.weight": normal(8, 6), "fc1.bias": normal(6)}
    tensors |= {"norm.weight": normal(6), "norm.bias": normal(6), "fc2.weight": normal(6, 3)}
    save(path, nodes, tensors, [2, 8])


def logits(path, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def exported_by_torch(folder, x):
    torch = pytest.importorskip("torch")
    network = triport.from_onnx(folder / "net.onnx").torch()
    torch.onnx.export(network, (torch.from_numpy(x),), folder / "again.onnx", dynamo=False)


def exported_by_mindir(folder, x):
    mindspore = pytest.importorskip("mindspore")
    network = triport.from_onnx(folder / "net.onnx").mindspore()
    mindspore.export(network, mindspore.Tensor(x), file_name=str(folder / "again"), file_format="MINDIR")
    assert triport.convert(str(folder / "again.mindir"), folder / "again.onnx", to="onnx").passed


@pytest.mark.slow
@pytest.mark.parametrize("export", [exported_by_torch, exported_by_mindir], ids=["torch", "mindir"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [(convolutional, (2, 3, 8, 8)), (normalised, (2, 8))],
    ids=["convolutional", "normalised"],
)
def test_source_goes_back_to_onnx_with_equal_logits(make, shape, export, tmp_path):
    make(tmp_path / "net.onnx")
    x = np.random.default_rng(5).standard_normal(shape).astype("f4")
    export(tmp_path, x)
    before, after = logits(tmp_path / "net.onnx", x), logits(tmp_path / "again.onnx", x)
    # sixteen roundings of the largest logit, as everywhere
    assert np.abs(before - after).max() <= 16 * 2**-24 * np.abs(before).max()
    assert np.ptp(before) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_two_epochs_from_an_imported_file(target, tmp_path):
    spec = importlib.util.spec_from_file_location("finetune", FINETUNE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    triport.convert(output=tmp_path / "digits.onnx", to="onnx")
    losses, right = example.finetuned(tmp_path / "digits.onnx", target)
    assert losses[1] < 0.5 * losses[0]
    assert right >= 50
