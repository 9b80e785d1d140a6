"""MindSpore in a process of its own: the same report, the same errors, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triport.parity.check import MissingRuntimeError
from triport.parity.options import Options
from triport.parity.reports.record import json_of
from triport.parity.runtimes import mindspore
from triport.parity.subjects.asked import subjects_of
from triport.parity.subjects.loading import FeedShape, check, loaded_of
from triport.parity.worker import deciding, process
from triport.parity.worker.deciding import worker_for
from triport.parity.worker.failures import RaisedThereError
from triport.parity.worker.messages import send
from triport.parity.worker.process import ONE_PROCESS, WorkerEndedError, WorkerProcess
from triport.reference_models.errors import TriportError

ROOT = Path(__file__).parents[3]
DIGITS = {"model": "res2net_digits", "num_classes": 10}
HOW = {"device": "cpu", "precision": "float32"}
SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def fresh_environment():
    """As in a program that has not run `evaluate` before: what it sets for this process stays in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_WAIT_POLICY", raising=False)
        yield


@pytest.fixture(scope="module")
def worker(fresh_environment):
    started_one = WorkerProcess()
    yield started_one
    started_one.close()


@pytest.fixture
def doomed():
    started_one = WorkerProcess()
    yield started_one
    started_one.close()


@pytest.fixture(scope="module")
def subject():
    (found,) = subjects_of(["res2net_digits"], every=False, weights=None, seed=0)
    return found


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(one) for key, one in value.items() if key != "seconds"}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def is_there(pid):
    """Whether a process runs that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pid):
    end = time.monotonic() + SECONDS
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_there(pid)


def unlike(there, here, place=""):
    """Return where two records differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        return [
            one
            for key in {**there, **here}
            for one in unlike(there.get(key), here.get(key), f"{place}.{key}")
        ]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = enumerate(zip(there, here, strict=True))
        return [one for key, both in pairs for one in unlike(*both, f"{place}[{key}]")]
    return [] if there == here else [f"{place}: {there!r} and {here!r}"]


@pytest.mark.slow
def test_the_report_is_the_one_of_a_single_process(worker, subject):
    here = check(subject, Options(), FeedShape(2))
    there = check(subject, Options(), FeedShape(2), worker=worker)
    apart = unlike(without_seconds(json_of([there])), without_seconds(json_of([here])))
    assert not apart, apart
    pairs = {pair.candidate: pair for pair in there.pairs}
    assert list(pairs) == [pair.candidate for pair in here.pairs]
    assert pairs["mindspore"].seconds > 0.1
    assert pairs["mindspore"].versions["mindspore"]


def test_wrong_values_are_found_there_as_here(worker, subject, monkeypatch):
    """What reaches the other process is what is judged: moved on the way, it is not equal."""

    def moved(connection, words, arrays):
        if words["do"] == "load":
            arrays = {**arrays, "fc.weight": arrays["fc.weight"] * np.float32(1.001)}
        return send(connection, words, arrays)

    monkeypatch.setattr(process, "send", moved)
    report = check(subject, Options(runtimes=("mindspore",)), FeedShape(2), worker=worker)
    assert [pair.passed for pair in report.pairs] == [False]


def test_an_error_of_the_user_is_the_same(worker, subject):
    parameters = dict(loaded_of(subject, 0).parameters)
    del parameters["fc.weight"]
    answer = worker.ask("load", {**DIGITS, **HOW}, parameters)
    with pytest.raises(TriportError) as there:
        answer.get()
    network = loaded_of(subject, 0).network
    with pytest.raises(TriportError) as here:
        mindspore.load(network, parameters)
    assert str(there.value) == str(here.value)
    assert isinstance(there.value.__cause__, RaisedThereError)


def test_after_an_error_it_goes_on(worker, subject):
    with pytest.raises(TriportError, match="no model or weights called 'nothing'"):
        worker.ask("load", {"model": "nothing", "num_classes": 10, **HOW}).get()
    with pytest.raises(TriportError, match="nothing was loaded"):
        worker.ask("run", {}, {}).get()
    words, arrays = worker.ask("trace", {**DIGITS, "size_px": 32}).get()
    assert words["seconds"] > 0 and arrays["mindir"].size > 1000 and words["shapes"]["fc.bias"] == [10]


def test_a_framework_that_does_not_run_a_feed_is_a_finding(worker, subject):
    parameters = loaded_of(subject, 0).parameters
    worker.ask("load", {**DIGITS, **HOW}, parameters).get()
    with pytest.raises(Exception) as raised:
        worker.ask("run", {}, {"input": np.zeros((1, 5, 32, 32), np.float32)}).get()
    assert not isinstance(raised.value, TriportError | MissingRuntimeError)
    assert str(raised.value)


