"""Faults between modules: blocks, sums, branches and their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.faults.candidate import Candidate, Named, fault, middle, on_input, on_output, source_of
from triport.parity.calls import CallStep


def _blocks(candidate: Candidate, shortcut: bool = True) -> list[CallStep]:
    """Return the containers whose output has the shape of their input: those that may be skipped."""
    given = {step.name: step.shape for step in candidate.steps}
    leaves = {step.path for step in candidate.steps if step.leaf}
    found = []
    for step in candidate.steps:
        module = candidate.module(step.path)
        if (
            step.leaf
            or source_of(step) is None
            or isinstance(module, nn.Sequential)
            or step.path[-2:] == "se"
        ):
            continue
        parts = [s for s in candidate.steps if s.path.startswith(step.path + ".") and s.path in leaves]
        if (
            given.get(source_of(step)) == step.shape
            and len(parts) > 4
            and not any("down" in s.path for s in parts if s.kind != "Identity")
        ):
            found.append(step)
    return found


def _on_block(name: str, change: Callable[[Any, Any], Any]) -> None:
    """Add a fault of what the block in the middle returns: change(its input, its output)."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        block = middle(_blocks(candidate))
        if block is None:
            return None
        on_output(block.path, None, change)(candidate)
        return {block.path, *candidate.step_after(block.name), *candidate.step_after(block.same_as or "")}


_on_block("block: skipped", lambda x, y: x)
_on_block("block: run on a tenth more", lambda x, y: 1.1 * y)


def _last_sum(candidate: Candidate) -> tuple[CallStep, CallStep | None] | None:
    """Return the block in the middle that adds its input, and its last activation if the sum goes there."""
    block = middle(_blocks(candidate))
    if block is None or candidate.spec.family == "inception_v4":
        return None
    if block.same_as is None:
        return block, None
    last = next(step for step in candidate.steps if step.name == block.same_as)
    return block, last


def _on_sum(name: str, change: Callable[[Any, Any], Any]) -> None:
    """Add a fault of the sum at the end of the block in the middle: change(block's input, sum)."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        found = _last_sum(candidate)
        if found is None:
            return None
        block, last = found
        given: list[Any] = []
        candidate.module(block.path).register_forward_pre_hook(
            lambda module, arguments: given.__setitem__(slice(None), [arguments[0]])
        )
        if last is None:
            on_output(block.path, None, lambda x, y: change(x, y))(candidate)
            return {block.path}
        on_input(last.path, last.number, lambda x: change(given[0], x))(candidate)
        return {last.name}


_on_sum("shortcut: left out", lambda x, y: y - x)
_on_sum("shortcut: added twice", lambda x, y: y + x)
_on_sum("shortcut: subtracted", lambda x, y: y - 2 * x)


@fault("shortcut: read after an activation in place")
def _(candidate: Candidate) -> Named:
    """The block's first activation writes over what the shortcut reads; nothing changes behind a ReLU."""
    if candidate.spec.family in ("res2net", "inception_v4"):
        return None  # the cascade has its own; branches that are joined have no shortcut
    block = middle(_blocks(candidate))
    if block is None:
        return None
    inside = [s for s in candidate.steps if s.path.startswith(block.path + ".")]
    first = next(s for s in inside if source_of(s) == source_of(block) and s.leaf)
    source = next(s for s in candidate.steps if s.name == source_of(block))
    last = next((s for s in candidate.steps if s.name == source.same_as), source)
    if "relu" in last.kind.lower():
        return None

    def hook(module: Any, arguments: tuple[Any, ...], output: Any) -> Any:
        arguments[0].relu_()
        return output

    candidate.module(first.path).register_forward_hook(hook)
    return {block.path, *(s.name for s in inside), *candidate.step_after(source_of(block) or "")}


def _res2net_block(candidate: Candidate) -> tuple[CallStep, Any] | None:
    if candidate.spec.family != "res2net":
        return None
    block = middle(
        [
            s
            for s in candidate.steps
            if type(candidate.module(s.path)).__name__ == "Bottle2neck"
            and not candidate.module(s.path).is_first
        ]
    )
    return None if block is None else (block, candidate.module(block.path))


def _res2net(name: str, order: Callable[[list], list], joined: Callable[[Any, Any], Any], wrong: str) -> None:
    """Add a fault of Res2Net's cascade; `wrong` is the module that is fed it first."""

    @fault(name)
    def make(candidate: Candidate) -> Named:
        found = _res2net_block(candidate)
        if found is None:
            return None
        step, block = found

        def forward(x: Any) -> Any:
            shortcut = block.downsample(x)
            pieces = order(list(torch.chunk(block.relu(block.bn1(block.conv1(x))), block.scale, dim=1)))
            y = block.relu(block.bns[0](block.convs[0](pieces[0])))
            parts = [y]
            for i in range(1, block.scale - 1):
                y = joined(y, pieces[i])
                y = block.relu(block.bns[i](block.convs[i](y)))
                parts.append(y)
            x = torch.cat([*parts, block.pool(pieces[-1])], dim=1)
            return block.relu(block.bn3(block.conv3(x)) + shortcut)

        block.forward = forward
        return {f"{step.path}.{wrong}"}


_res2net(
    "Res2Net: pieces in the other order", lambda pieces: pieces[::-1], lambda y, piece: y + piece, "convs.0"
)
_res2net("Res2Net: cascade without its addition", lambda pieces: pieces, lambda y, piece: piece, "convs.1")
_res2net("Res2Net: added in place", lambda pieces: pieces, lambda y, piece: y.add_(piece), "conv3")


@fault("branches joined in another order")
def _(candidate: Candidate) -> Named:
    """The concatenation's pieces the other way round."""
    if candidate.spec.family == "inception_v4":
        block = middle(
            [s for s in candidate.steps if type(candidate.module(s.path)).__name__ == "InceptionB"]
        )
        assert block is not None
        on_output(block.path, None, lambda x, y: y.flip(1))(candidate)
        return {block.path}
    found = _res2net_block(candidate)
    if found is None:
        return None
    step, block = found
    on_input(f"{step.path}.conv3", None, lambda x: torch.cat(torch.chunk(x, 4, 1)[::-1], 1))(candidate)
    return {f"{step.path}.conv3"}


@fault("squeeze-excite: gate left out")
def _(candidate: Candidate) -> Named:
    step = middle([s for s in candidate.steps if type(candidate.module(s.path)).__name__ == "SqueezeExcite"])
    if step is None:
        return None
    on_output(step.path, None, lambda x, y: x)(candidate)
    return {step.path, *candidate.step_after(step.name)}


@fault("two blocks exchanged")
def _(candidate: Candidate) -> Named:
    groups = defaultdict(list)
    found = _blocks(candidate)
    paths = [block.path for block in found]
    for block in found:
        if any(block.path.startswith(path + ".") for path in paths):
            continue  # a part of another
        shapes = tuple(p.shape for p in candidate.module(block.path).parameters())
        groups[shapes].append(block)
    blocks = max(groups.values(), key=len, default=[])
    if len(blocks) < 2:
        return None
    one, two = blocks[0], blocks[1]
    first, second = candidate.module(one.path), candidate.module(two.path)
    candidate.replace(one.path, second)
    candidate.replace(two.path, first)
    return {
        next(
            s.name
            for s in candidate.steps
            if s.path.startswith(one.path + ".") and hasattr(candidate.module(s.path), "weight")
        )
    }
