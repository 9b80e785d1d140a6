"""Every value of a manifest or a config.json, changed to what nobody expects there."""

from __future__ import annotations

import copy
import json
import pathlib
import random
from collections.abc import Iterator
from typing import Any

from triport.publishing import manifest
from triport.publishing.verify import verify
from triport.reference_models.errors import TriportError

Path = tuple[str | int, ...]

MISSING = object()
NESTED: Any = []
for _ in range(500):
    NESTED = [NESTED]
WRONG: tuple[Any, ...] = (
    MISSING,
    None,
    True,
    False,
    0,
    -1,
    1,
    10**30,
    10**400,
    1e308,
    -0.5,
    "",
    "9",
    "x" * 5000,
    "../../etc/passwd",
    "\x1b[31m\n",
    "\ud800",
    "nan",
    [],
    [1],
    [None] * 3,
    {},
    {"a": 1},
    NESTED,
)


def places(value: Any, most: int = 3, path: Path = ()) -> Iterator[Path]:
    """Yield the place of every value, of lists the first ones only."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in list(value)[:40]:
            yield from places(value[key], most, (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), most)):
            yield from places(value[index], most, (*path, index))


def changed(values: dict[str, Any], path: Path, wrong: Any) -> dict[str, Any]:
    """Return a copy with the value at `path` removed or replaced, and everything else as it was."""
    copied = copy.deepcopy(values)
    inside: Any = copied
    for step in path[:-1]:
        inside = inside[step]
    if wrong is MISSING:
        del inside[path[-1]]
    else:
        inside[path[-1]] = wrong
    return copied


def same(first: Any, second: Any) -> bool:
    """Whether two values are written as the same JSON."""
    return json.dumps(first) == json.dumps(second)


def check_that_a_change_is_found(folder: pathlib.Path, seed: int) -> None:
    """Change one statement of the manifest of a published network of one's own: `verify` must find it."""
    values = manifest.parsed(manifest.read(folder))
    chooser = random.Random(seed)
    path = chooser.choice([path for path in places(values) if path[0] != "digest"])
    other = changed(values, path, chooser.choice(WRONG))
    if same(values, other):
        return
    del other["digest"]
    try:
        content = manifest.written(other)
    except ValueError:  # a number of more digits than Python writes, or a text that is none
        return
    (folder / "triport.json").write_bytes(content)
    try:
        done = verify(folder, runtimes=())
    except TriportError as error:
        assert len(str(error)) < 2000 and "\x1b" not in str(error)
        return
    # what only its maker can know, and no text repeats
    told_only = {"versions", "not_stored", "further", "device", "max_abs", "noise"} & {*path}
    assert not done.passed or told_only, (path, other)
