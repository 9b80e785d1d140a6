"""Cases that MindSpore exports here but has no CPU kernel for: MindIR primitive -> expressions.

See `mindir_cases` for how they are written.
"""

from __future__ import annotations

from tests.mindir.mindir_cases import Case

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
    "AcosExt": [Case("mint.acos(x)")],
    "AcoshExt": [Case("mint.acosh(x)")],
    "AsinExt": [Case("mint.asin(x)")],
    "AsinhExt": [Case("mint.asinh(x)")],
    "AtanExt": [Case("mint.atan(x)")],
    "Addmm": [Case("mint.addmm(x, x, x, beta=0.5)", (9, 9), free_batch=False)],
    "AvgPool1D": [Case("mint.nn.functional.avg_pool1d(x, 3, 2, 1)", (3, 4, 9))],
    "BroadcastToView": [Case("mint.broadcast_to(x[:, :1], (x.shape[0], 4, 7, 9))")],
    "Conv1DExt": [Case("mint.nn.Conv1d(4, 3, 3, stride=2)", (3, 4, 9))],
    "Conv2DExt": [Case("mint.nn.Conv2d(4, 3, 3, stride=2, padding=1)")],
    "Conv3DExt": [Case("mint.nn.Conv3d(4, 3, 3, stride=2, padding=1)", (3, 4, 5, 6, 7))],
    "ConvTranspose2D": [Case("mint.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1)")],
    "Convolution": [Case("mint.nn.Conv2d(4, 3, 3, padding='same')")],
    "CumsumExt": [Case("mint.cumsum(x, 1)")],
    "Einsum": [Case("ops.einsum('nchw,nkhw->nck', x, x)", opsets=(12, 17, 21))],
    "EluExt": [Case("mint.nn.functional.elu(x)")],
    "ExtractImagePatches": [
        Case("nn.Unfold([1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], 'valid')"),
        Case("nn.Unfold([1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], 'same')"),
    ],
    "FloorDivScalar": [Case("mint.floor_divide(x, 2)")],
    "GeluExt": [Case("mint.nn.GELU()"), Case("mint.nn.functional.gelu(x, approximate='tanh')")],
    "Im2ColExt": [Case("mint.nn.functional.unfold(x, 3)")],
    "IndexSelect": [Case("mint.index_select(x, 1, ms.Tensor([2, 0]))")],
    "InstanceNorm": [Case("nn.InstanceNorm2d(4)")],
    "LayerNormExt": [Case("mint.nn.LayerNorm((9,))")],
    "LeakyReLUExt": [Case("mint.nn.functional.leaky_relu(x, 0.1)")],
    "LinSpaceExt": [Case("x + mint.linspace(0, 1, 9)")],
    "LinalgVectorNorm": [Case("mint.nn.functional.normalize(x)")],
    "LogSumExp": [Case("mint.logsumexp(x, 1)")],
    "MishExt": [Case("mint.nn.functional.mish(x)")],
    "Repeat": [Case("x.repeat(1, 2, 1, 1)")],
    "RepeatInterleaveInt": [Case("mint.repeat_interleave(x, 2, 1)")],
    "Roll": [Case("ops.roll(x, (1, -2), (2, 3))")],
    "StackExt": [Case("mint.stack((x, x), 1)")],
    "Std": [Case("mint.std(x, dim=1)"), Case("mint.std(x, dim=(1, 2), correction=0, keepdim=True)")],
    "Var": [Case("mint.var(x, dim=1)")],
    "TopkExt": [Case("mint.topk(x, 2, 1)")],
    "UpsampleBicubic2D": [
        Case("mint.nn.functional.interpolate(x, size=(9, 9), mode='bicubic', align_corners=True)")
    ],
    "UpsampleBilinear2D": [
        Case("mint.nn.functional.interpolate(x, size=(14, 18), mode='bilinear', align_corners=False)")
    ],
    "AdaptiveAvgPool1D": [Case("mint.nn.AdaptiveAvgPool1d(4)", (3, 4, 9))],
    "AdaptiveAvgPool3DExt": [Case("mint.nn.AdaptiveAvgPool3d((2, 3, 4))", (3, 4, 8, 7, 6))],
    "AdaptiveMaxPool1D": [Case("mint.nn.AdaptiveMaxPool1d(4)", (3, 4, 9))],
    "AddcdivExt": [Case("mint.addcdiv(x, x, x * x + 1, value=0.5)")],
    "AddcmulExt": [Case("mint.addcmul(x, x, x, value=0.5)")],
    "Addmv": [Case("mint.addmv(x[0], x, x[1])", (4, 4), free_batch=False)],
    "ArgMinExt": [Case("mint.argmin(x, 1)")],
    "BatchNormExt": [
        Case("mint.nn.functional.batch_norm(x, ops.zeros(4), ops.ones(4), None, None, False)"),
    ],
    "Clone": [Case("x.clone() * 2")],
    "Exp2": [Case("mint.exp2(x)")],
    "FmodScalar": [Case("mint.fmod(x, 0.3)")],
    "FmodTensor": [Case("mint.fmod(x, x * x + 1)")],
    "FullLike": [Case("mint.full_like(x, 2) + x")],
    "Hardtanh": [Case("mint.nn.functional.hardtanh(x)")],
    "InplaceClampScalar": [Case("y = ops.abs(x); y.clamp_(0.1, 1); y + x")],
    "InplaceElu": [Case("y = ops.relu(x); mint.nn.functional.elu_(y); y + 1")],
    "InplaceExp": [Case("y = ops.relu(x); y.exp_(); y + 1")],
    "InplaceFillScalar": [Case("y = ops.relu(x); y.fill_(3); y + x")],
    "InplaceLog": [Case("y = ops.abs(x); y.log_(); y + x")],
    "InplaceMaskedFillScalar": [Case("y = ops.abs(x); y.masked_fill_(x > 0, 2.0); y + x")],
    "InplaceReLU": [Case("y = ops.neg(x); mint.nn.functional.relu_(y); y + 1")],
    "InplaceSiLU": [Case("y = ops.neg(x); mint.nn.functional.silu(y, inplace=True); y + x")],
    "InplaceSigmoid": [Case("y = ops.neg(x); y.sigmoid_(); y + x")],
    "InplaceSign": [Case("y = ops.neg(x); y.sign_(); y + x")],
    "InplaceTanh": [Case("y = ops.neg(x); y.tanh_(); y + x")],
    "InplaceThreshold": [Case("y = ops.neg(x); mint.nn.functional.threshold_(y, 0.1, 3); y + x")],
    "InplaceZero": [Case("y = ops.neg(x); y.zero_(); y + x")],
    "Log10": [Case("mint.log10(ops.abs(x))")],
    "Log2": [Case("mint.log2(ops.abs(x))")],
    "LogSigmoid": [Case("mint.nn.functional.logsigmoid(x)")],
    "Mm": [Case("mint.mm(x, x)", (4, 4), free_batch=False)],
    "RmsNorm": [Case("ops.rms_norm(x, ops.ones(9), 1e-6)[0]")],
    "SeLUExt": [Case("mint.nn.functional.selu(x)")],
    "SortExt": [Case("mint.sort(x, dim=1)")],
    "StdMean": [Case("mint.std_mean(x, 1)")],
    "VarMean": [Case("mint.var_mean(x, 1)")],
    "Threshold": [Case("mint.nn.functional.threshold(x, 0.1, 2)")],
    "TrilExt": [Case("mint.tril(x)")],
    "UpsampleLinear1D": [Case("mint.nn.functional.interpolate(x, size=12, mode='linear')", (3, 4, 9))],
    "UpsampleTrilinear3D": [
        Case("mint.nn.functional.interpolate(x, size=(6, 8, 10), mode='trilinear')", (3, 4, 3, 4, 5))
    ],
    "UpsampleNearest2D": [Case("mint.nn.functional.interpolate(x, scale_factor=2.0, mode='nearest')")],
    "Atan2Ext": [Case("mint.atan2(x, x + 3)")],
    "Dot": [Case("x * mint.dot(x[0, 0, 0], x[0, 0, 0])")],
    "Frac": [Case("mint.frac(x)")],
    "LogAddExp": [Case("mint.logaddexp(x, x * 2)")],
    "Narrow": [Case("mint.diff(x, dim=1)")],
    "Outer": [Case("mint.outer(x, x + 1)", (9,), free_batch=False)],
    "ReflectionPad1D": [Case("mint.nn.functional.pad(x, (1, 2), mode='reflect')", (3, 4, 9))],
    "ReflectionPad2D": [Case("mint.nn.functional.pad(x, (1, 2, 0, 1), mode='reflect')")],
    "ReflectionPad3D": [
        Case("mint.nn.functional.pad(x, (1, 2, 0, 1, 1, 1), mode='reflect')", (3, 4, 5, 6, 7))
    ],
    "ReplicationPad1D": [Case("mint.nn.functional.pad(x, (1, 2), mode='replicate')", (3, 4, 9))],
    "ReplicationPad2D": [Case("mint.nn.functional.pad(x, (1, 2, 0, 1), mode='replicate')")],
    "ReplicationPad3D": [
        Case("mint.nn.functional.pad(x, (1, 2, 0, 1, 1, 1), mode='replicate')", (3, 4, 5, 6, 7))
    ],
    "AvgPool3DExt": [
        Case("mint.nn.AvgPool3d(3, 2, 1)", (3, 4, 5, 6, 7)),
        Case(
            "mint.nn.functional.avg_pool3d(x, 3, 2, 1, ceil_mode=True, divisor_override=4)", (3, 4, 5, 6, 7)
        ),
    ],
    "Col2ImExt": [Case("mint.nn.functional.fold(x, (6, 7), 3)", (3, 36, 20), expected="fold(x, 6, 7, 3)")],
    "DiagExt": [
        Case("mint.diag(x, 1)", (4, 5), free_batch=False, expected="np.diag(x, 1)"),
        Case("mint.diag(x, -2)", (4,), free_batch=False, expected="np.diag(x, -2)"),
    ],
    "IndexAddExt": [
        Case(
            "mint.index_add(x, 1, ms.Tensor([0, 2, 2], ms.int32), x[:, :3], alpha=2)",
            opsets=(16, 18, 21),
            expected="x + 2 * np.stack([x[:, 0], 0 * x[:, 0], x[:, 1] + x[:, 2], 0 * x[:, 0]], 1)",
        )
    ],
    "TraceExt": [Case("mint.trace(x) * x", (4, 6), free_batch=False, expected="np.trace(x) * x")],
    "ScatterAddExt": [
        Case(
            "mint.scatter_add(x, 1, (ops.abs(x) * 0).astype(ms.int64), x)",
            opsets=(16, 18, 21),
            expected="x + x.sum(1, keepdims=True) * np.array([1, 0, 0, 0], np.float32).reshape(4, 1, 1)",
        )
    ],
    "SliceExt": [Case("ops.auto_generate.slice_ext_op(x, 1, 0, 3, 2)", expected="x[:, 0:3:2]")],
    "CumminExt": [Case("mint.cummin(x, 1)", expected="np.minimum.accumulate(x, 1)")],
    "InplaceIndexAddExt": [
        Case(
            "y = ops.abs(x); y.index_add_(1, ms.Tensor([3], ms.int32), x[:, :1]); y + x",
            opsets=(16, 18, 21),
            expected="np.abs(x) + x + x[:, :1] * np.array([0, 0, 0, 1], np.float32).reshape(4, 1, 1)",
        )
    ],
    "NewFull": [Case("x.new_full((7, 9), 2.5) + x", expected="x + 2.5")],
    "ArgSort": [
        Case("mint.argsort(x)", expected="np.argsort(x)"),
        Case("mint.argsort(x, 1, True)", expected="np.argsort(-x, 1)"),
    ],
    **{
        f"Bitwise{name}{kind}": [
            Case(
                f"mint.bitwise_{name.lower()}((x * 9).astype(ms.int32), {other})",
                opsets=(18, 21),
                expected=f"np.bitwise_{name.lower()}((x * 9).astype(np.int32), {other})".replace(
                    "ms.", "np."
                ),
            )
        ]
        for name in ("And", "Or", "Xor")
        for kind, other in (("Scalar", "5"), ("Tensor", "(x * 5).astype(ms.int32)"))
    },
    "BitwiseNot": [
        Case(
            "mint.bitwise_not((x * 9).astype(ms.int32))",
            opsets=(18, 21),
            expected="~(x * 9).astype(np.int32)",
        )
    ],
    "XLogYScalarOther": [Case("mint.xlogy(x * x, 2.0)", expected="x * x * np.log(2)")],
    "XLogYScalarSelf": [Case("mint.xlogy(2.0, x * x)", expected="2 * np.log(x * x)")],
    "LogAddExp2": [Case("mint.logaddexp2(x, x * 2)", expected="np.logaddexp2(x, x * 2)")],
    "IsNegInf": [Case("mint.isneginf(x)", expected="np.isneginf(x)")],
    "CountNonZero": [
        Case("mint.count_nonzero(ops.relu(x), 1)", expected="np.count_nonzero(np.maximum(x, 0), 1)")
    ],
    "Mv": [Case("mint.mv(x, x[0])", (4, 4), free_batch=False, expected="x @ x[0]")],
    "Nansum": [Case("mint.nansum(ops.log(x), 1)", expected="np.nansum(np.log(x), 1)")],
    "TExt": [Case("mint.t(x)", (4, 5), free_batch=False, expected="x.T")],
    "Kthvalue": [
        Case("mint.kthvalue(x, 2, 1)", expected="np.sort(x, 1)[:, 1], np.argsort(x, 1)[:, 1]"),
        Case("mint.kthvalue(x, 2, 1, True)", expected="np.sort(x, 1)[:, 1:2], np.argsort(x, 1)[:, 1:2]"),
    ],
    "MedianDim": [Case("mint.median(x, 1)", expected="np.sort(x, 1)[:, 1], np.argsort(x, 1)[:, 1]")],
    "MedianExt": [
        Case("mint.median(x) + x", free_batch=False, expected="np.sort(x.ravel())[(x.size + 1) // 2 - 1] + x")
    ],
    "InplaceHardtanh": [
        Case("y = ops.neg(x); mint.nn.functional.hardtanh_(y); y + x", expected="np.clip(-x, -1, 1) + x")
    ],
    "Take": [Case("mint.take(x, ms.Tensor([0, 5]))", free_batch=False, expected="np.take(x, [0, 5])")],
    "Addbmm": [
        Case(
            "mint.addbmm(x[0], x, x.swapaxes(1, 2), beta=0.5)",
            (4, 4, 4),
            expected="0.5 * x[0] + (x @ x.transpose(0, 2, 1)).sum(0)",
        )
    ],
    "RepeatInterleaveTensor": [
        Case(
            "mint.repeat_interleave(x, ms.Tensor([1, 2, 0, 1]), 1)", expected="np.repeat(x, [1, 2, 0, 1], 1)"
        )
    ],
    "MaxPoolWithIndices": [Case("mint.nn.functional.max_pool2d(x, 2, return_indices=True)[0]")],
}
