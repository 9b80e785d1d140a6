"""Layers that are a sum of products: convolutions, dense layers."""

from __future__ import annotations

from typing import Any

from .fault import Fault, Leaves, changed, rolled
from .kind import Kind, Leaf, Summed

_WEIGHT = Leaf("weight", "weight")
_BIAS = Leaf("bias", "shift", optional=True)


def _square(conv: Any) -> bool:
    return len(conv.kernel_size) == 2 and conv.kernel_size[0] == conv.kernel_size[1] > 1


def _padded(conv: Any) -> bool:
    return _square(conv) and conv.padding not in ((0, 0), "same") and type(conv).__name__ == "Conv2d"


def _one_weight_off(leaves: Leaves) -> None:
    """The largest of the first kernel: a weight that happens to be zero would be no fault."""
    first = leaves["weight"][0].reshape(-1)
    first[abs(first).argmax()] *= 1.1


def _off(index: int, by: float) -> Fault:
    what = {1.01: "one output channel off by 1 %", 0.0: "last output channel zero"}[by]

    def change(leaves: Leaves) -> None:
        leaves["weight"][index] *= by

    return Fault(what, change)


def _first_sign(weight: Any) -> Any:
    weight[0] *= -1
    return weight


def _first_two_exchanged(weight: Any) -> Any:
    return weight[[1, 0, *range(2, len(weight))]]


def _int8(weight: Any) -> Any:
    scale = abs(weight).max() / 127
    return (weight / scale).round() * scale


def _two(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(2 * value for value in values)


# of every layer whose weight's first axis is what it returns
_OF_WEIGHTS = (
    Fault("output channels permuted", changed("weight", rolled)),
    Fault("two output channels exchanged", changed("weight", _first_two_exchanged)),
    Fault(
        "input channels permuted",
        changed("weight", lambda weight: rolled(weight, 1)),
        where=lambda layer: layer.weight.shape[1] > 1,
    ),
    _off(0, 1.01),
    Fault("one weight of one kernel off by 10 %", _one_weight_off),
    Fault("weights of one sign wrong", changed("weight", _first_sign)),
    _off(-1, 0.0),
    Fault("weights rounded to float16", changed("weight", lambda weight: weight.astype("float16"))),
    Fault("weights rounded to int8", changed("weight", _int8)),
)
_OF_KERNELS = (
    Fault("kernel flipped", changed("weight", lambda weight: weight[:, :, ::-1, ::-1]), where=_square),
    Fault("kernel transposed in space", changed("weight", lambda w: w.swapaxes(2, 3)), where=_square),
)

KINDS = (
    Kind(
        "conv",
        "conv",
        torch=("torch.nn.Conv1d", "torch.nn.Conv2d", "torch.nn.Conv3d"),
        mindspore=(
            *("mindspore.nn.Conv1d", "mindspore.nn.Conv2d", "mindspore.nn.Conv3d"),
            *("mindspore.mint.nn.Conv1d", "mindspore.mint.nn.Conv2d", "mindspore.mint.nn.Conv3d"),
        ),
        onnx=("Conv",),
        leaves=(_WEIGHT, _BIAS),
        quantised=True,
        summed=Summed(1, {"weight": 1}, where=lambda conv: conv.groups == 1),
        faults=(
            *_OF_KERNELS,
            *_OF_WEIGHTS,
            Fault(
                "dilation 2 for 1", attributes={"padding": _two, "dilation": lambda _: (2, 2)}, where=_padded
            ),
        ),
    ),
    Kind(
        "conv_transposed",
        "transposed conv",
        torch=("torch.nn.ConvTranspose1d", "torch.nn.ConvTranspose2d", "torch.nn.ConvTranspose3d"),
        mindspore=(
            *("mindspore.nn.Conv1dTranspose", "mindspore.nn.Conv2dTranspose", "mindspore.nn.Conv3dTranspose"),
            "mindspore.mint.nn.ConvTranspose2d",
        ),
        onnx=("ConvTranspose",),
        leaves=(_WEIGHT, _BIAS),
        summed=Summed(1, {"weight": 0}, where=lambda conv: conv.groups == 1),
        faults=(
            # its weight is (in, out / groups, ...): the first axis is what it is given
            *_OF_KERNELS,
            Fault("input channels permuted", changed("weight", rolled)),
            Fault("output channels permuted", changed("weight", lambda weight: rolled(weight, 1))),
        ),
    ),
    Kind(
        "dense",
        "dense",
        torch=("torch.nn.Linear",),
        mindspore=("mindspore.nn.Dense", "mindspore.mint.nn.Linear"),
        onnx=("Gemm", "MatMul"),
        leaves=(_WEIGHT, _BIAS),
        quantised=True,
        summed=Summed(-1, {"weight": 1}),
        faults=(
            *_OF_WEIGHTS,
            Fault(
                "weight transposed",
                changed("weight", lambda weight: weight.T),
                where=lambda dense: dense.in_features == dense.out_features,
            ),
        ),
    ),
    Kind(
        "bilinear",
        "bilinear",
        torch=("torch.nn.Bilinear",),
        mindspore=("mindspore.nn.BiDense",),
        leaves=(_WEIGHT, _BIAS),
        faults=(
            Fault(
                "inputs exchanged",
                changed("weight", lambda weight: weight.swapaxes(1, 2)),
                where=lambda layer: layer.in1_features == layer.in2_features,
            ),
        ),
    ),
)
