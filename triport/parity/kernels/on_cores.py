"""On how many cores PyTorch computes for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_cores(torch: Any, cores: int) -> Iterator[None]:
    """Compute each operator on so many cores: one number for all threads that begin within."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        yield
    finally:
        torch.set_num_threads(before)
