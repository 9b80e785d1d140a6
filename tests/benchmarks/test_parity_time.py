"""The benchmark's clocks: what a framework does is counted once, under its name."""

import time
from types import SimpleNamespace

from benchmarks import parity_time


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_time_inside_a_timed_call_counts_once(monkeypatch):
    owner = SimpleNamespace(inner=lambda: busy(0.05))
    owner.outer = lambda: (busy(0.05), owner.inner())
    own = owner.inner
    monkeypatch.setattr(parity_time, "TIMED", [(owner, "inner", "inner"), (owner, "outer", "outer")])
    with parity_time.timed() as seconds:
        owner.outer()
        owner.inner()
        busy(0.05)
    assert 0.1 <= seconds["outer"] < 0.2
    assert 0.05 <= seconds["inner"] < 0.1
    assert owner.inner is own


def test_every_timed_name_is_there():
    assert all(callable(getattr(owner, attribute)) for owner, attribute, _ in parity_time.TIMED)
