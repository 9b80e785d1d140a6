"""What kernels of a runtime approximate, put into PyTorch in their place: to tell their errors from a fault.

A runtime names the functions that it computes otherwise, and how. Where it differs from the reference, the
reference is run with these in place: what gives the same then is right but for its kernels, by as much as is
said. Nothing is allowed for them otherwise, and a fault beside them is still one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Approximation:
    """A function that a runtime's kernel approximates.

    `function` is PyTorch's name of it; `how` says in words what the kernel computes; `compute` is that, of
    (torch, tensor). `inside` are layers of PyTorch that call the function, and whose counterparts in the
    runtime have its kernel in them; `exact_in` are layers whose counterparts have another, which is exact.
    """

    function: str
    how: str
    compute: Callable[[Any, Any], Any]
    inside: tuple[str, ...] = ()
    exact_in: tuple[str, ...] = ()


@contextmanager
def approximated(torch: Any, approximations: Sequence[Approximation], met: set[str]) -> Iterator[None]:
    """Let PyTorch compute as these kernels do; the functions that were met are added to `met`."""
    known = {one.function: one for one in approximations}
    inside = {name for one in approximations for name in one.inside}
    exact_in = {name for one in approximations for name in one.exact_in}
    exact = 0

    class Within(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            nonlocal exact
            is_exact = getattr(function, "__name__", "") in exact_in
            exact += is_exact
            try:
                return function(*arguments, **(words or {}))
            finally:
                exact -= is_exact

    class Replaced(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            words = words or {}
            name = function.overloadpacket.__name__
            one = known.get(name.removesuffix("_"))
            if exact:
                return function(*arguments, **words)
            if name in inside:  # whole in inference mode, and in its parts otherwise
                with self:
                    return function.decompose(*arguments, **words)
            if one is None or not arguments[0].is_floating_point():
                return function(*arguments, **words)
            met.add(one.function)
            found = one.compute(torch, arguments[0])
            return arguments[0].copy_(found) if name.endswith("_") else found

    with Within(), Replaced():
        yield
