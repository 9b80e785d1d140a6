"""Cases for test_every_operator: MindIR primitive -> MindSpore expressions that export as it.

An expression is a layer, or reads `x`, standard normal of the shape (3, 4, 7, 9) unless
a case gives another; `nn`, `ops`, `mint` and `ms` are at hand.
Statements may come before it, each with a semicolon after it.
"""

from __future__ import annotations

from typing import NamedTuple

OPSETS = (11, 13, 17, 21)


class Case(NamedTuple):
    """One expression; `tolerance` is relative to the largest value of MindSpore's result.

    `opsets` are those tried. Without `free_batch` it is traced and converted at the shape's batch.
    `expected` is the same in NumPy, for what MindSpore cannot run here.
    """

    expression: str
    shape: tuple[int, ...] = (3, 4, 7, 9)
    tolerance: float = 1e-6
    opsets: tuple[int, ...] = OPSETS
    free_batch: bool = True
    expected: str | None = None


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
        Case("ops.pad(x, (2, 1, 3, 0), mode='circular')"),
    ],
    # pooling
    "MaxPool": [
        Case("nn.MaxPool2d(3, 2, pad_mode='same')"),
        Case("nn.MaxPool2d(3, 2, pad_mode='same')", (3, 4, 8, 11)),
        Case("nn.MaxPool2d((2, 3), (3, 1), pad_mode='same')"),
        Case("nn.MaxPool2d(3, 2, pad_mode='valid')"),
        Case("nn.SequentialCell(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2, pad_mode='valid'))"),
        Case(
            "nn.SequentialCell(nn.ReLU(), nn.ZeroPad2d((0, 1, 2, 1)), nn.MaxPool2d(3, 2, pad_mode='valid'))"
        ),
        Case("nn.SequentialCell(nn.ZeroPad2d((0, 2, 1, 0)), nn.MaxPool2d((2, 3), 2, pad_mode='valid'))"),
        Case("nn.SequentialCell(nn.ConstantPad2d(1, -0.5), nn.MaxPool2d(3, 2, pad_mode='valid'))"),
        Case("nn.SequentialCell(nn.ZeroPad2d(3), nn.MaxPool2d(2, 2, pad_mode='valid'))"),
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
    "Concat": [
        Case("ops.concat((x, ops.zeros((x.shape[0], 1, 7, 9), ms.float32)), 1)"),
        Case("ops.concat((x, ops.relu(x)), 1)"),
        Case("ops.cat([x, ops.relu(x)], -1)"),
    ],
    "Stack": [Case("ops.stack((x, ops.relu(x)), 1)"), Case("ops.stack((x, ops.relu(x)), -1)")],
    "Split": [
        # ONNX Runtime's optimiser must not merge the two
        Case("ops.concat((*ops.split(x, 1, 1)[::-1], *ops.chunk(x, 2, axis=1)[::-1]), 1)"),
        Case("ops.concat(ops.split(x, 1, 1)[::-1], 1)"),
        Case("ops.chunk(x, 2, axis=1)[1]"),
    ],
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
    # activation, more of them
    "Softplus": [Case("ops.softplus(x)")],
    "Softsign": [Case("ops.softsign(x)")],
    "GeLU": [Case("nn.GELU()", tolerance=2e-4)],
    "FastGeLU": [Case("ops.fast_gelu(x)")],
    "Elu": [Case("ops.elu(x, 1.0)")],
    "SeLU": [Case("ops.selu(x)")],
    "CeLU": [Case("ops.celu(x, 2.0)")],
    "PReLU": [Case("nn.PReLU(4)"), Case("nn.PReLU(1)"), Case("nn.PReLU(9)", (3, 9))],
    "Mish": [Case("ops.mish(x)")],
    "SoftplusExt": [Case("mint.nn.functional.softplus(x)"), Case("mint.nn.functional.softplus(x, 2, 20)")],
    "HShrink": [Case("ops.hardshrink(x)")],
    "SoftShrink": [Case("ops.softshrink(x, 0.25)")],
    "LogSoftmax": [Case("ops.log_softmax(x, 1)"), Case("ops.log_softmax(x)")],
    "LogSoftmaxExt": [Case("mint.nn.functional.log_softmax(x, 1)")],
    # elementwise
    "ACos": [Case("ops.acos(x / 10)")],
    "Acosh": [Case("ops.acosh(ops.abs(x) + 1.5)")],
    "Asin": [Case("ops.asin(x / 10)")],
    "Asinh": [Case("ops.asinh(x)")],
    "Atan": [Case("ops.atan(x)")],
    "Atanh": [Case("ops.atanh(x / 10)")],
    "Ceil": [Case("ops.ceil(x)")],
    "Cosh": [Case("ops.cosh(x)")],
    "Floor": [Case("ops.floor(x)")],
    "IsNan": [Case("ops.isnan(ops.log(x))")],
    "IsInf": [Case("ops.isinf(1 / ops.relu(x))")],
    "IsFinite": [Case("ops.isfinite(1 / ops.relu(x))")],
    "Sign": [Case("ops.sign(x)")],
    "Sinh": [Case("ops.sinh(x)")],
    "Tan": [Case("ops.tan(x)", tolerance=1e-5)],
    "Erfc": [Case("ops.erfc(x)")],
    "Log": [Case("ops.log(ops.abs(x) + 0.1)"), Case("ops.log2(ops.abs(x) + 0.1)")],
    "Log1p": [Case("ops.log1p(ops.abs(x))")],
    "Expm1": [Case("ops.expm1(x)")],
    "Round": [Case("ops.round(x * 2)"), Case("ops.round(ops.round(x * 4) / 2)")],
    "Trunc": [Case("ops.trunc(x * 3)")],
    # comparison
    "Equal": [Case("ops.relu(x) == x")],
    "NotEqual": [Case("ops.relu(x) != x")],
    "EqScalar": [Case("mint.eq(ops.round(x), 1)")],
    "Greater": [Case("x > 0.5"), Case("x > x[:, :1]")],
    "GreaterEqual": [Case("x >= ops.relu(x)")],
    "GreaterEqualScalar": [Case("mint.ge(x, 0.5)")],
    "Less": [Case("x < x[:, :1]")],
    "LessEqual": [Case("x <= ops.relu(x)"), Case("x <= 0.5")],
    "LessScalar": [Case("x < 1")],
    "LogicalNot": [Case("ops.logical_not(x > 0)")],
    "LogicalAnd": [Case("ops.logical_and(x > 0, x < 1)")],
    "LogicalOr": [Case("ops.logical_or(x > 0, x < -1)")],
    "LogicalXor": [Case("ops.logical_xor(x > 0, x < 1)")],
    "Select": [
        Case("ops.where(x > 0, x, 2.0)"),
        Case("ops.select(x > 0, x, x * 2)"),
        Case("ops.threshold(x, 0.1, 20)"),
    ],
    "MaskedFill": [Case("ops.masked_fill(x, x > 0, 3.0)")],
    # arithmetic, more of it
    "FloorDiv": [Case("x // 0.3"), Case("(x * 9).astype(ms.int32) // 4")],
    "FloorMod": [Case("ops.floor_mod(x, ms.Tensor(2.0))")],
    "RemainderTensorScalar": [Case("x % 2")],
    "PowTensorScalar": [Case("mint.pow(x, 2)")],
    "PowScalarTensor": [Case("mint.pow(2.0, x)")],
    "AddN": [Case("ops.addn([x, x, ops.relu(x)])")],
    "Lerp": [Case("ops.lerp(x, ops.relu(x), 0.3)")],
    "NanToNum": [Case("ops.nan_to_num(1 / ops.relu(x), posinf=9.0)"), Case("ops.nan_to_num(x, 0.0)")],
    # normalization
    "LayerNorm": [
        Case("nn.LayerNorm((9,))", tolerance=3e-6),
        Case("nn.LayerNorm((7, 9), begin_norm_axis=2, begin_params_axis=2)", tolerance=3e-6),
        Case("nn.LayerNorm((9,), epsilon=1e-3)", (3, 9), 3e-6),
    ],
    "GroupNorm": [
        Case("nn.GroupNorm(2, 4)", tolerance=3e-6),
        Case("nn.GroupNorm(4, 4)", tolerance=3e-6),
        Case("nn.GroupNorm(1, 4, eps=1e-3)", tolerance=3e-6),
    ],
    "L2Normalize": [
        Case("ops.L2Normalize(axis=1)(x)"),
        Case("ops.L2Normalize(axis=-1, epsilon=0.5)(x * 0.1)"),
    ],
    "LpNorm": [
        Case("ops.LpNorm(axis=1, p=2, keep_dims=True)(x)"),
        Case("ops.LpNorm(axis=[1, 2], p=1)(x)"),
        Case("ops.LpNorm(axis=1, p=3)(x)", tolerance=3e-6),
    ],
    "LRN": [Case("nn.LRN(2, 1.5, 0.3, 0.75)"), Case("nn.LRN()")],
    # resize
    "ResizeBilinearV2": [
        Case(f"ops.ResizeBilinearV2({flag})(x, {size})", tolerance=3e-6)
        for flag in ("", "align_corners=True", "half_pixel_centers=True")
        for size in ((14, 18), (4, 5), (10, 20), (7, 13))
    ],
    "ResizeBicubic": [
        Case("ops.interpolate(x, size=(14, 18), mode='bicubic')", tolerance=3e-6),
        # MindSpore takes the kernel from a table of 1,024 entries
        Case("ops.interpolate(x, size=(14, 19), mode='bicubic', align_corners=True)", tolerance=2e-3),
    ],
    "ResizeNearestNeighbor": [
        Case(f"ops.ResizeNearestNeighbor({size}, align_corners={flag})(x)")
        for flag in (False, True)
        for size in ((14, 27), (4, 5), (10, 20))
    ],
    "ResizeNearestNeighborV2": [
        Case("ops.interpolate(x, scale_factor=2.0, mode='nearest', recompute_scale_factor=True)"),
        Case("ops.interpolate(x, size=(16, 20), mode='nearest')"),
        Case("ops.interpolate(x, size=(16, 20), mode='nearest-exact')"),
    ],
    # reduction, more of it
    "ProdExt": [Case("mint.prod(x, 1)")],
    "ReduceAll": [Case("ops.all(x > -1, 1)"), Case("ops.all(x > -9, (1, 2), keep_dims=True)")],
    "ReduceAny": [Case("ops.any(x > 1, 1)")],
    "Max": [Case("mint.max(x) + x")],
    "Min": [Case("mint.min(x) + x")],
    "ReduceStd": [Case("ops.std(x, 1)"), Case("ops.std(x, (1, 2), 1, True)"), Case("ops.var(x, (2, 3))")],
    "Argmax": [Case("x.argmax(1)"), Case("ops.argmax(x, -1)")],
    "Argmin": [Case("ops.argmin(x, 1)")],
    "ArgMaxExt": [Case("mint.argmax(x, 1)"), Case("mint.argmax(x, 2, True)")],
    "ArgMaxWithValue": [Case("ops.max(x, 1)"), Case("ops.ArgMaxWithValue(axis=1, keep_dims=True)(x)")],
    "ArgMinWithValue": [Case("ops.min(x, -1)")],
    "MaxDim": [Case("mint.max(x, 1)")],
    "MinDim": [Case("mint.min(x, 1, True)")],
    # indexing
    "Gather": [
        Case("ops.gather(x, ms.Tensor([2, 0, 1]), 1)"),
        Case("ops.gather(x, ms.Tensor([[2], [0]]), 1)"),
        Case("ops.gather(x, (ops.abs(x) * 0.5).astype(ms.int32)[:, :, 0], 2, 1)", opsets=(12, 21)),
    ],
    "ReverseSequence": [
        Case("ops.ReverseSequence(2, 1)(x, ops.arange(4) + 2)"),
        Case("ops.ReverseSequence(1, 0)(x, (ops.abs(x[:, 0, 0, 0])).astype(ms.int32) + 1)"),
        Case("ops.ReverseSequence(3, 0)(x, (ops.abs(x[:, 0, 0, 0])).astype(ms.int32) + 1)"),
    ],
    "GatherD": [Case("ops.gather_elements(x, 1, (ops.abs(x) * 0.5).astype(ms.int32))")],
    "SearchSorted": [
        Case("ops.searchsorted(ms.Tensor([-1.0, 0.0, 2.0]), x)"),
        Case("ops.bucketize(x, [-0.5, 1.0], right=True)"),
    ],
    "AffineGrid": [
        Case("ops.affine_grid(x, (x.shape[0], 3, 4, 5), align_corners=True)", (3, 2, 3)),
        Case("ops.affine_grid(x, (x.shape[0], 3, 4, 1), align_corners=False)", (3, 2, 3)),
    ],
    "GatherNd": [
        Case("x[:, [2, 0], 1:3]"),
        Case("ops.gather_nd(x.reshape(-1), ms.Tensor([[0], [5]])) * x[:, :1, 0, :1].reshape(-1, 1)"),
    ],
    "TensorScatterUpdate": [
        Case("y = x * 1; y[:, 1:3] = 0; y"),
        Case("y = x * 1; y[:, 1:3, 2:6] = y[:, :2, 3:] * 2; y"),
        Case("y = x * 1; y[..., -1] = y[:, :1, :, 0]; y"),
        Case("y = x * 1; y[:, [0, 2]] = x.mean(); y"),
        Case("y = x.transpose(1, 2, 0, 3) * 1; y[:, ::2, :, 1] = 3; y"),
        Case("y = ops.zeros((x.shape[0], 6), ms.float32); y[:, 1:3] = x[:, :2, 0, 0]; y"),
        Case("ops.tensor_scatter_update(x, ms.Tensor([[0], [1]]), x[:2] * 2)", free_batch=False),
    ],
    "TensorCopySlices": [
        Case("y = x * 1; y[0, 1:3] = 2; y", free_batch=False),
        Case("y = x.transpose(1, 0, 2, 3) * 1; y[1:3] = 0; y"),
        Case("y = x.transpose(1, 0, 2, 3) * 1; y[1:3] = y[2:4] * 2; y"),
    ],
    "ScatterNd": [
        Case(
            "x[:, :, 0, :4] * ops.scatter_nd(ms.Tensor([[0], [1], [1]]), x[0, :3, 0, 0], (4,))",
            opsets=(16, 21),
        )
    ],
    "OneHot": [
        Case("ops.one_hot((ops.abs(x) * 2).astype(ms.int32), 5, ms.Tensor(2.0), ms.Tensor(-1.0))", (3, 4)),
    ],
    "OneHotExt": [
        Case("mint.nn.functional.one_hot((ops.abs(x) * 2).astype(ms.int64), 20)"),
        Case("mint.nn.functional.one_hot((ops.abs(x) * 2).astype(ms.int32), 20)"),
    ],
    "TopK": [Case("ops.topk(x, 3)"), Case("ops.topk(x, 2, 1)")],
    "Sort": [Case("ops.sort(x, 1)"), Case("ops.sort(x, -1, True)")],
    "CumSum": [Case("ops.cumsum(x, 1)"), Case("ops.CumSum(True, True)(x, -1)")],
    "ReverseV2": [Case("ops.flip(x, (1,))"), Case("ops.flip(x, (-1, 2))")],
    "Tril": [Case("ops.tril(x)"), Case("ops.tril(x, -1)")],
    "Triu": [Case("mint.triu(x, 1)")],
    # creation
    "BroadcastTo": [
        Case("ops.broadcast_to(x[:, :1], (-1, 4, -1, -1)) * 2"),
        Case("x[:, :1].broadcast_to((x.shape[0], 4, 7, 9)) * 2"),
        Case("ops.concat((x, ops.broadcast_to(x[:1, :1] * 0, (x.shape[0], 1, 7, 9))), 1)", free_batch=False),
    ],
    "Tile": [Case("ops.tile(x, (1, 2, 1, 3))"), Case("ops.repeat_interleave(x, 2, 1)")],
    "LinSpace": [Case("x + ops.linspace(ms.Tensor(0.0), ms.Tensor(1.0), 9)")],
    # patches
    "Im2Col": [Case("ops.unfold(x, 3)"), Case("ops.unfold(x, (2, 3), 1, 1, (2, 1))")],
    "DepthToSpace": [Case("ops.DepthToSpace(2)(x)", (3, 8, 2, 3))],
    "SpaceToDepth": [Case("ops.SpaceToDepth(2)(x)", (3, 3, 4, 6))],
    # matmul, more of it
    "BatchMatMulExt": [Case("mint.bmm(x, x.swapaxes(1, 2))", (3, 4, 7))],
    "Baddbmm": [Case("mint.baddbmm(x, x[:, :, :4], x, beta=0.5, alpha=2)", (3, 4, 7))],
    # convolution, more of it
    "Conv3D": [
        Case(
            "nn.Conv3d(3, 4, 3, pad_mode='pad', padding=(1, 1, 0, 1, 1, 0), has_bias=True)", (3, 3, 5, 6, 7)
        ),
        Case("nn.Conv3d(3, 4, 3, stride=2, pad_mode='same')", (3, 3, 5, 6, 7)),
        Case("nn.Conv3d(3, 4, (1, 2, 3), stride=2, pad_mode='valid')", (3, 3, 5, 6, 7)),
    ],
    "Conv2DTranspose": [
        Case("nn.Conv2dTranspose(4, 6, 3, stride=2, pad_mode='same', has_bias=True)"),
        Case("nn.Conv2dTranspose(4, 6, 3, stride=2, pad_mode='valid')"),
        Case("nn.Conv2dTranspose(4, 6, 3, stride=2, pad_mode='pad', padding=1, output_padding=1)"),
        Case(
            "nn.Conv2dTranspose(4, 4, (3, 2), stride=(2, 1), pad_mode='pad', padding=(1, 0, 1, 1), group=2)"
        ),
        Case("nn.Conv2dTranspose(4, 6, 3, pad_mode='valid', dilation=2)"),
    ],
    "Conv2DBackpropInput": [Case("nn.Conv1dTranspose(4, 6, 3, stride=2)", (3, 4, 9))],
    "Conv3DTranspose": [
        Case(
            "nn.Conv3dTranspose(4, 3, 3, stride=2, pad_mode='pad', padding=1, output_padding=1)",
            (3, 4, 3, 4, 5),
        ),
    ],
    # pooling, more of it
    "AdaptiveAvgPool3D": [
        Case("nn.AdaptiveAvgPool3d((2, 3, 4))", (3, 4, 8, 7, 6)),
        Case("nn.AdaptiveAvgPool3d((2, 3, 2))", (3, 4, 8, 6, 6)),
    ],
    "AdaptiveMaxPool2D": [
        Case("nn.AdaptiveMaxPool2d((3, 4))"),
        Case("nn.AdaptiveMaxPool2d(1)"),
        Case("nn.AdaptiveMaxPool2d((7, 3))"),
    ],
    "AdaptiveMaxPool3D": [Case("nn.AdaptiveMaxPool3d((2, 3, 4))", (3, 4, 8, 7, 6))],
    "MaxPool3D": [
        Case("nn.MaxPool3d(3, 2, pad_mode='same')", (3, 4, 5, 6, 7)),
        Case("nn.MaxPool3d(3, 2, pad_mode='pad', padding=1)", (3, 4, 5, 6, 7)),
        Case("nn.MaxPool3d((1, 2, 3), (1, 2, 2), pad_mode='valid')", (3, 4, 5, 6, 7)),
    ],
    # slicing, more of it
    "Unstack": [Case("ops.unstack(x, 1)"), Case("ops.unstack(x, -1)[2]")],
    "Slice": [Case("ops.slice(x, (0, 1, 2, 0), (-1, 2, 3, 9))")],
    "Meshgrid": [Case("x[:, :1] * ops.meshgrid(x[0, 0, 0], x[0, 0, :, 0])[0]")],
    # shape, more of it
    "Contiguous": [Case("x.permute(0, 2, 3, 1).contiguous()")],
    # recurrent
    "LSTM": [
        Case("nn.LSTM(3, 4, batch_first=True)", (3, 5, 3), 3e-6),
        Case("nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)", (3, 5, 3), 3e-6),
        Case("nn.LSTM(3, 4, batch_first=True, has_bias=False)", (3, 5, 3), 3e-6),
    ],
    # what `mint` and less common functions make
    "Addcdiv": [Case("ops.addcdiv(x, x, x * x + 1, 0.5)")],
    "Addcmul": [Case("ops.addcmul(x, x, ops.relu(x), 0.5)")],
    "ClampTensor": [Case("mint.clamp(x, x - 1, x[:, :1] + 1)")],
    "DivMod": [
        Case("mint.div(x, x * x + 1, rounding_mode='floor')"),
        Case("mint.div(x, x * x + 0.1, rounding_mode='trunc')"),
    ],
    "DivMods": [Case("mint.div(x, 0.3, rounding_mode='trunc')")],
    "DivNoNan": [Case("ops.DivNoNan()(x, ops.relu(x))")],
    "Eye": [Case("ops.eye(7, 9, ms.float32) * x")],
    "FillV2": [Case("ops.fill(ms.float32, (1, 9), x[0, 0, 0, 0]) * x")],
    "GLU": [Case("mint.nn.functional.glu(x, 1)")],
    "GridSampler2D": [
        Case(
            f"ops.grid_sample(x, x[:, :2].transpose(0, 2, 3, 1), {options})",
            tolerance=3e-6,
            opsets=(16, 20, 21),
        )
        for options in ("align_corners=True", "'nearest', 'border'", "'bilinear', 'reflection'")
    ],
    "GridSampler3D": [
        Case(
            "ops.grid_sample(x, x.transpose(0, 2, 3, 4, 1)[..., :1].tile((1, 1, 1, 1, 3)))",
            (3, 2, 3, 4, 5),
            3e-6,
            (20, 21),
        )
    ],
    "InplaceCopy": [Case("y = ops.abs(x); z = y * 2; y.copy_(x); y + z")],
    "InplaceFloorDivide": [Case("y = ops.relu(x); z = y * 2; y //= x; y + z")],
    "InplaceFloorDivides": [Case("y = ops.relu(x); z = y * 2; y //= 2; y + z")],
    # MindSpore's CPU kernel forgets to overwrite: only the result can be compared
    "InplaceMaskedFillTensor": [Case("y = ops.abs(x).masked_fill_(x > 0, ms.Tensor(2.0)); y + x")],
    "InplaceRemainderTensorScalar": [Case("y = ops.neg(x); y %= 2; y + x")],
    "IsClose": [Case("ops.isclose(x, ops.relu(x))"), Case("mint.isclose(x, x * 1.5, 0.1, 0.2)")],
    "Mod": [Case("ops.Mod()(x, ms.Tensor(0.3))", tolerance=3e-6)],
    "OnesLikeExt": [Case("mint.ones_like(x) + x")],
    "ZerosLikeExt": [Case("mint.zeros_like(x) + x")],
    "RealDiv": [Case("ops.RealDiv()(x, x * x + 1)")],
    "RemainderScalarTensor": [Case("mint.remainder(2.0, x * x + 1)")],
    "RemainderTensorTensor": [Case("mint.remainder(x, x * x + 1)")],
    "Scatter": [
        Case(
            "i = (ops.abs(x) * 0).astype(ms.int64); mint.scatter(x, 1, i + ops.arange(4).reshape(4, 1, 1), x)"
        )
    ],
    "TensorScatterElements": [
        Case("ops.tensor_scatter_elements(x, (ops.abs(x[:, :1]) * 0).astype(ms.int32), x[:, 1:2], 1)")
    ],
    "SelectExtView": [Case("mint.select(x, 1, 2) * 2")],
    "TensorShape": [Case("(ops.TensorShape()(x), x)", free_batch=False)],
    "TransposeExtView": [Case("mint.transpose(x, 1, 2) * 2")],
    "UnstackExtView": [Case("mint.unbind(x, 1)[2] * 2")],
    "UpsampleNearest1D": [Case("mint.nn.functional.interpolate(x, size=12, mode='nearest')", (3, 4, 9))],
    "UpsampleNearest3D": [
        Case("mint.nn.functional.interpolate(x, size=(6, 8, 11), mode='nearest')", (3, 4, 3, 4, 5))
    ],
    "Atan2": [
        Case("ops.atan2(x, x[:, ::-1])"),
        Case("ops.atan2(ops.round(x), ops.abs(ops.round(x[:, ::-1])) + 0)"),
    ],
    "Sinc": [Case("mint.sinc(ops.round(x * 4) / 4)")],
    "Xlogy": [Case("mint.xlogy(ops.relu(x), x * x)")],
    # cumulative
    "CumProd": [
        Case("ops.cumprod(x, 1)"),
        Case("ops.CumProd(exclusive=True, reverse=True)(x, -1)"),
        Case("ops.CumProd(reverse=True)(x, 2)"),
        Case("ops.cumprod(x, 0)", free_batch=False),
    ],
    "Cummax": [
        Case("ops.cummax(x, 1)"),
        Case("ops.cummax(ops.round(x), -1)"),
        Case("ops.cummax(ops.round(x * 3).astype(ms.int32), 2)", opsets=(12, 17, 21)),
    ],
    "Cummin": [
        Case("ops.cummin(x, 0)", free_batch=False),
        Case("ops.cummin(ops.round(x), 0)", (7, 3), free_batch=False),
    ],
    # diagonal
    "Diag": [Case("ops.diag(x)", (4,), free_batch=False)],
    "Diagonal": [
        Case("ops.diagonal(x, 0, 2, 3)"),
        Case("ops.diagonal(x, 2, 3, 1)"),
        Case("ops.diagonal(x, -1, 1, 2)"),
    ],
    "Trace": [Case("ops.trace(x) * x", (4, 6), free_batch=False)],
    # scatter
    "TensorScatterAdd": [
        Case(
            "ops.tensor_scatter_add(x, ms.Tensor([[0], [1], [1]]), x * 2)",
            opsets=(16, 18, 21),
            free_batch=False,
        )
    ],
    "ScatterValue": [
        Case("mint.scatter(x, 1, (ops.abs(x) * 0).astype(ms.int64), 2.0)"),
        Case("mint.scatter(x, 2, ms.Tensor([[[[0, 3]]]]), 2.0)", (1, 4, 7, 9), free_batch=False),
    ],
    "IndexFill": [
        Case("ops.index_fill(x, 1, ms.Tensor([0, 2], ms.int32), 3.0)"),
        Case("ops.index_fill(x, 3, ms.Tensor(4, ms.int32), -1.0)"),
    ],
    # patches and channels
    "Col2Im": [
        Case("ops.fold(x, ms.Tensor([6, 7], ms.int32), [3, 3], [1, 1], [0, 0], [1, 1])", (3, 4, 9, 20)),
        Case("ops.fold(x, ms.Tensor([6, 8], ms.int32), [2, 3], [1, 1], [1, 0], [2, 3])", (3, 2, 6, 8)),
        Case("ops.fold(x, ms.Tensor([6, 7], ms.int32), [3, 2], [2, 1], [1, 0], [1, 2])", (3, 2, 6, 12)),
    ],
    "ChannelShuffle": [Case("ops.channel_shuffle(x, 2)")],
    "ResizeLinear1D": [
        Case("ops.interpolate(x, size=12, mode='linear')", (3, 4, 9), 3e-6),
        Case("ops.interpolate(x, size=5, mode='linear', align_corners=True)", (3, 4, 9), 3e-6),
    ],
    # whole numbers
    **{
        f"Bitwise{name}": [
            Case(
                f"ops.bitwise_{name.lower()}((x * 9).astype(ms.int32), (x * 5).astype(ms.int32))",
                opsets=(18, 21),
            ),
            Case(
                f"ops.bitwise_{name.lower()}((x * 9).astype(ms.int8), (x * 5).astype(ms.int8))",
                opsets=(18, 21),
            ),
        ]
        for name in ("And", "Or", "Xor")
    },
    # products and distances
    "Cross": [
        Case("ops.cross(x, x * x, 1)", (2, 3, 4)),
        Case("mint.cross(x, x * x[:, :1], 1)", (2, 3, 4)),
        Case("ops.cross(x, x[::-1])", (4, 3), free_batch=False),
    ],
    "Cdist": [
        Case("ops.cdist(x, x[:, 1:] * 2, 2.0)", (3, 5, 4)),
        Case("ops.cdist(x, x[:, 1:] * 2, 1.0)", (3, 5, 4)),
        Case("ops.cdist(x, x[:, 1:] * 2, 3.0)", (3, 5, 4), 3e-6),
        Case("ops.cdist(x, x[:, 1:] * 2, float('inf'))", (3, 5, 4)),
    ],
    "MatrixDeterminant": [Case("ops.det(x)", (3, 4, 4), 3e-6)],
    # views and creation
    "ViewAs": [Case("x.view_as(ops.ones((x.shape[0], 28, 9))) * 2")],
    "SplitTensorView": [Case("mint.split(x, 2, 1)[1] * 2"), Case("mint.split(x, 3, 1)[1] * 2")],
    "MaskedFillScalar": [Case("x.masked_fill(x > 0, 1.0)")],
    "Ones": [Case("mint.nn.functional.embedding(ops.abs(x).astype(ms.int64), mint.ones((10, 4)))", (3, 5))],
    "Zeros": [Case("mint.nn.functional.embedding(ops.abs(x).astype(ms.int64), mint.zeros((10, 4)))", (3, 5))],
    "DiagonalView": [Case("ops.auto_generate.diagonal_view_op(x, 0, 1, 2) * 2")],
    "SliceExtView": [Case("ops.auto_generate.slice_ext_view_op(x, 1, 0, 3, 2) * 2")],
    "FillScalar": [Case("mint.full((7, 9), 2.5) + x")],
    "NewZeros": [Case("x.new_zeros((7, 9)) + x")],
    "NewOnes": [Case("x.new_ones((7, 9)) + x")],
    "Embedding": [
        Case("mint.nn.Embedding(10, 4); layer(ops.abs(x).astype(ms.int64))", (3, 5)),
        Case("mint.nn.functional.embedding(ops.abs(x).astype(ms.int32), ops.eye(10, 4))", (3, 5)),
    ],
    "Logit": [
        Case("ops.logit(ops.sigmoid(x), 0.2)", tolerance=3e-6),
        Case("ops.logit(ops.sigmoid(x))", tolerance=3e-6),
    ],
}

