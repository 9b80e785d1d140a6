"""What else maps one network's tensors to another's: equal names, order of definition, and `weightbridge`.

Each returns, for every tensor of the second network, the tensor of the first that it gets, or what stopped
it. All three are told which leaves of MindSpore's are which of PyTorch's (gamma is weight), as their users
do, and a tensor may change its shape where only axes of one come or go.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

LEAVES = {
    "beta": "bias",
    "embedding_table": "weight",
    "gamma": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class NoMapError(Exception):
    """A way that reaches no complete map, and how far it came."""


def torch_name(name: str) -> str:
    """Return a parameter's name with the leaf that PyTorch gives it."""
    stem, dot, leaf = name.rpartition(".")
    return f"{stem}{dot}{LEAVES.get(leaf, leaf)}"


def by_names(a: Shapes, b: Shapes) -> dict[str, str]:
    """Return the map of equal names."""
    ours = {torch_name(name): name for name in a}
    found = {name: ours[key] for name in b if (key := torch_name(name)) in ours}
    return _complete({name: one for name, one in found.items() if _fits(a[one], b[name])}, a, b)


def by_order(a: Shapes, b: Shapes) -> dict[str, str]:
    """Return the map of the tensors in the order in which they are defined."""
    if len(a) != len(b):
        raise NoMapError(f"{len(a)} tensors against {len(b)}")
    ours, theirs = (sorted(shapes, key=_is_statistic) for shapes in (a, b))
    pairs = zip(ours, theirs, strict=True)
    return _complete({name: one for one, name in pairs if _fits(a[one], b[name])}, a, b)


def by_weightbridge(a: Shapes, b: Shapes) -> dict[str, str]:
    """Return what weightbridge makes of tensors that carry their own number."""
    import weightbridge

    numbered = dict(enumerate(a))
    given = {torch_name(one): _filled(number, a[one]) for number, one in numbered.items()}
    wanted = {torch_name(name): _filled(-1, shape) for name, shape in b.items()}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            adapted = weightbridge.adapt(given, wanted)
    except Exception as error:  # a map that is not found is an error of any kind
        raise NoMapError(f"{type(error).__name__}: {' '.join(str(error).split())[:100]}") from None
    return {name: numbered[int(adapted[torch_name(name)].reshape(-1)[0])] for name in b}


WAYS: Mapping[str, Callable[[Shapes, Shapes], dict[str, str]]] = {
    "names": by_names,
    "order": by_order,
    "weightbridge": by_weightbridge,
}


def _filled(number: int, shape: Shape) -> np.ndarray:
    """Return a tensor of one number, which takes no memory however large it is."""
    return np.broadcast_to(np.float32(number), shape)


def _is_statistic(name: str) -> bool:
    """Return whether a tensor comes after the parameters in the usual loop: Modules list buffers apart."""
    return torch_name(name).endswith(("running_mean", "running_var"))


def _fits(one: Shape, other: Shape) -> bool:
    return [size for size in one if size != 1] == [size for size in other if size != 1]


def _complete(found: dict[str, str], a: Shapes, b: Shapes) -> dict[str, str]:
    if len(found) != len(b) or set(found.values()) != set(a):
        raise NoMapError(f"{len(found)} of {max(len(a), len(b))} tensors")
    return found


def shapes_of(net: Any) -> dict[str, Shape]:
    """Return the shapes of what a checkpoint of the network holds, in the order of definition."""
    if hasattr(net, "set_train"):
        return {one.name: tuple(one.shape) for one in net.get_parameters()}
    return {
        name: tuple(value.shape)
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
