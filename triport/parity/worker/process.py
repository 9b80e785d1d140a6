"""A second Python process and what it is asked; it ends with this one, however this one ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triport.converters.environment import as_given
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays

from .failures import check_answer
from .messages import receive, send

ONE_PROCESS = "TRIPORT_ONE_PROCESS"
_SECONDS_TO_END = 10.0
_MAIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from triport.parity.worker.serving import main; main(int(sys.argv[1]))"
)


class WorkerEndedError(TriportError):
    """The other process ended before its answer came."""


@dataclass(slots=True, eq=False)
class Answer:
    """What will be answered; asking for it waits until it is, and `waited` says how long that was."""

    worker: WorkerProcess
    words: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    waited: float = 0.0

    def get(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the words and arrays.

        Raises:
            WorkerEndedError: the process ended before.
            Exception: what was raised there, under its own name.
        """
        start = time.perf_counter()
        while not self.words:
            self.worker.take()
        self.waited += time.perf_counter() - start
        check_answer(self.words)
        return self.words, self.arrays

    def unseen(self) -> float:
        """Return for how many seconds it was worked at while nobody here waited."""
        words, _ = self.get()
        return max(0.0, words["seconds"] - self.waited)


class WorkerProcess:
    """A process that answers in the order in which it is asked, and works while nobody waits for it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-c", _MAIN, str(theirs.fileno()), json.dumps(sys.path)]
            self._process = subprocess.Popen(
                words,
                pass_fds=[theirs.fileno()],
                env=as_given(),
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a framework prints there is no part of a report
                start_new_session=True,  # Ctrl-C is for this process, which then ends that one
            )
        self._connection = ours
        self._awaited: deque[Answer] = deque()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, do: str, words: Mapping[str, Any], arrays: Arrays | None = None) -> Answer:
        """Ask for a job of `serving.Jobs`, and go on.

        Raises:
            WorkerEndedError: the process has ended.
        """
        answer = Answer(self)
        try:
            send(self._connection, {"do": do, **words}, arrays or {})
        except OSError:
            raise self._ended() from None
        self._awaited.append(answer)
        return answer

    def take(self) -> None:
        """Wait for the next answer.

        Raises:
            WorkerEndedError: the process ended before.
        """
        try:
            words, arrays = receive(self._connection)
        except (EOFError, OSError):
            raise self._ended() from None
        answer = self._awaited.popleft()
        answer.words, answer.arrays = words, arrays

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _ended(self) -> WorkerEndedError:
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            how = "closed its connection"
        else:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        memory = ", which the system does where memory runs out" if how.endswith("SIGKILL") else ""
        return WorkerEndedError(
            f"mindspore: the process that runs it {how}{memory}. With {ONE_PROCESS}=1 in the environment it "
            f"runs in this one"
        )
