"""Layers that normalise: over a batch, over the features of one example, over groups of channels."""

from __future__ import annotations

from typing import Any

from .fault import Fault, Leaves, changed, other_epsilon, rolled, swapped
from .kind import Kind, Leaf, Summed

# PyTorch's count of training batches: int64, no shape, without a counterpart elsewhere.
COUNTER_LEAF = "num_batches_tracked"

_SCALE = Leaf("weight", "scale", "gamma", fresh=1.0)
_SHIFT = Leaf("bias", "shift", "beta", fresh=0.0)
_STATISTICS = (
    Leaf("running_mean", "shift", "moving_mean", fresh=0.0, statistic=True),
    Leaf("running_var", "variance", "moving_variance", fresh=1.0, statistic=True),
    Leaf(COUNTER_LEAF, "count", fresh=0.0, optional=True, statistic=True),
)


def _trained(norm: Any) -> bool:
    return norm.weight is not None


def _turned(axis: int) -> Summed:
    """The sum over an axis that the scale, the shift and the output have too."""
    return Summed(axis, {"weight": 0 if axis > 0 else axis, "bias": 0 if axis > 0 else axis}, axis)


def _left_fresh(leaves: Leaves) -> None:
    leaves["running_mean"][...] = 0
    leaves["running_var"][...] = 1


def _other_groups(count: int) -> int:
    return count // 2 if count % 2 == 0 else 1


_AFFINE = (
    Fault("gamma and beta swapped", swapped("weight", "bias"), where=_trained),
    Fault("gamma left at one", changed("weight", lambda weight: 0 * weight + 1), where=_trained),
    Fault("beta left at zero", changed("bias", lambda bias: 0 * bias), where=_trained),
)
_OF_EXAMPLES = (
    # 1e-5 in one definition, 1e-6 in the other
    Fault("a tenth of epsilon", attributes={"eps": lambda eps: eps / 10}),
    Fault("left out", instead="identity"),
)
_MINDSPORE_BATCH_NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")

KINDS = (
    Kind(
        "norm",
        "BatchNorm",
        torch=tuple(f"torch.nn.{name}" for name in _MINDSPORE_BATCH_NORMS),
        mindspore=(
            *(f"mindspore.nn.{name}" for name in _MINDSPORE_BATCH_NORMS),
            *(f"mindspore.mint.nn.{name}" for name in _MINDSPORE_BATCH_NORMS),
        ),
        onnx=("BatchNormalization",),
        leaves=(_SCALE, _SHIFT, *_STATISTICS),
        faults=(
            Fault("eps 1e-5 and 1e-3", attributes={"eps": other_epsilon}),
            Fault("gamma and beta swapped", swapped("weight", "bias")),
            Fault("mean and variance swapped", swapped("running_mean", "running_var")),
            Fault("gamma and variance swapped", swapped("weight", "running_var")),
            Fault("beta and mean swapped", swapped("bias", "running_mean")),
            Fault("standard deviation for variance", changed("running_var", lambda var: var**0.5)),
            Fault("variance for standard deviation", changed("running_var", lambda var: var**2)),
            Fault("unbiased variance (n = 49)", changed("running_var", lambda var: var * (49 / 48))),
            Fault("left in training mode", attributes={"training": lambda _: True}),
            Fault("gamma left at one", changed("weight", lambda weight: 0 * weight + 1)),
            Fault("beta left at zero", changed("bias", lambda bias: 0 * bias)),
            Fault("statistics left at 0 and 1", _left_fresh),
            Fault("left out", instead="identity"),
        ),
    ),
    Kind(
        "layer_norm",
        "LayerNorm",
        torch=("torch.nn.LayerNorm",),
        mindspore=("mindspore.nn.LayerNorm", "mindspore.nn.LayerNormExt", "mindspore.mint.nn.LayerNorm"),
        onnx=("LayerNormalization",),
        leaves=(_SCALE, _SHIFT),
        summed=_turned(-1),
        faults=(
            *_OF_EXAMPLES,
            *_AFFINE,
            Fault("gamma permuted", changed("weight", lambda weight: rolled(weight, -1)), where=_trained),
        ),
    ),
    Kind(
        "rms_norm",
        "RMSNorm",
        torch=("torch.nn.RMSNorm",),
        onnx=("RMSNormalization",),
        leaves=(_SCALE,),
        summed=Summed(-1, {"weight": -1}, -1),
        faults=(
            Fault("epsilon 1e-3", attributes={"eps": lambda _: 1e-3}),
            Fault("gamma left at one", changed("weight", lambda weight: 0 * weight + 1), where=_trained),
            Fault("left out", instead="identity"),
        ),
    ),
    Kind(
        "group_norm",
        "GroupNorm",
        torch=("torch.nn.GroupNorm",),
        mindspore=("mindspore.nn.GroupNorm", "mindspore.mint.nn.GroupNorm"),
        onnx=("GroupNormalization",),
        leaves=(_SCALE, _SHIFT),
        summed=_turned(1),
        faults=(
            *_OF_EXAMPLES,
            *_AFFINE,
            Fault(
                "another number of groups",
                attributes={"num_groups": _other_groups},
                where=lambda norm: norm.num_groups > 1,
            ),
        ),
    ),
    Kind(
        "instance_norm",
        "InstanceNorm",
        torch=tuple(f"torch.nn.InstanceNorm{n}d" for n in (1, 2, 3)),
        mindspore=tuple(f"mindspore.nn.InstanceNorm{n}d" for n in (1, 2, 3)),
        onnx=("InstanceNormalization",),
        leaves=(_SCALE, _SHIFT, *_STATISTICS),
        summed=Summed(-1, output=-1),
        faults=(*_OF_EXAMPLES, *_AFFINE),
    ),
    Kind(
        "response_norm",
        "LocalResponseNorm",
        torch=("torch.nn.LocalResponseNorm",),
        mindspore=("mindspore.nn.LRN",),
        onnx=("LRN",),
        faults=(
            # PyTorch divides alpha by the number of channels; MindSpore does not
            Fault("alpha not divided by the size", attributes={"alpha": lambda alpha: alpha * 5}),
            Fault("left out", instead="identity"),
        ),
    ),
)
