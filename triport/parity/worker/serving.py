"""The other process: it loads MindSpore at once, and does one job after the other until nobody asks."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.environment import import_mindspore
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.from_mindspore import traced
from triport.parity.runtimes import mindspore
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays
from triport.reference_models.spec import get_model

from .failures import words_of
from .messages import receive, send

Reply = tuple[dict[str, Any], Arrays]


def main(descriptor: int) -> None:
    """Serve the process at the other end of this socket."""
    connection = socket.socket(fileno=descriptor)
    asked: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, asked), daemon=True).start()
    jobs = Jobs()
    # whatever fails here fails again, and is said, when the first job needs it
    _done(lambda words, arrays: _imported(), {}, {})
    while True:
        words, arrays = asked.get()
        job: Callable[..., Reply] = getattr(jobs, words.pop("do"))
        said, given = _done(job, words, arrays)
        del arrays
        try:
            send(connection, said, given)
        except OSError:
            os._exit(0)


def _read(connection: socket.socket, asked: queue.SimpleQueue[Reply]) -> None:
    """Take what is asked, so that nobody waits to ask; end the process when the other one is gone."""
    try:
        while True:
            asked.put(receive(connection))
    except (EOFError, OSError):
        os._exit(0)  # whatever it is at: nobody waits for it


def _imported() -> Reply:
    import_mindspore()
    return {}, {}


def _done(job: Callable[..., Reply], words: dict[str, Any], arrays: Arrays) -> Reply:
    """Do a job and return its answer, or what was raised, and how long it took."""
    start = time.perf_counter()
    try:
        said, given = job(words, arrays)
    except Exception as error:
        said, given = words_of(error), {}
    return {**said, "seconds": time.perf_counter() - start}, given


class Jobs:
    """What can be asked for; each takes and returns words and arrays."""

    def __init__(self) -> None:
        self._runner: mindspore.MindSporeRunner | None = None

    def load(self, words: dict[str, Any], arrays: Arrays) -> Reply:
        """Load a registered model with these parameters; the one that was loaded before is let go."""
        self._runner = None
        network = of_model(get_model(words["model"]), words["num_classes"])
        self._runner = mindspore.load(network, arrays, words["device"], words["precision"])
        return {"device": self._runner.device, "versions": self._runner.versions()}, {}

    def run(self, words: dict[str, Any], arrays: Arrays) -> Reply:
        """Run what is loaded."""
        if self._runner is None:
            raise TriportError("nothing was loaded that could be run")
        return {}, self._runner.run(arrays)

    def trace(self, words: dict[str, Any], arrays: Arrays) -> Reply:
        """Return a registered model's MindIR without values for images of a size, and its shapes.

        What is loaded is traced. Nothing else is made of it here: beside MindSpore, protobuf is slow.
        """
        spec, classes = get_model(words["model"]), words["num_classes"]
        cell = (
            self._runner.cell if self._runner else of_model(spec, classes).realisations["mindspore"].build()
        )
        found = traced(replace(spec, input_size_px=words["size_px"]), cell)
        return {"shapes": dict(found.shapes)}, {"mindir": np.frombuffer(found.mindir, np.uint8)}
