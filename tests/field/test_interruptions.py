"""Ctrl-C where it does harm, and what a program that was ended so leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.few_are_quick import one_in
from triport.commands.shared.interrupts import Interruption, ignore_interruptions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def interruption():
    """The handler that the command line installs, in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    handler = Interruption()
    signal.signal(signal.SIGINT, handler)
    yield handler
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, old in before.items():
        signal.signal(number, old)


def _load(folder, text):
    import importlib.util

    path = folder / "loaded_slowly.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("loaded_slowly", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ASKED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.field(
    case="Ctrl-C while protobuf loads",
    source="found by trying: convert x.onnx --to mindspore, cut off at 0.6 s, ended with SIGSEGV",
    outcome="The loading ends first, as with MindSpore, then the exit code is 130.",
)
def test_a_module_is_loaded_before_an_interruption(interruption, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _load(tmp_path, f"{_ASKED}time.sleep(0.1)\nopen({str(tmp_path / 'loaded')!r}, 'w').close()\n")
        time.sleep(5)
    assert (tmp_path / "loaded").exists()


@pytest.mark.field(
    case="Ctrl-C twice while the user's own module runs without an end",
    source="found by trying, beside the case before: waiting for it would be waiting for ever",
    outcome="The second one does not wait.",
)
def test_a_second_interruption_does_not_wait(interruption, tmp_path):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _load(tmp_path, f"{_ASKED}time.sleep(0.1)\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n")
    assert time.monotonic() - began < 5
    time.sleep(0.1)  # and none comes after it: one interruption is one


@pytest.mark.field(
    case="Ctrl-C outside of any loading, and after the work",
    source="found by trying: pair, cut off where Python ends, was killed by the signal after its file stood",
    outcome="At once; after the work it is ignored, and the exit code is that of the work.",
)
def test_an_interruption_at_other_times(interruption):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    ignore_interruptions()
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.field(
    case="Ctrl-C while standard input is read",
    source="found by trying: inspect - left the piped weights in the temporary folder",
    outcome="Exit code 130, and nothing is left of them.",
)
def test_standard_input_is_not_left_behind(tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "inspect", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while not list(tmp_path.glob("triport-*/stdin")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)  # its standard input stays open: that it ends is the signal's doing
    process.stdin.close()
    assert process.returncode == 130
    assert b"Interrupted" in process.stderr.read()
    assert not list(tmp_path.iterdir())


@pytest.mark.field(
    case="a Cell that MindSpore cannot compile, or whose compiling Ctrl-C cuts off",
    source="MindSpore 2.10 writes rank_0/om/analyze_fail.ir into the folder in which the user works",
    outcome="It goes into a temporary folder, and away at the end; MS_OM_PATH says otherwise.",
)
@pytest.mark.parametrize("own", one_in(2, [False, True]))
def test_mindspore_leaves_no_dump(own, tmp_path):
    (tmp_path / "refused.py").write_text(
        "from mindspore import nn, ops\n\n\nclass Refused(nn.Cell):\n"
        "    def construct(self, x):\n        return ops.matmul(x, x)\n"
    )
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    environment.pop("MS_OM_PATH", None)
    if own:
        environment["MS_OM_PATH"] = str(tmp_path / "dumps")
    before = set(tmp_path.iterdir())
    words = ["convert", "refused.py:Refused", "--input", "2x5", "--to", "onnx", "-o", "x.onnx"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 2 and b"MindSpore cannot export Refused" in done.stderr
    found = {path.name for path in set(tmp_path.iterdir()) - before} - {"__pycache__"}
    assert found == ({"dumps"} if own else set())
    assert not list((tmp_path / "temporary").glob("triport-*"))
