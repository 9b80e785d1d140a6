"""When MindSpore works in a process of its own: where that is all that it is asked, and it saves time."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from triport.parity.options import Options
from triport.parity.precision import FULL
from triport.parity.runtimes import mindspore

from .process import ONE_PROCESS, WorkerProcess


@contextmanager
def worker_for(options: Options) -> Iterator[WorkerProcess | None]:
    """Give a process that loads MindSpore, and end it; None where this process does it all."""
    worker = _started() if _saves_time(options) else None
    try:
        yield worker
    finally:
        if worker is not None:
            worker.close()


def _saves_time(options: Options) -> bool:
    """Whether MindSpore is asked for outputs alone, on the processor, and no framework is loaded here yet."""
    if os.environ.get(ONE_PROCESS) or os.name != "posix" or _processors() < 2:
        return False
    if options.device != "cpu" or options.precision not in FULL or options.observed:
        return False
    wanted = mindspore.NAME in options.runtimes
    return wanted and not _loaded() and importlib.util.find_spec("mindspore") is not None


def _processors() -> int:
    own = getattr(os, "sched_getaffinity", None)  # of Linux
    return len(own(0)) if own else os.cpu_count() or 1


def _loaded() -> bool:
    return not {"torch", "mindspore"}.isdisjoint(sys.modules)


def _started() -> WorkerProcess | None:
    try:
        return WorkerProcess()
    except OSError:  # no more processes, or no more open files: one can do it all
        return None
