"""Standard output and error for a command line: a reader that goes away is no failure."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _PatientFile(io.FileIO):
    """A stream whose reader may close its end, as `| head` does: what nobody reads any more is dropped."""

    def write(self, data: Any) -> int:
        """Write, or drop this and all that follows once nobody reads."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            # of the process, not only of Python: libraries print as well
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def be_patient() -> None:
    """Make sys.stdout and sys.stderr outlive their reader, and print what their encoding lacks escaped.

    One that whoever started us has closed leads nowhere: left closed, the next file that is opened would get
    its number, and a library that prints would write into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.flush()
        patient = io.TextIOWrapper(
            io.BufferedWriter(_PatientFile(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=name == "stderr" or stream.line_buffering,
        )
        setattr(sys, name, patient)
