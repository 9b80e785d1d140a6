"""What a layer computes with beside its weights, said alike for both frameworks: epsilon, padding, slope."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from triport.reference_models.kinds.activations import KINDS as _ACTIVATIONS
from triport.reference_models.kinds.kind import Kind

Settings = dict[str, Any]
Pads = tuple[tuple[int, int], ...]  # before and after, of each axis in space

_ACTIVATION = frozenset(kind.name for kind in _ACTIVATIONS) - {"softmax"}
_POOLS = frozenset({"max_pool", "average_pool", "global_pool"})
_NORMS = frozenset({"norm", "layer_norm", "rms_norm", "group_norm", "instance_norm"})
# in evaluation, or at all
_WITHOUT_EFFECT = {"inplace", "dropout"}
_CONVS = frozenset({"conv", "conv_transposed"})


def group_of(kind: Kind | None) -> str | None:
    """Return what could stand in a layer's place: "activation", "pool"; its own kind where nothing else."""
    if kind is None:
        return None
    if kind.name in _ACTIVATION:
        return "activation"
    return "pool" if kind.name in _POOLS else kind.name


def settings_of(module: Any, kind: Kind | None, given: Sequence[tuple[int, ...]]) -> Settings:
    """Return what a layer of this kind computes with, as far as that is known.

    Args:
        module: of either framework.
        kind: its row in the table of kinds; None: what the module says itself is all that is known.
        given: the shapes of what it is given: a padding that is called "same" follows from them.
    """
    read = _constants if kind is None else _READERS.get(kind.name, _constants)
    found = read(module, given)
    return {name: value for name, value in found.items() if value is not None}


def differences(a: Settings, b: Settings) -> Iterator[str]:
    """Yield each setting that differs, with both values."""
    for name in a.keys() & b.keys() if a and b else ():
        if a[name] != b[name]:
            yield f"{name} {_said(a[name])} and {_said(b[name])}"


