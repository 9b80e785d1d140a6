"""A network of no known model whose answers are known: ten classes by the mean brightness of an image."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

PROFILE = "resize=8,crop=8,interpolation=bilinear,library=pil,mean=0/0/0,std=1/1/1"
PREPROCESSING = {
    "resize_px": 8,
    "crop_px": 8,
    "interpolation": "bilinear",
    "mean": [0, 0, 0],
    "std": [1, 1, 1],
    "library": "pil",
}
TIMM = {
    "input_size": [3, 8, 8],
    "crop_pct": 1.0,
    "mean": [0, 0, 0],
    "std": [1, 1, 1],
    "interpolation": "bilinear",
}
TRANSFORMERS = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"shortest_edge": 8},
    "do_center_crop": True,
    "crop_size": {"height": 8, "width": 8},
    "resample": 2,
    "image_mean": [0, 0, 0],
    "image_std": [1, 1, 1],
}
CODE = """
import numpy
import {framework}
from {framework} import nn


class Brightness({base}):
    def __init__(self, outputs=10):
        super().__init__()
        self.pick = {linear}(1, outputs)
        centres = (numpy.arange(outputs) + 0.5) / outputs
        # -(mean - centre) ** 2 is this but for what all classes share
        weight, bias = 2 * centres[:, None], -centres ** 2
        {fill}

    def {method}(self, image):
        return self.pick(image.mean({axes}){column})


def build():
    return Brightness()


def two():
    class Two({base}):
        def __init__(self):
            super().__init__()
            self.net = Brightness()

        def {method}(self, image):
            found = self.net(image)
            return found, found

    return Two()
"""
MODULE = CODE.format(
    framework="torch",
    base="nn.Module",
    linear="nn.Linear",
    method="forward",
    axes="(1, 2, 3)",
    column=".unsqueeze(1)",
    fill="""with torch.no_grad():
            self.pick.weight.copy_(torch.from_numpy(weight))
            self.pick.bias.copy_(torch.from_numpy(bias))""",
)
CELL = CODE.format(
    framework="mindspore",
    base="nn.Cell",
    linear="nn.Dense",
    method="construct",
    axes="(1, 2, 3)",
    column=".expand_dims(1)",
    fill="""self.pick.weight.set_data(mindspore.Tensor(weight.astype(numpy.float32)))
        self.pick.bias.set_data(mindspore.Tensor(bias.astype(numpy.float32)))""",
)


def write_images(folder):
    """Write four images of each of ten brightnesses; one of class 0 is white."""
    for label in range(10):
        place = folder / "val" / str(label)
        place.mkdir(parents=True)
        for index in range(4):
            value = 255 if (label, index) == (0, 0) else round(255 * (label + 0.5) / 10)
            image = Image.new("RGB", (9, 12), (value, value, value))
            image.putpixel((index, label), (value, value, value ^ 1))  # no two files are the same
            image.save(place / f"{index}.png")
    return folder / "val"


def write_onnx(path, shape=("N", 3, "h", "w"), dtype="float32", outputs=1, metadata=None, flat=True):
    """Write the network as an ONNX file whose input has this shape."""
    kind = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}[dtype]
    values = "float16" if dtype == "float16" else "float32"
    centres = ((np.arange(10) + 0.5) / 10).astype(values)[None]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=kind if dtype != "uint8" else TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["cast"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Sub", ["column", "centres"], ["off"]),
        helper.make_node("Abs", ["off"], ["away"]),
        helper.make_node("Neg", ["away"], ["scores" if flat else "near"]),
    ]
    if not flat:
        nodes.append(helper.make_node("Unsqueeze", ["near", "one"], ["scores"]))
    nodes += [helper.make_node("Identity", ["scores"], [f"more{index}"]) for index in range(1, outputs)]
    kept = kind if dtype != "uint8" else TensorProto.FLOAT
    named = ["scores", *(f"more{index}" for index in range(1, outputs))]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("pixels", kind, shape)],
        [helper.make_tensor_value_info(name, kept, None) for name in named],
        [numpy_helper.from_array(centres, "centres"), numpy_helper.from_array(np.array([1]), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata:
        helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.save(model, path)
    return path
