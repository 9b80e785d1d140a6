"""Where a Module lets values decide: Python reads a tensor's value, and a trace keeps one way for good."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triport.converters.environment import import_torch

# where in the user's code, and which values were read there
Reads = dict[str, set[str]]
_SHOWN = 40  # characters of a value


@contextlib.contextmanager
def watched(reads: Reads) -> Iterator[None]:
    """Note every value that Python reads of a tensor while the block runs, with the line that reads it."""
    torch = import_torch()
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if func is torch.ops.aten._local_scalar_dense.default:
                reads.setdefault(_place(Path(torch.__file__).parent), set()).add(repr(result)[:_SHOWN])
            return result

    with Watch():
        yield


def _place(framework: Path) -> str:
    """Return the innermost line that is not of the framework."""
    ours = Path(__file__).parent
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if not path.is_relative_to(framework) and path.parent != ours:
            return f"{path.name}, line {frame.lineno}"
    return "torch"
