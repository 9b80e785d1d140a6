"""A graph that may end the process that runs it is run in another one first.

A kernel of ONNX Runtime's own operators may crash on what it does not expect, as its Attention does without a
bias: then there is no error to catch. Graphs of the standard's operators alone are not run twice.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.subgraphs import graphs_in
from triport.reference_models.errors import TriportError

_STANDARD = ("", "ai.onnx")
_KNOWN = "com.microsoft.Attention"
_RUN = """
import sys
import numpy
import onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, sys.argv[2])
options.intra_op_num_threads = 1
options.log_severity_level = 4
try:
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
except Exception:
    session = None  # an error is met again where the graph is run in earnest
print("done", flush=True)
for line in sys.stdin:
    try:
        arrays = numpy.load(line.rstrip("\\n"), allow_pickle=False)
        session.run(None, {each.name: arrays[f"arr_{i}"] for i, each in enumerate(session.get_inputs())})
    except Exception:
        pass
    print("done", flush=True)
"""


class OnnxCrashError(TriportError):
    """ONNX Runtime would end the process that runs a file."""


def foreign_operators(model: Any) -> list[str]:
    """Return the operators of an onnx.ModelProto that are neither the standard's nor functions of its own."""
    own = {(function.domain, function.name) for function in model.functions}
    nodes = [node for graph in graphs_in(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    found = {(n.domain, n.op_type) for n in nodes if n.domain not in _STANDARD} - own
    return sorted(f"{domain}.{name}" for domain, name in found)


class Forerunner:
    """Another process that loads a file and runs it on inputs first, where it has foreign operators."""

    def __init__(
        self, model: Path | bytes, operators: Sequence[str], what: str, *, optimize: bool = False
    ) -> None:
        """Load the file or its bytes, if there are `operators` that are not the standard's.

        Raises:
            OnnxCrashError: ONNX Runtime crashes.
        """
        self._operators, self._what = operators, what
        self._process: Any = None
        self._shapes: set[tuple[tuple[int, ...], ...]] = set()
        self._lock = threading.Lock()
        if not operators:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="triport-")
        path = model
        if isinstance(model, bytes):
            path = Path(self._folder.name) / "model.onnx"
            path.write_bytes(model)
        level = "ORT_ENABLE_ALL" if optimize else "ORT_DISABLE_ALL"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(path), level],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._end = weakref.finalize(self, _end, self._process, self._folder)
        self._await()

    @classmethod
    def of_file(cls, path: Path) -> Forerunner:
        """Return one of a file, without optimisation.

        Raises:
            OnnxCrashError: ONNX Runtime crashes.
        """
        from triport.converters.onnx_import.large_tensors import read_parts

        return cls(path, foreign_operators(read_parts(path)[0]), str(path))

    def __enter__(self) -> Forerunner:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process; without a `with`, it ends when the last name of this object goes."""
        if self._process is not None:
            self._end()

    def check(self, feed: Mapping[str, np.ndarray]) -> None:
        """Raise OnnxCrashError if ONNX Runtime crashes on an input, given in the inputs' order."""
        if self._process is None:
            return
        with self._lock:
            arrays = Path(self._folder.name) / "inputs.npz"
            np.savez(arrays, *feed.values())
            self._process.stdin.write(f"{arrays}\n")
            self._process.stdin.flush()
            self._await()

    def check_shapes(self, feed: Mapping[str, np.ndarray]) -> None:
        """Raise OnnxCrashError if ONNX Runtime crashes on the first input of these shapes; see `check`."""
        shapes = tuple(array.shape for array in feed.values())
        if self._process is not None and shapes not in self._shapes:
            self.check(feed)
            self._shapes.add(shapes)

    def _await(self) -> None:
        if self._process.stdout.readline():
            return
        code = self._process.wait()
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        known = ". Attention without a bias is known to crash it: give it a bias of zeros"
        raise OnnxCrashError(
            f"{self._what}: ONNX Runtime crashes on it ({how}), as a process of its own has shown. It cannot "
            f"be compared. It has operators that are not the standard's: "
            f"{', '.join(self._operators[:10])}{known if _KNOWN in self._operators else ''}"
        )


def _end(process: subprocess.Popen[str], folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.communicate()
    folder.cleanup()
