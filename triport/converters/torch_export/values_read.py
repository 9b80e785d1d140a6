"""What a Module does that its outputs do not show, with the line in the user's code that does it.

Python reads a tensor's value, which then decides: a trace keeps one way for good. And of what runs in
float64, some steps are float32 whatever the parameters are.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triport.converters.environment import import_torch

from .dispatch_mode import dispatch_mode

# where in the user's code, and which values were read there
Reads = dict[str, set[str]]
_SHOWN = 40  # characters of a value


@contextlib.contextmanager
def narrow_steps(places: dict[str, int], dtypes: set[str]) -> Iterator[None]:
    """Count the steps that give float32 or less, and what, while the block runs in float64, by lines."""
    torch = import_torch()

    narrow = (torch.float32, torch.float16, torch.bfloat16)

    mode: Any = dispatch_mode(torch)

    class Watch(mode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.dtype in narrow:
                place = _place(Path(torch.__file__).parent)
                places[place] = places.get(place, 0) + 1
                dtypes.add(str(result.dtype).removeprefix("torch."))
            return result

    with Watch():
        yield


@contextlib.contextmanager
def watched(reads: Reads) -> Iterator[None]:
    """Note every value that Python reads of a tensor while the block runs, with the line that reads it."""
    torch = import_torch()

    mode: Any = dispatch_mode(torch)

    class Watch(mode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if func is torch.ops.aten._local_scalar_dense.default:
                reads.setdefault(_place(Path(torch.__file__).parent), set()).add(repr(result)[:_SHOWN])
            return result

    with Watch():
        yield


def _place(framework: Path) -> str:
    """Return the innermost line that is neither of the framework nor of what runs the Module here."""
    package = Path(__file__).parents[2]
    ours = (package / "converters", package / "parity")
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if not any(path.is_relative_to(folder) for folder in (framework, *ours)):
            return f"{path.name}, line {frame.lineno}"
    return "torch"
