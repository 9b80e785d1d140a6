"""Which functions run is seen beside a profiler of the user's, and that goes on as before."""

import cProfile
import pstats
import sys

import pytest

from triport.converters.networks.marked_code import noted_calls


def _noted():
    def inner():
        return 3

    codes = {}
    with noted_calls(lambda frame: frame.f_code is inner.__code__, codes):
        assert inner() == 3
    return [*codes] == [inner.__code__]


def _later():
    return 7


def test_a_profiler_in_c_goes_on_afterwards():
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        assert _noted()
        _later()
        _later()
    finally:
        profiler.disable()
    calls = {name: numbers[0] for (_, _, name), numbers in pstats.Stats(profiler).stats.items()}
    assert calls["_noted"] == 1 and calls["_later"] == 2


def test_a_profiler_in_python_sees_every_call():
    seen = []

    def mine(frame, event, given):
        if event == "call":
            seen.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(mine)
    try:
        assert _noted()
        _later()
    finally:
        found = sys.getprofile()
        sys.setprofile(before)
    assert found is mine
    assert seen.index("inner") < seen.index("_later")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_none_stays_none(error):
    before = sys.getprofile()
    with pytest.raises(error), noted_calls(lambda frame: False, {}):
        raise error
    assert sys.getprofile() is before
