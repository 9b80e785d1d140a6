"""What kernels of a runtime approximate, put into PyTorch in their place: to tell their errors from a fault.

A runtime names the functions that it computes otherwise, and how. Where it differs from the reference, the
reference is run with these in place: what gives the same then is right but for its kernels, by as much as is
said. Nothing is allowed for them otherwise, and a fault beside them is still one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from triport.converters.torch_export.dispatch_mode import dispatch_mode

from .torch_arithmetic import TorchArithmetic

# Layers and functions of PyTorch that are made of such functions, and are taken apart to meet them.
INSIDE = frozenset(
    (
        *("rnn_tanh", "gru", "rnn_tanh_cell", "gru_cell", "lstm_cell"),
        *("softmax", "log_softmax", "log_sigmoid", "scaled_dot_product_attention"),
        "_scaled_dot_product_attention_math",
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Approximation:
    """A function that a runtime's kernel approximates.

    `function` is PyTorch's name of it, `operators` are ATen's; `how` says in words what the kernel computes;
    `compute` is that, of the arithmetic and the operator's arguments, or None where the kernel is exact for
    these. `exact_in` are PyTorch's names of what has another kernel in the runtime, which is exact.
    """

    function: str
    how: str
    operators: tuple[str, ...]
    compute: Callable[..., Any]
    exact_in: tuple[str, ...] = ()


def told(approximations: Sequence[Approximation], met: Collection[str]) -> str:
    """Return in words what the kernels that were met compute."""
    return " and ".join(f"{one.function} {one.how}" for one in approximations if one.function in met)


@contextmanager
def approximated(torch: Any, approximations: Sequence[Approximation], met: set[str]) -> Iterator[None]:
    """Let PyTorch compute as these kernels do; the functions that were met are added to `met`."""
    known = {operator: one for one in approximations for operator in one.operators}
    exact_in = {name for one in approximations for name in one.exact_in}
    arithmetic = TorchArithmetic(torch)
    exact = 0

    class Within(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            nonlocal exact
            is_exact = getattr(function, "__name__", "").rstrip("_") in exact_in
            exact += is_exact
            try:
                return function(*arguments, **(words or {}))
            finally:
                exact -= is_exact

    mode: Any = dispatch_mode(torch)

    class Replaced(mode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            words = words or {}
            name = function.overloadpacket.__name__
            one = known.get(name.removesuffix("_"))
            if exact:
                return function(*arguments, **words)
            if name in INSIDE:  # whole in inference mode, and in its parts otherwise
                with self:
                    return function.decompose(*arguments, **words)
            if one is None or not arguments[0].is_floating_point():
                return function(*arguments, **words)
            found = one.compute(arithmetic, *arguments, **words)
            if found is None:
                return function(*arguments, **words)
            met.add(one.function)
            return arguments[0].copy_(found) if name.endswith("_") else found

    attention = torch.nn.attention
    with attention.sdpa_kernel(attention.SDPBackend.MATH), Within(), Replaced():
        yield
