"""Ctrl-C and SIGTERM: an interruption wherever the program is, but for where a module is loaded."""

from __future__ import annotations

import signal
import time
from types import FrameType

_IMPORT_SYSTEM = "<frozen importlib._bootstrap"
_LOOK_AGAIN_S = 0.02
_LONGEST_WAIT_S = 10


class Interruption:
    """A handler of SIGINT and SIGTERM that raises KeyboardInterrupt, once no module is being loaded any more.

    Extension modules crash the interpreter where their loading is cut off, as protobuf's does. A second
    signal does not wait, for a user's own module may never end. `by` is the last signal that was answered.
    """

    def __init__(self) -> None:
        """Have been asked for nothing yet."""
        self._asked_at: float | None = None
        self.by: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Answer SIGINT or SIGTERM, or the alarm by which this looks again."""
        is_alarm = number == signal.SIGALRM
        if not is_alarm:
            self.by = number
        if self._asked_at is None and is_alarm:
            return  # the alarm of one that a second Ctrl-C has answered already
        now = time.monotonic()
        is_second = self._asked_at is not None and not is_alarm
        asked_at = now if self._asked_at is None else self._asked_at
        if _is_loading(frame) and not is_second and now - asked_at < _LONGEST_WAIT_S:
            self._asked_at = asked_at
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S)
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._asked_at = None
        raise KeyboardInterrupt


def ignore_interruptions() -> None:
    """Let the process end by itself: its work is done, and its exit code says how that ended."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_loading(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
            return True
        frame = frame.f_back
    return False
