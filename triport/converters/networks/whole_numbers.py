"""The whole numbers in plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any


def whole_numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers in a value; those around a fraction, and those in a text."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, float) and math.isfinite(value):
        yield from {math.floor(value), math.ceil(value)}
    elif isinstance(value, str):
        yield from (int(digits) for digits in re.findall(r"\d{1,9}", value))
    elif isinstance(value, Mapping):
        yield from (number for one in (*value, *value.values()) for number in whole_numbers(one))
    elif isinstance(value, range):
        yield from (value.start, value.stop)
    elif isinstance(value, tuple | list | set | frozenset):
        yield from (number for one in value for number in whole_numbers(one))
