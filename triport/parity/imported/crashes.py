"""A graph that may end the process that runs it is run in another one first.

A kernel of ONNX Runtime's own operators may crash on what it does not expect, as its Attention does without a
bias: then there is no error to catch. Graphs of the standard's operators alone are not run twice.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.reading import ImportRefusedError
from triport.converters.onnx_import.subgraphs import graphs_in

_STANDARD = ("", "ai.onnx")
_KNOWN = "com.microsoft.Attention"
_RUN = """
import sys
import numpy
import onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
options.log_severity_level = 4
try:
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
except Exception:
    session = None  # an error is met again where the graph is run to be compared
print("done", flush=True)
for line in sys.stdin:
    try:
        arrays = numpy.load(line.rstrip("\\n"), allow_pickle=False)
        session.run(None, {each.name: arrays[f"arr_{i}"] for i, each in enumerate(session.get_inputs())})
    except Exception:
        pass
    print("done", flush=True)
"""


def foreign_operators(path: Path) -> list[str]:
    """Return the operators of a file's graph that are neither the standard's nor functions of the file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    own = {(function.domain, function.name) for function in model.functions}
    nodes = [node for graph in graphs_in(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    found = {(n.domain, n.op_type) for n in nodes if n.domain not in _STANDARD} - own
    return sorted(f"{domain}.{name}" for domain, name in found)


class Forerunner:
    """Another process that loads a file and runs it on each input first, where it has foreign operators."""

    def __init__(self, path: Path) -> None:
        """Load the file.

        Raises:
            ImportRefusedError: ONNX Runtime crashes.
        """
        self._path, self._operators = path, foreign_operators(path)
        self._process: Any = None
        if self._operators:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._await()

    def __enter__(self) -> Forerunner:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def check(self, feed: dict[str, np.ndarray]) -> None:
        """Raise ImportRefusedError if ONNX Runtime crashes on an input, given in the inputs' order."""
        if self._process is None:
            return
        with tempfile.TemporaryDirectory(prefix="triport-") as folder:
            arrays = Path(folder) / "inputs.npz"
            np.savez(arrays, *feed.values())
            self._process.stdin.write(f"{arrays}\n")
            self._process.stdin.flush()
            self._await()

    def _await(self) -> None:
        if self._process.stdout.readline():
            return
        code = self._process.wait()
        how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
        known = ". Attention without a bias is known to crash it: give it a bias of zeros"
        raise ImportRefusedError(
            f"{self._path}: ONNX Runtime crashes on it ({how}), so that there is nothing to compare source "
            f"with. It has operators that are not the standard's: {', '.join(self._operators[:10])}"
            f"{known if _KNOWN in self._operators else ''}"
        )
