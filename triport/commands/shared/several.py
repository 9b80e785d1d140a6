"""Several SOURCEs, or a pattern that the shell has not replaced by the files that it fits."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from triport.reference_models.errors import counted

_MOST = 10_000


def expanded(sources: Sequence[str]) -> list[str]:
    """Return the sources, each pattern as the files that it fits, in order of their names.

    Raises:
        TriportError: a pattern fits no file.
    """
    from triport.reference_models.errors import TriportError

    found: list[str] = []
    for source in sources:
        if not is_pattern(source):
            found.append(source)
            continue
        files = sorted(one for one in glob.iglob(source, recursive=True) if os.path.isfile(one))  # noqa: PTH113, PTH207
        if not files:
            raise TriportError(f"{source}: no file fits this pattern, seen from {os.getcwd()}")  # noqa: PTH109
        if len(files) > _MOST:
            raise TriportError(
                f"{source}: {counted(len(files), 'file fits', 'files fit')} this pattern; expected at most "
                f"{_MOST:,}"
            )
        found += files
    return found


def is_pattern(source: str) -> bool:
    """Return whether a source is a pattern: an address may have a question mark, and a file a bracket."""
    return "://" not in source and glob.has_magic(source) and not os.path.lexists(source)
