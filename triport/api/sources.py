"""SOURCEs of the API's functions: what lies elsewhere is brought here before anything is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import ArgumentError, PathLike, Progress, quiet
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
    """Return a source as a path of this machine.

    Raises:
        ArgumentError: it is a network, and not the file of weights that is asked for.
    """
    path = Path(located(source, progress, offline)[0])
    if isinstance(source, str) and not path.exists():
        _check_no_network(source)
    return path


def _check_no_network(text: str) -> None:
    from triport.converters.networks.arguments import is_factory
    from triport.reference_models.spec import all_models

    if is_factory(text):
        raise ArgumentError(
            f"{text}: is a network in code, and a file is read here: `convert {text} --input SPEC --to onnx` "
            "makes one"
        )
    if text in all_models():
        known = [one.name for one in all_models()[text].weights]
        raise ArgumentError(
            f"{text}: is a model's name, and a file is read here; `models {text}` says what is known of it"
            + (f". Published weights are {', '.join(known)}" if known else "")
        )