def test_one_that_is_killed_is_said(doomed):
    answer = doomed.ask("trace", {**DIGITS, "size_px": 32})
    os.kill(doomed.pid, signal.SIGKILL)
    with pytest.raises(WorkerEndedError, match=f"SIGKILL.*memory runs out.*{ONE_PROCESS}=1"):
        answer.get()
    with pytest.raises(WorkerEndedError, match="SIGKILL"):
        doomed.ask("trace", {**DIGITS, "size_px": 32}).get()


def test_closing_ends_it_at_once(doomed):
    doomed.ask("trace", {**DIGITS, "size_px": 32})
    doomed.close()
    assert not is_there(doomed.pid)


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
def test_it_does_not_outlive_the_one_that_started_it(signal_name):
    starts = "import time; from triport.parity.worker.process import WorkerProcess as W; w = W(); "
    words = [sys.executable, "-c", f"{starts}print(w.pid, flush=True); time.sleep(600)"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.send_signal(getattr(signal, signal_name))
        parent.wait(SECONDS)
    assert is_gone(pid)


def started(*words):
    """Start the command in a group of its own, as a shell does; return it and its other process."""
    environment = {name: value for name, value in os.environ.items() if name != ONE_PROCESS}
    command = subprocess.Popen(
        [sys.executable, "cli.py", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # wherever the tests run
    )
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    end = time.monotonic() + SECONDS
    while command.poll() is None and not children.read_text().split() and time.monotonic() < end:
        time.sleep(0.05)
    return command, [int(pid) for pid in children.read_text().split()]


@pytest.mark.parametrize("seconds", [0.0, pytest.param(2.5, marks=pytest.mark.slow)])
def test_interrupted_the_command_ends_both(seconds):
    command, children = started("parity", "res2net_digits")
    assert len(children) == 1
    time.sleep(seconds)
    os.killpg(command.pid, signal.SIGINT)
    _, errors = command.communicate(timeout=SECONDS)
    assert command.returncode == 130, errors
    assert "Traceback" not in errors
    assert is_gone(children[0])


@pytest.mark.slow
def test_the_command_prints_its_report_and_nothing_else():
    command, children = started("parity", "res2net_digits", "--json", "-")
    output, errors = command.communicate(timeout=10 * SECONDS)
    assert command.returncode == 0, errors
    (model,) = json.loads(output)["models"]
    assert len(children) == 1 and len(model["pairs"]) == 4
    assert is_gone(children[0])


@pytest.mark.slow
def test_the_command_says_when_the_other_process_was_killed():
    command, children = started("parity", "res2net_digits")
    os.kill(children[0], signal.SIGKILL)
    _, errors = command.communicate(timeout=10 * SECONDS)
    assert command.returncode == 2
    assert "SIGKILL" in errors and "Traceback" not in errors


@pytest.fixture
def fresh(monkeypatch):
    """What decides, in a process without a framework on two processors."""
    monkeypatch.delenv(ONE_PROCESS, raising=False)
    monkeypatch.setattr(deciding, "_loaded", lambda: False)
    monkeypatch.setattr(deciding, "_processors", lambda: 2)
    monkeypatch.setattr(deciding, "_started", lambda: None)
    return lambda options: deciding._saves_time(options)


DEFAULT = Options()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DEFAULT, True),
        (replace(DEFAULT, runtimes=("mindspore",)), True),
        (replace(DEFAULT, precision="O0"), True),
        (replace(DEFAULT, runtimes=("pytorch", "onnx")), False),
        (replace(DEFAULT, precision="float16"), False),
        (replace(DEFAULT, device="cuda:0"), False),
        (replace(DEFAULT, layers=True), False),
        (replace(DEFAULT, isolate=True), False),
    ],
)
def test_when_it_is_asked(fresh, options, expected):
    assert fresh(options) is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("_loaded", lambda: True), ("_processors", lambda: 1)],
    ids=["loaded", "one processor"],
)
def test_when_it_would_save_nothing(fresh, monkeypatch, name, value):
    monkeypatch.setattr(deciding, name, value)
    assert not fresh(DEFAULT)


def test_the_environment_keeps_it_in_one_process(fresh, monkeypatch):
    monkeypatch.setenv(ONE_PROCESS, "1")
    assert not fresh(DEFAULT)


@pytest.mark.slow
def test_where_no_process_can_be_started_one_does_it_all(monkeypatch):
    monkeypatch.setattr(deciding, "_saves_time", lambda options: True)

    def refused():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(deciding, "WorkerProcess", refused)
    with worker_for(DEFAULT) as found:
        assert found is None
