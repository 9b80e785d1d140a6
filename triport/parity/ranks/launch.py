"""Which launcher started this process, and how it joins the others: `torchrun`, MindSpore's `msrun`, or none.

The launcher is told from the environment it sets; without one, this process is alone.
"""

from __future__ import annotations

import os

from triport.parity.device import DeviceError, parse_device

from .msrun import MsrunRanks
from .rank import Alone, RankError, Ranks
from .torchrun import TorchrunRanks


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
        return MsrunRanks(device if runtime == "mindspore" else "cpu")
    if _stated("WORLD_SIZE") > 1 and "MASTER_ADDR" in os.environ:
        return TorchrunRanks(device if runtime == "pytorch" else "cpu")
    return Alone()
