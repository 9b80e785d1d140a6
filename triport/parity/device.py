"""One word for a device in every runtime: `cpu`, `cuda`, `cuda:1`, `npu`, `npu:0`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from triport.reference_models.errors import TriportError

_PATTERN = re.compile(r"(cpu|cuda|npu)(?::(\d+))?")


class DeviceError(TriportError):
    """The device is not there, or the runtime as installed cannot use it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as every runner understands it; `str()` gives the word with its index."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


def parse_device(word: str) -> Device:
    """Return the device that `word` means.

    Raises:
        DeviceError: the word is none of `cpu`, `cuda[:i]`, `npu[:i]`.
    """
    found = _PATTERN.fullmatch(word)
    if found is None or (found[1] == "cpu" and found[2] is not None):
        raise DeviceError(f"device {word!r} is not known: use cpu, cuda, cuda:0, npu or npu:0")
    return Device(found[1], int(found[2] or 0))
