"""Faults at both ends: the head and the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.faults.candidate import Candidate, Named, fault, on_input
from triport.converters.onnx_export.written_model import INPUT
from triport.parity.calls import input_name


def _on_head(name: str, change: Callable[[Any], None]) -> None:
    """Add a fault of the classifier."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        step = candidate.of(nn.Linear)[-1] if candidate.of(nn.Linear) else candidate.of(nn.Conv2d)[-1]
        with torch.no_grad():
            change(candidate.module(step.path))
        return {step.path}


def _rows(order: Callable[[int], Any]) -> Callable[[Any], None]:
    def change(head: Any) -> None:
        rows = order(len(head.bias))
        head.weight.copy_(head.weight[rows].clone())
        head.bias.copy_(head.bias[rows].clone())

    return change


_on_head(
    "head: rows permuted", _rows(lambda n: torch.randperm(n, generator=torch.Generator().manual_seed(0)))
)
_on_head("head: labels off by one", _rows(lambda n: torch.arange(n).roll(1)))
_on_head("head: weight rows permuted, bias not", lambda head: head.weight.copy_(head.weight.roll(1, 0)))
_on_head("head: bias left out", lambda head: head.bias.zero_())
_on_head("head: rounded to float16", lambda head: head.weight.copy_(head.weight.half().float()))


@fault("head: dropout left on")
def _(candidate: Candidate) -> Named:
    step = candidate.of(nn.Linear)[-1] if candidate.of(nn.Linear) else candidate.of(nn.Conv2d)[-1]
    torch.manual_seed(0)
    on_input(step.path, None, lambda x: functional.dropout(x, 0.2, training=True))(candidate)
    return {step.path}


def _on_images(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Add a fault of the preprocessing: what is fed the images is fed wrong ones."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        candidate.batch = np.ascontiguousarray(change(candidate.batch), np.float32)
        return set(candidate.step_after(input_name(INPUT)))


def _per_channel(values: Sequence[float]) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


_IMAGENET = _per_channel((0.485, 0.456, 0.406)), _per_channel((0.229, 0.224, 0.225))

_on_images("images: RGB as BGR", lambda x: x[:, ::-1])
_on_images(
    "images: mean and std of another publisher", lambda x: (x * _IMAGENET[1] + _IMAGENET[0] - 0.5) / 0.5
)
_on_images("images: 0 to 255 for 0 to 1", lambda x: 255 * x)
_on_images("images: rows and columns exchanged", lambda x: x.transpose(0, 1, 3, 2))
_on_images("images: one pixel to the right", lambda x: np.roll(x, 1, 3))
_on_images("images: mirrored", lambda x: x[..., ::-1])
_on_images("images: rounded to eight bits", lambda x: np.round(x * 32) / 32)