def _norm(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    epsilon = _first(module, "eps", "epsilon", "variance_epsilon")
    return {
        "epsilon": None if epsilon is None else float(epsilon),
        "number of groups": _first(module, "num_groups"),
    }


def momentum_of(module: Any) -> float | None:
    """Return how much of a batch goes into a norm's statistics, as PyTorch counts it; None: no momentum."""
    # mindspore.nn keeps 1 - momentum of what it is given
    found = getattr(module, "momentum", None)
    return None if found is None else round(float(found), 12)


def _conv(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    axes = len(given[0]) - 2 if given else 0
    kernel = _numbers(module.kernel_size, axes)
    stride, dilation = _numbers(module.stride, axes), _numbers(module.dilation, axes)
    padding = getattr(module, "padding_mode", "zeros")
    return {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "number of groups": _first(module, "groups", "group"),
        "padding": _pads(module, given, kernel, stride, dilation),
        "padding mode": padding,
        "output padding": _numbers(getattr(module, "output_padding", 0), axes),
    }


def _pool(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    axes = len(given[0]) - 2 if given else 0
    kernel = _numbers(module.kernel_size, axes)
    stride = _numbers(module.stride if module.stride is not None else module.kernel_size, axes)
    pads = _pads(module, given, kernel, stride, (1,) * axes)
    inner = _first(module, "avg_pool", "max_pool")
    is_average = "Avg" in type(module).__name__
    counted = _first_of((module, inner), "count_include_pad")
    mode = str(getattr(module, "pad_mode", "")).lower()
    if is_average and mode == "same":
        counted = False
    return {
        "kernel": kernel,
        "stride": stride,
        "padding": pads,
        "ceil_mode": bool(_first_of((module, inner), "ceil_mode") or False),
        "divisor": getattr(module, "divisor_override", None) or "none",
        # zeros that are not there need not be counted
        "count_include_pad": bool(counted) if is_average and pads and any(map(any, pads)) else None,
    }


def _global_pool(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    return {"pool": "maximum" if "Max" in type(module).__name__ else "average"}


def _constants(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    """Return what a layer says itself that it computes with, and what a class of the user's own keeps."""
    own = vars(module).keys() - vars(_bare(module)).keys()
    names = {*own, *getattr(module, "__constants__", ())} - _WITHOUT_EFFECT
    found = {name: getattr(module, name, None) for name in names}
    return {
        name.replace("_", " "): value
        for name, value in found.items()
        if not name.startswith("_")
        and all(
            isinstance(one, int | float | str)
            for one in (value if isinstance(value, tuple | list) else (value,))
        )
    }


def _bare(module: Any) -> Any:
    """Return the Module or the Cell that has nothing of its own."""
    return next(base for base in reversed(type(module).__mro__) if base.__name__ in ("Module", "Cell"))()


def _upsample(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    return {"mode": module.mode, "align_corners": bool(module.align_corners), "size": module.size}


def _gelu(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    if type(module).__name__ == "FastGelu":
        return {"approximate": "x sigmoid(1.702 x)"}
    return {"approximate": getattr(module, "approximate", None)}


def _slope(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    slope = _first(module, "negative_slope", "alpha")
    return {"slope": None if slope is None else float(slope)}


def _alpha(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    alpha = getattr(module, "alpha", None)
    return {"alpha": float(alpha) if isinstance(alpha, int | float) else None}


def _softmax(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    inner = getattr(module, "softmax", None)  # mindspore keeps the axis in its operator
    axis = getattr(module, "dim", None)
    axis = _first_of((module, inner), "axis") if axis is None else axis
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if not isinstance(axis, int):
        return {}
    return {"axis": axis % len(given[0]) if given else axis}


def _recurrent(module: Any, given: Sequence[tuple[int, ...]]) -> Settings:
    names = ("batch_first", "bidirectional", "num_layers", "hidden_size", "nonlinearity")
    return {name: getattr(module, name, None) for name in names}


_READERS: Mapping[str, Callable[[Any, Sequence[tuple[int, ...]]], Settings]] = {
    **dict.fromkeys(_NORMS, _norm),
    **dict.fromkeys(_CONVS, _conv),
    "max_pool": _pool,
    "average_pool": _pool,
    "global_pool": _global_pool,
    "upsample": _upsample,
    "gelu": _gelu,
    "leaky_relu": _slope,
    "elu": _alpha,
    "celu": _alpha,
    "softmax": _softmax,
    **dict.fromkeys(("lstm", "gru", "rnn"), _recurrent),
}


def _pads(
    module: Any,
    given: Sequence[tuple[int, ...]],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pads | None:
    """Return how many values are put before and after each axis in space; None where that is not known."""
    axes = len(kernel)
    mode = str(getattr(module, "pad_mode", "")).lower()
    inner = _first(module, "avg_pool", "max_pool")
    padding = getattr(module, "padding", getattr(inner, "pad_list", 0))
    if mode == "valid" or padding == "valid":
        return ((0, 0),) * axes
    if mode == "same" or padding == "same":
        sizes = given[0][2:] if given else ()
        return tuple(map(_same, sizes, kernel, stride, dilation)) or None
    if isinstance(padding, int):
        return ((padding, padding),) * axes
    if not isinstance(padding, tuple | list) or not all(isinstance(one, int) for one in padding):
        return None
    if len(padding) >= 2 * axes and mode:
        both = padding[len(padding) - 2 * axes :]
        return tuple((both[2 * axis], both[2 * axis + 1]) for axis in range(axes))
    # mindspore's pools work in three dimensions, of which the first is not there
    return tuple((one, one) for one in padding[len(padding) - axes :])


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return TensorFlow's padding: an odd value goes behind."""
    total = max((math.ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _numbers(value: Any, axes: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * axes
    return tuple(int(one) for one in value)[-axes:] if axes else tuple(value)


def _first(module: Any, *names: str) -> Any:
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)


def _first_of(holders: Sequence[Any], name: str) -> Any:
    return next((getattr(one, name) for one in holders if one is not None and hasattr(one, name)), None)


def _said(value: Any) -> str:
    if isinstance(value, tuple) and value and all(isinstance(one, tuple) for one in value):
        even = all(before == after for before, after in value)
        return str(tuple(before for before, _ in value)) if even else " x ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
