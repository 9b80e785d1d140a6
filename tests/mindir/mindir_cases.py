"""Cases for test_every_operator: MindIR primitive -> MindSpore expressions that export as it.

An expression is a layer, or reads `x`, standard normal of the shape (3, 4, 7, 9) unless
a case gives another; `nn`, `ops`, `mint` and `ms` are at hand.
Statements may come before it, each with a semicolon after it.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One expression; `tolerance` is relative to the largest value of MindSpore's result."""

    expression: str
    shape: tuple[int, ...] = (3, 4, 7, 9)
    tolerance: float = 1e-6


def conv(*arguments: str) -> list[Case]:
    return [Case(f"nn.Conv2d(4, 8, {argument})") for argument in arguments]


CASES: dict[str, list[Case]] = {
    # activation
    "Abs": [Case("ops.abs(x)")],
    "Cos": [Case("ops.cos(x)")],
    "Erf": [Case("ops.erf(x)")],
    "Exp": [Case("ops.exp(x)")],
    "Neg": [Case("-x")],
    "ReLU": [Case("nn.ReLU()"), Case("mint.nn.functional.relu(x)")],
    "Reciprocal": [Case("1 / (ops.abs(x) + 1)")],
    "Sigmoid": [Case("nn.Sigmoid()")],
    "Sin": [Case("ops.sin(x)")],
    "Sqrt": [Case("ops.sqrt(ops.abs(x))")],
    # MindSpore's own Tanh is up to 1e-4 from float64's, ONNX Runtime's 2e-7
    "Tanh": [Case("nn.Tanh()", tolerance=2e-4)],
    "Square": [Case("ops.square(x)")],
    "Rsqrt": [Case("ops.rsqrt(ops.abs(x) + 1)")],
    "ReLU6": [Case("ops.relu6(x * 5)"), Case("nn.ReLU6()")],
    "ClampScalar": [Case("ops.clamp(x, -0.5, 1)"), Case("mint.clamp(x, min=0.25)")],
    "SiLU": [Case("nn.SiLU()")],
    "HSigmoid": [Case("ops.hardsigmoid(x * 3)")],
    "HSwish": [Case("ops.hardswish(x * 3)")],
    "Softmax": [Case("ops.softmax(x, 1)"), Case("nn.Softmax(axis=-1)")],
    # arithmetic
    "Add": [Case("x + 1.5"), Case("x + ops.relu(x[:, :1])")],
    "Sub": [Case("1 - x"), Case("ops.relu(x) - x")],
    "Mul": [Case("x * ops.sigmoid(x[:, :, :1, :1])")],
    "Div": [Case("x / (x * x + 1)")],
    "Maximum": [Case("ops.maximum(x, 0.5)")],
    "Minimum": [Case("ops.minimum(x, ops.relu(x) - 1)")],
    "Pow": [Case("x**2")],
    "Muls": [Case("2 * x")],
    "Divs": [Case("x / 3")],
    "AddExt": [Case("mint.add(x, ops.relu(x), alpha=2)"), Case("mint.add(x, ops.relu(x))")],
    "AddScalar": [Case("mint.add(x, 3)")],
    "SubExt": [Case("mint.sub(x, ops.relu(x), alpha=0.5)")],
    "SubScalar": [Case("mint.sub(x, 2, alpha=3)")],
    # the first reads the overwritten tensor before, the second after by its result, the third both
    "InplaceAddExt": [
        Case("y = ops.relu(x); z = ops.sigmoid(y); y += z; y * z"),
        Case("y = ops.relu(x); y += x; y += ops.relu(y); y - x"),
        Case("y = ops.relu(x); z = y * 2; y += x; ops.concat((z, y * 3), 1)"),
        Case("y = ops.relu(x); y.add_(x, alpha=2); ops.neg(y)"),
        Case("y = ops.relu(x); y.add_(x); y"),
    ],
    "InplaceAddsExt": [Case("y = ops.relu(x); z = y * 2; y += 1; z - y")],
    "InplaceSubExt": [Case("y = ops.relu(x); z = y * 2; y -= x; z - y")],
    "InplaceSubScalar": [Case("y = ops.relu(x); z = y * 2; y -= 2; z - y")],
    "InplaceMul": [Case("y = ops.relu(x); z = y + 2; y *= x; z - y")],
    "InplaceMuls": [Case("y = ops.relu(x); z = y + 2; y *= 3; z - y")],
    "InplaceDiv": [Case("y = ops.relu(x); z = y + 2; y /= z; z - y")],
    "InplaceDivs": [Case("y = ops.relu(x); z = y + 2; y /= 3; z - y")],
    # batch_norm
    "BatchNorm": [Case("nn.BatchNorm2d(4, eps=1e-3)")],
    # convolution
    "Conv2D": [
        *conv("3, pad_mode='pad', padding=(1, 2, 0, 1)", "(3, 2), stride=2, pad_mode='same'"),
        *conv("3, stride=(2, 3), pad_mode='same'", "5, stride=3, pad_mode='same'", "1, stride=2"),
        *conv("3, pad_mode='valid', dilation=2, has_bias=True", "3, pad_mode='same', dilation=(2, 1)"),
        *conv("3, stride=2, pad_mode='pad', padding=1, group=4", "1, stride=2, group=2, has_bias=True"),
    ],
    # matmul
    "MatMul": [
        Case("nn.Dense(9, 5)", (3, 9)),
        Case("nn.Dense(9, 5, has_bias=False)", (3, 9)),
        Case("nn.Dense(9, 5)", (3, 4, 9)),
    ],
    "BiasAdd": [
        Case("nn.Dense(9, 5)", (3, 9)),
        Case("ops.bias_add(ops.relu(x), ops.ones(4))"),
        Case("ops.bias_add(ops.relu(x), ops.ones(9))", (3, 9)),
    ],
    "BatchMatMul": [
        Case("ops.bmm(x, ops.relu(x).swapaxes(2, 3))"),
        Case("ops.BatchMatMul(transpose_b=True)(x, x)"),
        Case("ops.BatchMatMul(transpose_a=True)(x, x)"),
    ],
    "MatMulExt": [Case("ops.matmul(x, ops.relu(x).swapaxes(2, 3))"), Case("mint.matmul(x, x[0, 0].T)")],
    "Dense": [
        Case("mint.nn.Linear(9, 5)", (3, 9)),
        Case("mint.nn.Linear(9, 5)"),
        Case("mint.nn.Linear(9, 5, bias=False)"),
    ],
    # pad
    "Pad": [Case("nn.Pad(((0, 0), (0, 0), (1, 0), (2, 1)))"), Case("nn.Pad(((0, 0),) * 4)")],
    "MirrorPad": [Case("nn.Pad(((0, 0), (0, 0), (1, 0), (2, 1)), mode='REFLECT')")],
    "PadV3": [
        Case("nn.ZeroPad2d((0, 1, 0, 1))"),
        Case("nn.ConstantPad2d((0, 1, 2, 1), -2.5)"),
        Case("ops.pad(x, (0, 1), value=-1e4)"),
        Case("ops.pad(x, (0, 1, 2, 1), mode='reflect')"),
        Case("ops.pad(x, (0, 1, 2, 1), mode='replicate')"),
    ],
    # pooling
    "MaxPool": [
        Case("nn.MaxPool2d(3, 2, pad_mode='same')"),
        Case("nn.MaxPool2d(3, 2, pad_mode='same')", (3, 4, 8, 11)),
        Case("nn.MaxPool2d((2, 3), (3, 1), pad_mode='same')"),
        Case("nn.MaxPool2d(3, 2, pad_mode='valid')"),
    ],
    "AvgPool": [
        Case("nn.AvgPool2d(3, 2, pad_mode='same')"),
        Case("nn.AvgPool2d(2, 2, pad_mode='same')", (3, 4, 8, 11)),
        Case("nn.AvgPool2d((2, 3), (3, 1), pad_mode='same')"),
        Case("nn.AvgPool2d(3, 2, pad_mode='valid')"),
    ],
    "MaxPoolWithArgmaxV2": [
        Case("ops.max_pool2d(x, 3, 2, 1)"),
        Case("ops.max_pool2d(x, 3, 2, 1, ceil_mode=True)", (3, 4, 8, 11)),
        Case("ops.max_pool2d(x, 2, 1, 0, 2)"),
    ],
    "MaxPool3DWithArgmax": [
        Case("nn.MaxPool2d(3, 2, pad_mode='pad', padding=1)"),
        Case("nn.MaxPool2d(3, 2, pad_mode='pad', padding=(1, 0))"),
        Case("nn.MaxPool2d(3, 2, pad_mode='pad', padding=1, ceil_mode=True)", (3, 4, 8, 11)),
        Case("nn.MaxPool2d(2, 2, pad_mode='pad', padding=0, ceil_mode=True)"),
    ],
    "AvgPool3D": [
        Case("nn.AvgPool2d(3, 2, pad_mode='pad', padding=1)"),
        Case("nn.AvgPool2d(3, 2, pad_mode='pad', padding=1, count_include_pad=False)"),
        Case("nn.AvgPool2d(3, 2, pad_mode='pad', padding=1, ceil_mode=True)"),
        Case(
            "nn.AvgPool2d(2, 2, pad_mode='pad', padding=0, ceil_mode=True, count_include_pad=False)",
            (3, 4, 7, 11),
        ),
        Case("nn.AvgPool2d(3, 2, pad_mode='pad', padding=1, divisor_override=4)"),
        Case("ops.avg_pool2d(x, 3, 2, 1)"),
    ],
    "AdaptiveAvgPool2D": [
        Case("nn.AdaptiveAvgPool2d(1)"),
        Case("nn.AdaptiveAvgPool2d((None, 3))"),
        Case("nn.AdaptiveAvgPool2d((3, 4))"),
        Case("nn.AdaptiveAvgPool2d((9, 5))"),
    ],
    # reduction
    "ReduceMean": [Case("x.mean((2, 3), keep_dims=True)"), Case("ops.mean(x, (-1, -2))")],
    "ReduceMax": [Case("ops.amax(x, 1)")],
    "ReduceMin": [Case("ops.amin(x, (2, 3), keepdims=True)")],
    "ReduceProd": [Case("ops.ReduceProd()(x, 1)")],
    "ReduceSum": [Case("ops.ReduceSum()(x, 1)"), Case("ops.ReduceSum(keep_dims=True)(x, (1, 2, 3))")],
    "MeanExt": [Case("mint.mean(x, (2, 3), keepdim=True)")],
    "SumExt": [Case("mint.sum(x, 1)"), Case("x.sum((2, 3))")],
    # shape
    "Identity": [Case("ops.Identity()(ops.relu(x))")],
    "Reshape": [
        Case("x.reshape(x.shape[0], -1)"),
        Case("x.reshape(-1, 4, 63)"),
        Case("x.reshape(-1, 9)"),
        Case("x.reshape(-1, 2, 2, 7, 9).swapaxes(1, 2).reshape(x.shape)"),
    ],
    "Flatten": [Case("nn.Flatten()"), Case("ops.flatten(x)")],
    "FlattenExt": [Case("mint.flatten(x, 1)"), Case("mint.flatten(x, 2, 3)")],
    "Transpose": [Case("x.transpose(0, 2, 3, 1)"), Case("x.swapaxes(-1, 1)")],
    "ExpandDims": [Case("x.expand_dims(1)"), Case("x.expand_dims(-1)")],
    "Squeeze": [Case("x[:, :1].squeeze(1)"), Case("x.expand_dims(2).squeeze(2)")],
    "Cast": [
        Case("ops.relu(x.astype(ms.float16)).astype(ms.float32)", tolerance=1e-3),
        Case("(x * 5).astype(ms.int32)"),
        Case("x.to(ms.float64)"),
    ],
    # slicing
    "Concat": [Case("ops.concat((x, ops.relu(x)), 1)"), Case("ops.cat([x, ops.relu(x)], -1)")],
    "Stack": [Case("ops.stack((x, ops.relu(x)), 1)"), Case("ops.stack((x, ops.relu(x)), -1)")],
    "Split": [Case("ops.concat(ops.split(x, 1, 1)[::-1], 1)"), Case("ops.chunk(x, 2, axis=1)[1]")],
    "StridedSlice": [
        Case("x[:, 1:3]"),
        Case("x[:, ::2]"),
        Case("x[:, -1]"),
        Case("x[:, :, 1:-1, -3:]"),
        Case("x[..., 1]"),
        Case("x[:, 0, None]"),
        Case("ops.split(x, (1, 3), 1)[1]"),
        Case("x[:]"),
    ],
    # structure
    "Load": [Case("nn.BatchNorm2d(4)")],
    "TensorMove": [Case("y = ops.relu(x); z = ops.sigmoid(y); y += z; ops.neg(y)")],
    "UpdateState": [Case("nn.BatchNorm2d(4)")],
    "Depend": [Case("nn.BatchNorm2d(4)")],
    "MakeTuple": [Case("(x + 1, ops.relu(x))")],
    "make_list": [Case("[x + 1, ops.relu(x)]")],
    "TupleGetItem": [Case("ops.split(x, 1, 1)[2]")],
}

# MindSpore compiles these for Ascend and GPU alone: exported here, but not run
EXPORT_ONLY: dict[str, list[Case]] = {
    "AdaptiveAvgPool2DExt": [Case("mint.nn.functional.adaptive_avg_pool2d(x, 1)")],
    "AvgPool2D": [Case("mint.nn.functional.avg_pool2d(x, 3, 2, 1)")],
    "ChunkView": [Case("mint.chunk(x, 2, 1)[1]")],
    "ConstantPadND": [Case("mint.nn.functional.pad(x, (0, 1, 2, 1), value=3)")],
    "ExpandDimsView": [Case("mint.unsqueeze(x, 1)")],
    "MaxPoolWithMask": [Case("mint.nn.functional.max_pool2d(x, 3, 2, 1)")],
    "NarrowView": [Case("mint.narrow(x, 1, 1, 2)")],
    "SplitWithSizeView": [Case("mint.split(x, (1, 3), 1)[1]")],
    "TransposeView": [Case("mint.permute(x, (0, 2, 1, 3))")],
}
