"""SOURCEs of the API's functions: what lies elsewhere is brought here before anything is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import PathLike, Progress, quiet
from .checked import checked

if TYPE_CHECKING:
    from triport.converters.sources import Located


@checked
def fetch(source: PathLike, *, offline: bool = False, progress: Progress = quiet) -> Located:
    """Bring weights to this machine, once, and prove that they are what their publisher states.

    Args:
        source: published weights' name such as "res2net50.mindcv", "hf-hub:owner/name", "timm/name", an https
            address, or "-" for standard input; a path is that file.
        offline: whether only what was brought before may be used.
        progress: is told each step.

    Returns:
        Where it lies (`path`), and what proves it (`said`).

    Raises:
        triport.Error: it cannot be had, or has another hash than its publisher states.

    Example:
        >>> import triport
        >>> triport.fetch("res2net_digits.triport").path == triport.SHIPPED
        True
    """
    from triport.converters.sources import locate

    return locate(source, progress, offline)


def located(
    source: PathLike, progress: Progress = quiet, offline: bool = False
) -> tuple[PathLike, str | None]:
    """Return a source as what lies here, and the published weights that it was named as."""
    if not isinstance(source, str):
        return source, None
    from triport.converters.sources import is_elsewhere

    if not is_elsewhere(source):
        return source, None
    found = fetch(source, offline=offline, progress=progress)
    return found.path, found.weights


def local_path(source: PathLike, progress: Progress = quiet, offline: bool = False) -> Path:
    """Return a source as a path of this machine."""
    return Path(located(source, progress, offline)[0])
