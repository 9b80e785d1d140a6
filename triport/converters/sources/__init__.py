"""Where weights come from: a SOURCE that is no path of this machine is brought here, and then is a file.

A kind of source is a module in `kinds` that defines

    FORM: how it is written, for messages
    takes(text): whether a SOURCE is of this kind
    bring(text, asked): the Located file; raises SourceError where it cannot be had

and is found by discovery. What was brought is data like any other file: the formats check it.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from triport.converters.sources import kinds
from triport.converters.sources.located import OPTION, FetchOptions, Lasting, Located, SourceError

_LIKE_WEIGHTS = re.compile(r"\w+\.[\w-]+", re.ASCII)

__all__ = ["FetchOptions", "Lasting", "Located", "SourceError", "is_elsewhere", "locate"]


def locate(
    source: str | os.PathLike[str], tell: Callable[[str], None] = lambda step: None, offline: bool = False
) -> Located:
    """Return where a SOURCE lies on this machine, brought here first where it lies elsewhere.

    Args:
        source: a path; or, as a text, what a kind of source takes. A file that is there is that file.
        tell: is told each step; what was brought from where is told as `Lasting`.
        offline: whether only what was brought before may be used.

    Raises:
        SourceError: it cannot be had, or is not what it must be.
    """
    kind = _kind_of(source)
    if kind is None:
        return Located(Path(source))
    found: Located = kind.bring(os.fspath(source), FetchOptions(tell, OPTION if offline else _forbidding()))
    for said in found.said:
        tell(Lasting(said))
    return found


def is_elsewhere(source: object) -> bool:
    """Return whether a SOURCE is a text that a kind of source takes, and no file or folder that is here.

    Raises:
        SourceError: it is neither, and like the name of published weights.
    """
    if not isinstance(source, str):
        return False
    if _kind_of(source) is not None:
        return True
    if _LIKE_WEIGHTS.fullmatch(source) and not _is_here(source):
        _check_spelling(source)
    return False


def _check_spelling(name: str) -> None:
    """Raise SourceError where a name that is none is like that of published weights, of a known publisher."""
    import difflib

    from triport.reference_models.spec import all_models

    known = [one.name for spec in all_models().values() for one in spec.weights]
    publishers = {one.partition(".")[2] for one in known}
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.8)
    if close and difflib.get_close_matches(name.partition(".")[2], publishers, cutoff=0.7):
        raise SourceError(
            f"{name}: is no file, and no published weights that triport knows. Did you mean "
            f"{' or '.join(close)}?"
        )


def _kind_of(source: str | os.PathLike[str]) -> ModuleType | None:
    if not isinstance(source, str) or _is_here(source):
        return None
    return next((kind for kind in _kinds() if kind.takes(source)), None)


def _is_here(text: str) -> bool:
    try:
        return text != "-" and os.path.lexists(text)
    except ValueError:  # a zero byte
        return False


def _forbidding() -> str:
    """Return which variable forbids to use the network; huggingface_hub's own one counts for all."""
    names = ("TRIPORT_OFFLINE", "HF_HUB_OFFLINE")
    said = (one for one in names if os.environ.get(one, "").strip().lower() in ("1", "true", "yes", "on"))
    return next(said, "")


@cache
def _kinds() -> list[ModuleType]:
    names = sorted(path.stem for path in Path(kinds.__file__).parent.glob("[!_]*.py"))
    return [importlib.import_module(f"{kinds.__name__}.{name}") for name in names]
