"""Work in processes that are forked of one that has loaded the libraries: a crash or a hang is a verdict."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


def forked(work: Callable[..., Record], given: tuple[Any, ...], limit_s: float) -> Record:
    """Return what `work(*given)` returns in a process of its own, and how long that took.

    What it raises, a process that ends and one that is not done after `limit_s` seconds are "failed".
    """
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)

    def told() -> None:
        try:
            sender.send(work(*given))
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            sender.send({"verdict": "failed", "why": why})

    process = fork.Process(target=told)
    began = time.monotonic()
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s):
            return {"verdict": "failed", "why": f"not done after {limit_s:.0f} s"}
        return {**receiver.recv(), "process_s": round(time.monotonic() - began, 2)}
    except EOFError:
        process.join()
        return {"verdict": "failed", "why": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()
