"""Faults of pools: their padding, their kind, their size."""

from __future__ import annotations

from typing import Any

from torch import nn

from benchmarks.faults.candidate import Candidate, Named, fault, middle, on_output, source_of
from benchmarks.faults.same_padding import SamePadded
from triport.parity.calls import CallStep
from triport.reference_models.kinds import KINDS


def _pools(candidate: Candidate, *words: str) -> list[CallStep]:
    return [step for step in candidate.steps if step.leaf and step.layer in [KINDS[word] for word in words]]


def _numbers(pool: Any) -> tuple[int, int]:
    kernel = getattr(pool, "kernel_size", None) or pool.kernel
    return kernel, pool.stride


@fault("max-pool: padding same for symmetric")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        if not isinstance(pool, nn.MaxPool2d):  # a "same" pool, as MindCV's: symmetric for it
            candidate.replace(step.path, nn.MaxPool2d(kernel, stride, kernel // 2))
        elif pool.padding:
            candidate.replace(step.path, SamePadded(pool, float("-inf")))
        else:
            before = [s for s in candidate.steps if s.name == source_of(step) and s.kind == "ZeroPad2d"]
            if not before:
                continue
            candidate.replace(before[0].path, nn.ZeroPad2d((0, 1, 0, 1)))
            return {before[0].path}
        return {step.path}
    return None


@fault("max-pool: ceil_mode")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        if isinstance(pool, nn.MaxPool2d):
            pool.ceil_mode = True
            return {step.path}
    return None


@fault("max-pool: zeros for nothing around the image")
def _(candidate: Candidate) -> Named:
    """Seen only where what is pooled has negative values at the border: not behind a ReLU."""
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        if isinstance(pool, nn.MaxPool2d) and pool.padding:
            source = next((s for s in candidate.steps if s.name == source_of(step)), None)
            if source is not None and "relu" in source.kind.lower():
                return None
            candidate.replace(
                step.path, nn.Sequential(nn.ZeroPad2d(pool.padding), nn.MaxPool2d(*_numbers(pool)))
            )
            return {step.path}
    return None


@fault("max-pool: average for maximum")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "max_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        candidate.replace(step.path, nn.AvgPool2d(kernel, stride, getattr(pool, "padding", kernel // 2)))
        return {step.path}
    return None


@fault("average pool: count_include_pad")
def _(candidate: Candidate) -> Named:
    for step in _pools(candidate, "average_pool"):
        pool = candidate.module(step.path)
        kernel, stride = _numbers(pool)
        if kernel == 2:
            continue  # of the shortcuts: nothing is padded at even sizes
        before = [s for s in candidate.steps if s.name == source_of(step) and s.kind == "ZeroPad2d"]
        if before:  # the zeros around the image count: not to count them is to pad in the pool
            candidate.replace(before[0].path, nn.Identity())
        candidate.replace(step.path, nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=not before))
        return {step.path, *(s.path for s in before)}
    return None


@fault("global pool: maximum for average")
def _(candidate: Candidate) -> Named:
    step = middle(_pools(candidate, "global_pool"))
    assert step is not None
    on_output(step.path, None, lambda x, y: x.amax((2, 3)).view_as(y))(candidate)
    return {step.path}


@fault("global pool: without the last row and column")
def _(candidate: Candidate) -> Named:
    step = _pools(candidate, "global_pool")[-1]
    on_output(step.path, None, lambda x, y: x[:, :, : max(1, x.shape[2] - 1)].mean((2, 3)).view_as(y))(
        candidate
    )
    return {step.path}
