"""Which models have just these names and shapes: looked up in a stored table, not laid beside all of them.

The table, `name_index.json`, is made from the specs by `python docs/generate.py`. It is a shortcut and never
the judge: what it names is then compared in full, it carries the checksum of the files that it was made
from, and where that is another, or the names are not in it, every model is tried.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from triport.converters import names
from triport.converters.names import canonical_shapes, name_map
from triport.reference_models import layouts
from triport.reference_models.kinds import KINDS
from triport.reference_models.spec import ModelSpec, all_models, family_models

TABLE = Path(__file__).with_suffix(".json")


def key_of(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    """Return what all checkpoints of one set of names and shapes share, whatever their number of classes.

    Args:
        shapes: each parameter's and buffer's name and shape, `num_batches_tracked` left out.
    """
    # the number of classes is the first size of the head's weight, and that of its bias
    lines = sorted(
        f"{name} {shape[1:] if len(shape) > 1 or name.endswith('.bias') else shape}\n"
        for name, shape in shapes
    )
    return f"{len(lines)}:{zlib.crc32(''.join(lines).encode(errors='replace')):08x}"


def find_models(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> list[ModelSpec] | None:
    """Return every model that can have these names and shapes, or None where the table does not know."""
    table = _table()
    if table is None:
        return None
    found = table["models"].get(key_of(shapes))
    if found is None:
        return None
    return [spec for family, name in found for spec in family_models(family) if spec.name == name]


def is_current() -> bool:
    """Return whether the table is of these specs, so that what it does not know is no model's."""
    return _table() is not None


@cache
def _table() -> dict[str, Any] | None:
    """Return the stored table, None where it is not of these specs."""
    try:
        table = json.loads(TABLE.read_bytes())
    except (OSError, ValueError):
        return None
    return table if table.get("made_from") == sources_checksum() else None


def sources_checksum() -> str:
    """Return the checksum of what decides the names and shapes of a model: files, and kinds of layer."""
    root = Path(layouts.__file__).parent
    leaves = [(kind.name, leaf.name, leaf.in_mindspore) for kind in KINDS.values() for leaf in kind.values]
    found = zlib.crc32(repr(leaves).encode())
    families = sorted((*root.glob("*/spec.py"), *root.glob(f"*/{layouts.FILE}")))
    for path in (*families, root / "spec.py", root / "layouts.py", Path(names.__file__)):
        found = zlib.crc32(path.read_bytes(), zlib.crc32(path.parent.name.encode(), found))
    return f"{found:08x}"


def is_known(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> bool:
    """Return whether a model can have these names and shapes, whether or not the stored table is current."""
    table = _table()
    return key_of(shapes) in (table["models"] if table is not None else _computed())


@cache
def _computed() -> dict[str, list[list[str]]]:
    """Return what the table's "models" must be: family and name of the models of each key."""
    models: dict[str, list[list[str]]] = {}
    for spec in all_models().values():
        shapes = canonical_shapes(spec)
        for dialect in spec.dialects:
            names = name_map(spec, dialect)
            entry = models.setdefault(key_of((names[name], shape) for name, shape in shapes.items()), [])
            if [spec.family, spec.name] not in entry:
                entry.append([spec.family, spec.name])
    return models


def table_text() -> str:
    """Return the table as it is stored."""
    models = _computed()
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(models[key])}" for key in sorted(models))
    return f'{{"made_from": "{sources_checksum()}", "models": {{\n{lines}\n}}}}\n'
