"""A converted model lost accuracy: what `diagnose` says of six ways in which that happens.

python examples/lost_accuracy.py [FOLDER]

Takes the small trained model that triport ships as ONNX, damages a copy in one way, and asks what is wrong
with it. Every damage is one that converters and pipelines really do. Prints a line for each; the files, and a
page for each, stay in FOLDER, out/lost_accuracy by default.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import triport
from triport.parity.diagnosis.report import page


def other_epsilon(model: onnx.ModelProto) -> None:
    """BatchNorm's epsilon is another framework's default."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "BatchNormalization" and attribute.name == "epsilon":
                attribute.f = 1e-3


def bgr(model: onnx.ModelProto) -> None:
    """The first convolution was turned for images in BGR."""
    _change(model, "conv1.0.weight", lambda array: array[:, ::-1])


def one_layer_in_float16(model: onnx.ModelProto) -> None:
    """One layer computes in float16."""
    nodes = model.graph.node
    place = next(index for index, node in enumerate(nodes) if "layer2.0.conv1.weight" in node.input)
    layer = nodes[place]
    for name in layer.input[1:]:
        _change(model, name, lambda array: array.astype(np.float16))
    given, made = layer.input[0], layer.output[0]
    layer.input[0], layer.output[0] = "half_in", "half_out"
    nodes.insert(place, helper.make_node("Cast", [given], ["half_in"], to=TensorProto.FLOAT16))
    nodes.insert(place + 2, helper.make_node("Cast", ["half_out"], [made], to=TensorProto.FLOAT))


def one_layer_in_int8(model: onnx.ModelProto) -> None:
    """The weights of one layer were rounded to int8."""

    def rounded(array: np.ndarray) -> np.ndarray:
        step = np.abs(array).max() / 127
        return (np.round(array / step) * step).astype(np.float32)

    _change(model, "layer3.0.conv1.weight", rounded)


def other_preprocessing(model: onnx.ModelProto) -> None:
    """The file states ImageNet's mean and deviation, with which it was not trained."""
    for entry in model.metadata_props:
        if entry.key == "triport.preprocessing":
            imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
            entry.value = json.dumps({**json.loads(entry.value), **imagenet})


def classes_in_another_order(model: onnx.ModelProto) -> None:
    """The last layer's rows are sorted otherwise: class 1 and class 7 are exchanged."""
    order = [0, 7, 2, 3, 4, 5, 6, 1, 8, 9]
    for name in ("fc.weight", "fc.bias"):
        _change(model, name, lambda array: array[order])


DAMAGES = (
    other_epsilon,
    bgr,
    one_layer_in_float16,
    one_layer_in_int8,
    other_preprocessing,
    classes_in_another_order,
)


def main() -> None:
    """Damage, ask, print."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "lost_accuracy"
    right, *damaged = damaged_files(folder)
    for wrong in damaged:
        found = triport.diagnose(right, wrong, data=ROOT / "examples" / "digits" / "val")
        wrong.with_suffix(".html").write_text(page(found), encoding="utf-8")
        print(f"{wrong.stem}\n  {found.conclusion}", flush=True)


def damaged_files(folder: Path) -> list[Path]:
    """Write the right file, and one for each damage, into a folder; return their paths in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    right = folder / "right.onnx"
    triport.convert(triport.SHIPPED, right, to="onnx")
    paths = [right]
    for damage in DAMAGES:
        model = onnx.load(right)
        damage(model)
        paths.append(folder / f"{damage.__name__}.onnx")
        onnx.save(model, paths[-1])
    return paths


def _change(model: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == name)
    array = np.ascontiguousarray(change(numpy_helper.to_array(tensor)))
    tensor.CopyFrom(numpy_helper.from_array(array, name))


if __name__ == "__main__":
    main()
