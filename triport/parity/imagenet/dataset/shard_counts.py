"""How many samples each shard should have, where a file beside the shards says so.

timm's `_info.json` has `splits`, each with `filenames` and `shard_lengths`; webdataset's `sizes.json` has a
count by file name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triport.reference_models.errors import counted, listed

from .samples import DatasetError, printable

_LARGEST = 16 << 20


def check_counts(folder: Path, found: Mapping[str, int]) -> None:
    """Raise DatasetError where a shard has another number of samples than a file in `folder` says.

    `found` are the samples read, by the shards' names.
    """
    wrong = []
    for path in sorted(folder.glob("*.json")):
        stated = _counts_in(path)
        wrong += [
            f"{printable(name)}: {found[name]}, and {printable(path.name)} says {count}"
            for name, count in stated.items()
            if name in found and found[name] != count
        ]
    if wrong:
        raise DatasetError(
            f"{folder}: {counted(len(wrong), 'shard has', 'shards have')} another number of samples than "
            f"they should\n{listed(wrong)}"
        )


def _counts_in(path: Path) -> dict[str, int]:
    """Return the counts by shard that a file states, none where it speaks of something else."""
    if path.stat().st_size > _LARGEST:
        return {}
    try:
        values: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    pairs = list(values.items())
    splits = values.get("splits")
    for split in splits.values() if isinstance(splits, dict) else ():
        names, lengths = (
            split.get(k) if isinstance(split, dict) else None for k in ("filenames", "shard_lengths")
        )
        if isinstance(names, list) and isinstance(lengths, list) and len(names) == len(lengths):
            pairs += zip(names, lengths, strict=True)
    return {name: count for name, count in pairs if isinstance(name, str) and type(count) is int}
