"""Several processes that share one evaluation, as `torchrun` or MindSpore's `msrun` started them.

The launcher is told from the environment it sets; without one, this process is alone.
"""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np

from triport.parity.device import DeviceError, parse_device
from triport.reference_models.errors import TriportError


class RankError(TriportError):
    """The ranks do not meet, another one failed or is gone, or they do not run the same."""


class Ranks(Protocol):
    """This process among its equals."""

    rank: int
    size: int
    backend: str

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what every rank gave, by rank; all give int32 of one shape.

        Raises:
            RankError: another rank is gone.
        """
        ...

    def close(self) -> None:
        """Leave the others in good order."""
        ...


class Alone:
    """The only process."""

    rank = 0
    size = 1
    backend = "none"

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what was given."""
        return [rows]

    def close(self) -> None:
        """Do nothing."""


def device_of_rank(word: str) -> str:
    """Return the device of this rank: the next one on its machine for each, or the CPU for all.

    Raises:
        DeviceError: there are several ranks, and the word gives all of them the same device.
    """
    if ranks_here() == 1:
        return word
    device = parse_device(word)
    if device.kind == "cpu":
        return word
    if ":" in word:
        raise DeviceError(
            f"{ranks_here()} ranks run here and cannot share {word}: use --device {device.kind}"
        )
    return f"{device.kind}:{os.environ.get('LOCAL_RANK') or os.environ.get('DEVICE_ID') or '0'}"


def ranks_here() -> int:
    """Return how many ranks run on this machine."""
    if "TORCHELASTIC_RUN_ID" in os.environ or "LOCAL_WORLD_SIZE" in os.environ:
        return _stated("LOCAL_WORLD_SIZE")
    if "MS_ROLE" in os.environ:
        return _stated("MS_LOCAL_WORKER_NUM" if os.environ.get("MS_LOCAL_WORKER_NUM") else "MS_WORKER_NUM")
    return 1


def _stated(name: str) -> int:
    """Return the number that the environment states under `name`, 1 without it."""
    word = os.environ.get(name, "1")
    if not word.isdecimal() or int(word) < 1:
        raise RankError(f"{name}={word!r} in the environment: expected how many ranks there are")
    return int(word)


def join(device: str, runtime: str | None) -> Ranks:
    """Return this process's place among the ranks; it waits until all of them are there.

    `device` and `runtime` decide how results travel: NCCL or HCCL where the launcher's own framework
    computes on a GPU or an NPU, gloo or MindSpore's CPU collectives otherwise.

    Raises:
        RankError: the others cannot be reached.
    """
    if "MS_ROLE" in os.environ:
        from .msrun import MsrunRanks

        return MsrunRanks(device if runtime == "mindspore" else "cpu")
    if _stated("WORLD_SIZE") > 1 and "MASTER_ADDR" in os.environ:
        from .torchrun import TorchrunRanks

        return TorchrunRanks(device if runtime == "pytorch" else "cpu")
    return Alone()


def first_line(error: Exception) -> str:
    """Return what an error says before its traces of other languages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
