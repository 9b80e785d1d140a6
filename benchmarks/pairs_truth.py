"""Whether a map between two networks is right, asked without triport's proof: seeded values, moved and run.

Values are drawn for the first network, moved to the second, and both are run on one batch; a Module runs in
float64. The outputs must agree within what single precision does to the Module itself (or a floor where
both are Cells), and nothing of triport's judge takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.pairs_networks import Feed, is_cell, run
from benchmarks.pairs_peers import torch_name

FLOOR = 1e-6  # MindSpore's sigmoid and softmax are ten roundings off by themselves
FACTOR = 30  # several times a noise that one run measured
BLIND = 1e-3  # a net whose noise hides whatever is smaller than this shows nothing

Values = Mapping[str, np.ndarray]


def seeded_values(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Return values for a network's tensors, none at its initial one, that keep activations in bounds."""
    rng = np.random.default_rng(seed)
    return {name: _values(rng, torch_name(name), shape) for name, shape in shapes.items()}


def _values(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return rng.uniform(0.6, 1.4, shape).astype(np.float32)
    if len(shape) < 2 or name.endswith("bias"):
        return rng.uniform(-0.3, 0.3, shape).astype(np.float32)
    fan_in = np.prod(shape[1:])
    return (rng.standard_normal(shape) * np.sqrt(1.5 / fan_in)).astype(np.float32)


def set_values(net: Any, values: Values) -> None:
    """Give a network these values; shapes may differ by axes of one."""
    if is_cell(net):
        import mindspore

        for parameter in net.get_parameters():
            if parameter.name in values:
                value = values[parameter.name].reshape(parameter.shape)
                parameter.set_data(mindspore.Tensor(np.ascontiguousarray(value), parameter.dtype))
        return
    import torch

    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name in values:
                value = np.ascontiguousarray(values[name])
                tensor.copy_(torch.from_numpy(value).reshape(tensor.shape))


def judge(a: Any, b: Any, values_a: Values, values_b: Values, feed: Feed) -> dict[str, Any]:
    """Return how far two networks with these values are apart, and whether that is more than noise."""
    set_values(a, values_a)
    set_values(b, values_b)
    ours, theirs = (run(net, feed, double=not is_cell(net)) for net in (a, b))
    noise = max((_noise(net, feed) for net in (a, b) if not is_cell(net)), default=FLOOR)
    error = _apart(ours, theirs)
    if not error < np.inf or not noise < BLIND:
        verdict = "cannot tell"
    else:
        verdict = "equal" if error <= FACTOR * max(noise, FLOOR) else "not equal"
    return {"verdict": verdict, "error": error if error < np.inf else None, "noise": noise}


def _noise(net: Any, feed: Feed) -> float:
    return _apart(run(net, feed, double=True), run(net, feed))


def _apart(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Return the largest difference relative to each output's largest value; infinite where none pairs."""
    pairs = list(zip(ours, theirs, strict=False))
    if any(one.size != other.size for one, other in pairs) or not pairs:
        return np.inf
    apart = 0.0
    for one, other in pairs:
        largest = np.abs(one).max(initial=0) or 1.0
        apart = max(apart, float(np.abs(one - other.reshape(one.shape)).max(initial=0) / largest))
    return apart if np.isfinite(apart) else np.inf
