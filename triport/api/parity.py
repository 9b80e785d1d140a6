"""`triport.parity`: do the runtimes compute the same?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from .arguments import PathLike, Progress, path_or_none, quiet

if TYPE_CHECKING:
    from triport.parity.session import Done


class ParityOptions(TypedDict, total=False):
    """What `parity` takes besides; `triport.parity.session.Request` says what each means."""

    every: bool
    weights: PathLike | None
    model: str | None
    runtimes: Sequence[str] | str | None
    device: str
    precision: str
    tolerance: float | None
    seed: int
    batch_sizes: Sequence[int]
    sizes: Sequence[int] | None
    layers: bool
    isolate: bool
    images: PathLike | None
    gradients: bool
    steps: int | None


def parity(*what: PathLike, progress: Progress = quiet, **options: Unpack[ParityOptions]) -> Done:
    """Prove that every runtime computes the same function, against PyTorch in float64.

    Args:
        *what: models, which get seeded weights in which no value is left at its initial one; or files. Every
            further file is compared with the first too.
        progress: is told each step.
        **options: weights, runtimes, precision, layers, ... as `triport.parity.session.Request` has them.

    Returns:
        A report on each. Its `passed` is False where anything differs by more than the noise that the
        precision itself makes.

    Raises:
        triport.Error: nothing was named, the options do not go together, or a file fits no model.

    Example:
        >>> import triport
        >>> done = triport.parity("res2net_digits", runtimes=["pytorch"])
        >>> done.passed, [pair["candidate"] for pair in done.to_dict()["models"][0]["pairs"]]
        (True, ['pytorch'])
    """
    from triport.parity.session import Request, run

    asked: dict[str, Any] = dict(options)
    if isinstance(runtimes := asked.get("runtimes"), str):
        asked["runtimes"] = [name.strip() for name in runtimes.split(",")]
    for name in ("weights", "images"):
        asked[name] = path_or_none(asked.get(name))
    return run(Request(tuple(map(str, what)), **asked), progress)
