"""Run one program and print its CPU seconds, wall seconds and peak memory, as the kernel counts them.

python -I -S benchmarks/measure_process.py PROGRAM ARGUMENT...

A process of its own that imports next to nothing: Linux starts a program's peak memory at that of
the process that launched it, so that a big launcher would hide what a small program takes. PROGRAM
is a path; its output is the caller's. The exit code is PROGRAM's, the figures are the last line.
"""

import os
import posix
import sys
import time


def main() -> None:
    """Run the program and print the figures."""
    start = time.monotonic()
    pid = posix.posix_spawn(sys.argv[1], sys.argv[1:], posix.environ)
    _, status, usage = posix.wait4(pid, 0)
    wall_s = time.monotonic() - start
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(usage.ru_utime + usage.ru_stime, wall_s, peak_bytes, flush=True)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
