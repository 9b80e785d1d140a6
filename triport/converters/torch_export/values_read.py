"""What a Module does that its outputs do not show, with the line in the user's code that does it.

Python reads a tensor's value, which then decides: a trace keeps one way for good. And of what runs in
float64, some steps are float32 whatever the parameters are.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from triport.converters.environment import import_torch

from .dispatch_mode import dispatch_mode

# where in the user's code, and which values were read there
Reads = dict[str, set[str]]
_OURS = (Path(__file__).parents[1], Path(__file__).parents[2] / "parity")
_SHOWN = 40  # characters of a value
# functions that read values, and those of them that no operator is seen of
_WITHOUT_DISPATCH = {"numpy", "__array__", "tolist", "__repr__"}
READS = {
    *_WITHOUT_DISPATCH,
    "item",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "__format__",
    "equal",
    "allclose",
}
_SIZES = {"size", "numel", "nelement", "__len__", "stride"}


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
    """Note every value that Python reads of a tensor while the block runs, with the line that reads it.

    How many values a tensor has is one as well, where that follows from values: `x[x > 0].numel()`.
    """
    torch = import_torch()
    package = Path(torch.__file__).parent
    counted: dict[int, Any] = {}  # tensors whose size follows from values

    def note(value: Any) -> None:
        if not _is_asked_here(package):
            reads.setdefault(_place(package), set()).add(repr(value)[:_SHOWN])

    mode: Any = dispatch_mode(torch)
    functions: Any = torch.overrides.TorchFunctionMode

    class Watch(mode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, bool | int | float | complex):
                note(result)
            elif torch.Tag.dynamic_output_shape in func.tags and not _by_places(torch, func, args):
                counted.update({id(one): one for one in _tensors(torch, result)})
            elif counted and any(id(one) in counted for one in args):
                sizes = {tuple(one.shape[:1]) for one in args if id(one) in counted}
                counted.update(
                    {id(one): one for one in _tensors(torch, result) if tuple(one.shape[:1]) in sizes}
                )
            return result

    class Asked(functions):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            name = getattr(func, "__name__", "")
            if name in _WITHOUT_DISPATCH:
                note(_Many(result) if name in ("numpy", "__array__", "tolist") else result)
            elif args and id(args[0]) in counted and (name in _SIZES or func == torch.Tensor.shape.__get__):
                note(tuple(args[0].shape))
            return result

    with Asked(), Watch():
        yield


class _Many:
    """Values, which are not shown."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"many numbers #{zlib.crc32(repr(self._values).encode()):08x}"


def _tensors(torch: Any, result: Any) -> Iterator[Any]:
    many = result if isinstance(result, tuple | list) else (result,)
    return (one for one in many if isinstance(one, torch.Tensor) and one.dim())


def _by_places(torch: Any, func: Any, args: Any) -> bool:
    """Whether it takes elements by their places, of which there are as many as places."""
    if func is not torch.ops.aten.index.Tensor:
        return False
    return not any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])


def _is_asked_here(framework: Path) -> bool:
    """Whether what runs the Module here asks, as for its outputs, and not the Module."""
    frame: FrameType | None = sys._getframe(1)
    here = Path(__file__)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path != here and not path.is_relative_to(framework):
            return any(path.is_relative_to(folder) for folder in _OURS)
        frame = frame.f_back
    return False


def _place(framework: Path) -> str:
    """Return the innermost line that is neither of the framework nor of what runs the Module here."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if not any(path.is_relative_to(folder) for folder in (framework, *_OURS)):
            return f"{path.name}, line {frame.lineno}"
    return "torch"
