"""Faults within a layer: of every kind of the table, of convolutions, of activations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.faults.candidate import Candidate, Named, fault, middle, on_output
from benchmarks.faults.same_padding import SamePadded
from benchmarks.layer_faults import instead, put_into
from triport.parity.calls import CallStep
from triport.reference_models.kinds import KINDS, Kind
from triport.reference_models.kinds.fault import Fault


def on_kind(kind: Kind, one: Fault) -> None:
    """Add a fault of the table of kinds: of the layer in the middle of those that fit, in one call."""

    @fault(f"{kind.title}: {one.name}")
    def make(candidate: Candidate) -> Named:
        step = middle(candidate.of_kind(kind, where=one.fits))
        if step is None:
            return None
        put_into(replace(one, instead=""), candidate.module(step.path))
        if one.instead:
            on_output(step.path, step.number, instead(one))(candidate)
        return {step.name}


# what registered models are made of; tests/parity/test_layer_faults.py has small networks of the others
for _name in ("norm", "conv", "relu", "relu6", "sigmoid"):
    for _fault in KINDS[_name].faults:
        on_kind(KINDS[_name], _fault)


def on_conv(
    name: str, change: Callable[[Any], Any], where: Callable[[Any], bool] = lambda conv: True
) -> None:
    """Add a fault of the convolution in the middle of those that fit."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        step = middle(candidate.of(nn.Conv2d, where=where))
        if step is None:
            return None
        with torch.no_grad():
            found = change(candidate.module(step.path))
        if isinstance(found, nn.Module):
            candidate.replace(step.path, found)
        return {step.path}


def wide(conv: Any) -> bool:
    """Whether the kernel is larger than one pixel, and square."""
    return conv.kernel_size[0] == conv.kernel_size[1] > 1


def _weight(change: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda conv: conv.weight.copy_(change(conv.weight.clone()))


class _Half(nn.Module):
    """Computes a layer in another precision."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.dtype = layer.to(dtype), dtype

    def forward(self, x: Any) -> Any:
        return self.layer(x.to(self.dtype)).float()


def _tf32(tensor: Any) -> Any:
    """Round to ten bits of mantissa."""
    return (tensor.view(torch.int32) + 0x1000 & ~0x1FFF).view(torch.float32)


def _in_two_groups(conv: Any) -> None:
    half = conv.in_channels // 2
    conv.groups, conv.weight = 2, nn.Parameter(conv.weight[:, :half].clone())


def plain(conv: Any) -> bool:
    """Whether the convolution has one group and an even number of channels."""
    return conv.groups == 1 and conv.in_channels % 2 == 0 and conv.out_channels % 2 == 0


def padded(conv: Any) -> bool:
    """Whether it pads by itself, with zeros, a square kernel."""
    return wide(conv) and conv.padding not in ((0, 0), "same") and type(conv) is nn.Conv2d


on_conv("conv: weights rounded to bfloat16", _weight(lambda w: w.bfloat16().float()))
on_conv("conv: computed in bfloat16", lambda conv: _Half(conv, torch.bfloat16))
on_conv("conv: weights rounded to TF32", _weight(_tf32))
on_conv("conv: groups 2 for 1", _in_two_groups, plain)
on_conv(
    "conv: padding same for symmetric",
    SamePadded,
    lambda conv: padded(conv) and conv.stride[0] == 2,
)


def _reflecting(conv: Any) -> Any:
    other = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
        conv.groups, bias=conv.bias is not None, padding_mode="reflect",
    )  # fmt: skip
    other.load_state_dict(conv.state_dict())
    return other.eval()


def _with_bias(conv: Any) -> None:
    conv.bias = nn.Parameter(torch.full((conv.out_channels,), 0.1, device=conv.weight.device))


on_conv("conv: padding reflects", _reflecting, padded)
on_conv("conv: a bias that is not there", _with_bias, lambda conv: conv.bias is None)


def _twins(candidate: Candidate, kind: type) -> tuple[CallStep, CallStep] | None:
    """Return two layers of one kind and shape, from the middle, in order."""
    groups = defaultdict(list)
    for step in candidate.of(kind):
        groups[candidate.module(step.path).weight.shape].append(step)
    steps = max(groups.values(), key=len)
    return (steps[len(steps) // 2 - 1], steps[len(steps) // 2]) if len(steps) > 1 else None


@fault("conv: two layers' weights exchanged")
def _(candidate: Candidate) -> Named:
    pair = _twins(candidate, nn.Conv2d)
    if pair is None:
        return None
    first, second = (candidate.module(step.path) for step in pair)
    first.weight, second.weight = second.weight, first.weight
    return {pair[0].path}


@fault("BatchNorm: two layers exchanged")
def _(candidate: Candidate) -> Named:
    pair = _twins(candidate, nn.BatchNorm2d)
    if pair is None:
        return None
    first, second = (candidate.module(step.path) for step in pair)
    candidate.replace(pair[0].path, second)
    candidate.replace(pair[1].path, first)
    return {pair[0].path}


@fault("conv: stride on the other convolution")
def _(candidate: Candidate) -> Named:
    convs = candidate.of(nn.Conv2d)
    strided = [
        step for step in convs if candidate.module(step.path).stride == (2, 2) and "down" not in step.path
    ]
    for step in reversed(strided):
        at = convs.index(step)
        block = step.path.rpartition(".")[0]
        for other in (convs[at - 1], *convs[at + 1 : at + 2]):
            here = candidate.module(other.path)
            if at and other.path.startswith(block.rpartition(".")[0]) and here.stride == (1, 1):
                here.stride, candidate.module(step.path).stride = (2, 2), (1, 1)
                return {step.path, other.path}
    return None


def on_activation(name: str, change: Callable[[Any, Any], Any], *kinds: type, over_six: bool = False) -> None:
    """Add a fault of one call of the activation in the middle; `over_six`: of one that gets there."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        steps = candidate.of(*kinds)
        if over_six:
            steps = [
                step for step in steps if candidate.largest(step.name) > (6 if nn.ReLU in kinds else 5.99)
            ]
        step = middle(steps)
        if step is None:
            return None
        on_output(step.path, step.number, change)(candidate)
        return {step.name}


on_activation("activation: ReLU6 for ReLU", lambda x, y: y.clamp(max=6), nn.ReLU, over_six=True)
on_activation("activation: ReLU for ReLU6", lambda x, y: x.clamp(min=0), nn.ReLU6, over_six=True)