# layers that MindSpore takes apart into the primitives above; 2e-4 is what its own Tanh is off by
LAYERS = [
    Case("nn.GRU(3, 4, batch_first=True)", (3, 5, 3), 2e-4),
    Case("nn.GRU(3, 4, num_layers=2, batch_first=True, bidirectional=True)", (3, 5, 3), 2e-4),
    Case(
        "nn.GRU(3, 4, has_bias=False, batch_first=True); layer(x, ops.ones((1, x.shape[0], 4)))",
        (3, 5, 3),
        2e-4,
    ),
    Case("nn.RNN(3, 4, batch_first=True)", (3, 5, 3), 2e-4),
    Case(
        "nn.RNN(3, 4, num_layers=2, nonlinearity='relu', batch_first=True, bidirectional=True)",
        (3, 5, 3),
        2e-4,
    ),
    Case(
        "nn.LSTM(3, 4, batch_first=True); layer(x, seq_length=ms.Tensor([2, 5], ms.int32))",
        (2, 5, 3),
        3e-6,
        free_batch=False,
    ),
    Case("nn.GRUCell(3, 4); layer(x, x[:, :1] + ops.zeros((x.shape[0], 4)))", (3, 3), 2e-4),
    Case("nn.RNNCell(3, 4); layer(x, x[:, :1] + ops.zeros((x.shape[0], 4)))", (3, 3), 2e-4),
    Case("nn.LSTMCell(3, 4); h = x[:, :1] + ops.zeros((x.shape[0], 4)); layer(x, (h, h * 2))", (3, 3), 2e-4),
    Case("nn.MultiheadAttention(8, 2, batch_first=True); layer(x, x, x)", (3, 5, 8), 3e-6),
    Case("nn.TransformerEncoderLayer(8, 2, 16, batch_first=True); layer(x)", (3, 5, 8), 1e-5),
    Case("nn.TransformerDecoderLayer(8, 2, 16, batch_first=True); layer(x, x * 2)", (3, 5, 8), 1e-5),
]
