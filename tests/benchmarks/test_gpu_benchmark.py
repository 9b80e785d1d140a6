"""benchmarks/gpu.py on the CPU, as far as it goes there: what it runs, what it says, and its exit code."""

import sys

import pytest

from benchmarks import gpu


@pytest.fixture
def run(monkeypatch, capsys):
    def with_words(*words):
        monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
        return gpu.main(), capsys.readouterr().out

    return with_words


def test_tf32_is_off_and_then_on():
    precisions = [words[words.index("--precision") + 1] for words in gpu.runs("cuda:1")]
    assert precisions == ["float32"] * 5 + ["tf32"] * 5
    assert {words[words.index("--device") + 1] for words in gpu.runs("cuda:1")} == {"cuda:1"}


def test_what_it_prints(run, monkeypatch):
    monkeypatch.setattr(gpu, "MODELS", ("res2net_digits",))
    code, out = run("--device", "cpu")
    assert code == 0
    assert out.count("top-1 99.33 % (97.60 to 99.82)") == 2
    assert out.count(": equal\n") == 2 and "3 commands in" in out


def test_a_device_that_is_not_there_and_no_time(run):
    code, out = run("--device", "npu:0", "--seconds", "0")
    assert code == 2 and out.startswith("0 commands in") and out.count("left out after 0 s: ") == 5
