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
    count = 2 + len(gpu.MODELS)
    assert precisions[: 2 * count] == ["float32"] * count + ["tf32"] * count
    assert {words[words.index("--device") + 1] for words in gpu.runs("cuda:1", 3)} == {"cuda:1"}


def test_networks_of_timm_are_built_by_its_factory():
    *_, last = gpu.runs("cuda", 2)
    assert last[:4] == ["parity", "timm:create_model('dla46x_c')", "--input", "2x3x128x128"]


@pytest.mark.slow
def test_what_it_prints(run, monkeypatch):
    monkeypatch.setattr(gpu, "MODELS", ("res2net_digits",))
    code, out = run("--device", "cpu", "--jobs", "2")
    assert code == 0
    assert out.count("top-1 99.33 % (97.60 to 99.82)") == 2
    assert out.count(": equal, ") == 2 and out.count(" modules\n") == 2
    assert "113 gradients and the steps: equal" in out
    assert "4 of 4 commands ran in" in out and "in 0 something is not equal" in out


def test_a_device_that_is_not_there_and_no_time(run):
    code, out = run("--device", "npu:0", "--seconds", "0")
    assert code == 2 and out.count("left out: ") == 12 and "0 of 12 commands ran in" in out
