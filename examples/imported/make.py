"""Write the sources in this folder: three graphs as triport reads them, without their weights.

python examples/imported/make.py

- `res2net_digits.py`, PyTorch, and `res2net_digits_mindspore.py`: the network that triport ships;
- `attention.py`, MindSpore: two transformer blocks that torch exported;
- `channels_last.py`, PyTorch: a graph as tf2onnx writes it, images (N, H, W, C) between transposes.

Each is proven beside ONNX Runtime first, as `convert` does it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

import numpy as np
import onnx

import triport


def main() -> None:
    """Write the files and print how many lines each node became."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        triport.convert(output=work / "res2net_digits.onnx", to="onnx")
        attention(work / "attention.onnx")
        channels_last(work / "channels_last.onnx")
        for name, to in (
            ("res2net_digits", "pytorch"),
            ("res2net_digits", "mindspore"),
            ("attention", "mindspore"),
            ("channels_last", "pytorch"),
        ):
            network = triport.from_onnx(work / f"{name}.onnx")
            other = "_mindspore" if (name, to) == ("res2net_digits", "mindspore") else ""
            (HERE / f"{name}{other}.py").write_text(network.source(to), encoding="utf-8")
            proof = network.proof(to)
            assert proof is not None
            lines = proof.source_lines / proof.nodes
            print(f"{name} in {to}: {proof.nodes} nodes, {lines:.1f} lines a node, {proof.classes} classes")


def attention(path: Path) -> None:
    """Export two blocks of attention and a classifier by torch."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
            self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
            self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 32)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch, length, width = x.shape
            q, k, v = self.qkv(self.norm1(x)).reshape(batch, length, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
            weights = (q @ k.transpose(-2, -1) * 8**-0.5).softmax(-1)
            x = x + self.proj((weights @ v).transpose(1, 2).reshape(batch, length, width))
            return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.Sequential(Block(), Block())
            self.head = nn.Linear(32, 10)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(self.blocks(tokens).mean(1))

    torch.manual_seed(0)
    net = Transformer().eval()
    for parameter in net.parameters():  # equal ones would be merged
        nn.init.normal_(parameter, std=0.3)
    torch.onnx.export(
        net,
        (torch.randn(2, 16, 32),),
        path,
        input_names=["tokens"],
        output_names=["logits"],
        dynamic_axes={"tokens": {0: "N"}},
        opset_version=17,
        dynamo=False,
    )


def channels_last(path: Path) -> None:
    """Write a graph whose images are (N, H, W, C)."""
    make, random = onnx.helper.make_node, np.random.default_rng(0)
    tensors = {
        "conv1/kernel:0": random.standard_normal((8, 3, 3, 3)),
        "conv1/bias:0": random.standard_normal(8),
        "conv2/kernel:0": random.standard_normal((16, 8, 3, 3)),
        "dense/kernel:0": random.standard_normal((16, 10)),
        "dense/bias:0": random.standard_normal(10),
    }
    nodes = [
        make("Transpose", ["images"], ["nchw"], perm=[0, 3, 1, 2]),
        make(
            "Conv", ["nchw", "conv1/kernel:0", "conv1/bias:0"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2]
        ),
        make("Transpose", ["a"], ["a_nhwc"], perm=[0, 2, 3, 1]),
        make("Relu", ["a_nhwc"], ["b"]),
        make("Transpose", ["b"], ["b_nchw"], perm=[0, 3, 1, 2]),
        make("Conv", ["b_nchw", "conv2/kernel:0"], ["c"], auto_pad="SAME_UPPER"),
        make("Transpose", ["c"], ["c_nhwc"], perm=[0, 2, 3, 1]),
        make("ReduceMean", ["c_nhwc"], ["d"], axes=[1, 2], keepdims=0),
        make("MatMul", ["d", "dense/kernel:0"], ["e"]),
        make("Add", ["e", "dense/bias:0"], ["logits"]),
    ]
    float_ = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "channels_last",
        [onnx.helper.make_tensor_value_info("images", float_, ["N", 33, 33, 3])],
        [onnx.helper.make_tensor_value_info("logits", float_, ["N", 10])],
        [onnx.numpy_helper.from_array(each.astype("f4"), name) for name, each in tensors.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


if __name__ == "__main__":
    main()
