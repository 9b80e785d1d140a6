"""What is trained with: the loss and the optimizer of the published recipes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Cross entropy with label smoothing, SGD with momentum and weight decay on every parameter.

    Source: label smoothing, momentum and weight decay are MindCV's for its ResNets and Res2Nets
    (configs/resnet/resnet_50_ascend.yaml). The learning rate is not: theirs, 0.1, is for a batch of
    hundreds. At the few images of a check it makes any network chaotic: after two steps float32 runs
    that differ by one rounding are as far from each other as from the start, and nothing is compared.
    So the rate, unless it is given, is such that the first gradient would move all weights together
    by `first_step` of their norm: small enough for that, and large against the rounding of a weight.
    """

    label_smoothing: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    learning_rate: float = 0.0
    first_step: float = 1e-5
