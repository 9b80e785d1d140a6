"""A Module's parameters: read from a checkpoint, moved from special values, accounted for in a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.converters.formats import open_checkpoint
from triport.reference_models.errors import TriportError, listed

from .network import TorchNet

COUNTER = "num_batches_tracked"
SMALL = 1e-3  # below it a whole tensor is as good as zero: what it multiplies could not be seen
MOVE, LIFT = 0.3, 0.1


class WeightsError(TriportError):
    """A checkpoint is not of this Module."""


def load(net: TorchNet, path: Path) -> list[str]:
    """Put a checkpoint's values into the Module: every name, of the same shape and element type.

    Returns:
        What was not in the checkpoint, and why that does no harm.

    Raises:
        WeightsError: it does not fit; the message lists what differs. The Module is as it was.
    """
    torch = import_torch()
    found = open_checkpoint(path).tensors
    aliases = net.aliases()
    missing = net.state.keys() - found.keys()
    harmless = {name for name in missing if name.endswith(COUNTER) or aliases.get(name) in found}
    problems = [f"{name}: in the checkpoint, not in the Module" for name in found.keys() - net.state.keys()]
    problems += [f"{name}: in the Module, not in the checkpoint" for name in missing - harmless]
    for name in found.keys() & net.state.keys():
        tensor, own = found[name], net.state[name]
        dtype = str(own.dtype).removeprefix("torch.")
        if (tuple(own.shape), dtype) != (tuple(tensor.shape), tensor.dtype):
            problems.append(
                f"{name}: {tensor.dtype}{list(tensor.shape)} in the checkpoint, "
                f"{dtype}{list(own.shape)} in the Module"
            )
    if problems:
        raise WeightsError(
            f"{path}: does not fit {net.name}\n{listed(sorted(problems))}\n"
            f"Every name must be there, with the shape and the type that the Module has: save this very "
            f"network's state_dict()"
        )
    values = {name: _tensor(torch, found[name], net.state[name]) for name in found}
    for name, first in aliases.items():
        if name in values and first in values and not torch.equal(values[name], values[first]):
            raise WeightsError(
                f"{path}: {name} and {first} are one parameter in {net.name}, and have two values here"
            )
    with torch.no_grad():
        for name, value in values.items():
            net.state[name].data.copy_(value)
    return [f"{name} is not in {path.name}, and counts training batches only" for name in sorted(harmless)]


def _tensor(torch: Any, tensor: Any, like: Any) -> Any:
    data = bytearray(b"".join(tensor.chunks()))
    if not data:
        return torch.empty(tuple(tensor.shape), dtype=like.dtype)
    return torch.frombuffer(data, dtype=like.dtype).reshape(tuple(tensor.shape))


def moved_values(net: TorchNet, seed: int) -> dict[str, Any]:
    """Return other values for the state dict, near its own, with nothing zero, one or equal by chance.

    On its own values a fresh network hides faults: a branch that is multiplied by zero or by 1e-6, a
    bias and a running mean that are both zero. Signs are kept where all
    values of a tensor have one, as variances have.
    """
    torch = import_torch()
    generator = torch.Generator().manual_seed(seed)
    aliases = net.aliases()
    values: dict[str, Any] = {}
    for name, tensor in net.state.items():
        own = tensor.detach()
        if not own.is_floating_point() or not own.numel():
            continue
        if name in aliases:
            values[name] = values[aliases[name]]
            continue
        wide = own.double()
        finite = torch.isfinite(wide)
        some = wide[finite]
        if not some.numel():
            continue
        random = torch.randn(own.shape, generator=generator, dtype=torch.float64)
        largest = float(some.abs().max())
        if largest < SMALL:
            moved = LIFT + LIFT * random
        else:
            spread = float(some.std()) if some.numel() > 1 else 0.0
            scale = spread if spread > 1e-3 * largest else MOVE * float(some.abs().mean())
            moved = wide + MOVE * scale * random
        if float(some.min()) >= 0:
            moved = moved.abs()
        values[name] = torch.where(finite, moved, wide).to(own.dtype)
    return values


def account(
    net: TorchNet, initializers: Iterable[str], arrays: Sequence[np.ndarray]
) -> list[tuple[str, str]]:
    """Return the names of the state dict that the graph has no initializer of, each with the reason."""
    torch = import_torch()
    present = set(initializers)
    aliases = net.aliases()
    same: dict[str, list[str]] = {}
    for name in net.state:
        same.setdefault(aliases.get(name, name), []).append(name)
    dropped = []
    before: list[np.ndarray] | None = None
    for name, tensor in net.state.items():
        if name in present:
            continue
        shared = [other for other in same[aliases.get(name, name)] if other in present]
        if shared:
            dropped.append((name, f"is the same parameter as {shared[0]}"))
            continue
        if name.endswith(COUNTER):
            dropped.append((name, "counts training batches; the graph has no use for it"))
            continue
        if not tensor.is_floating_point():
            dropped.append((name, "whole numbers, which the graph holds as constants or does not need"))
            continue
        before = net.run(arrays) if before is None else before
        with net.with_values({name: torch.rand(tensor.shape) + 0.5}):
            after = net.run(arrays)
        if all(np.array_equal(one, other, equal_nan=True) for one, other in zip(before, after, strict=True)):
            dropped.append((name, "does not reach an output: changing it changes nothing"))
        else:
            dropped.append((name, "is in the graph, but not under its name: the exporter computed with it"))
    return dropped
