"""A graph of MindSpore where a checkpoint is expected: what it is and what to do, whatever it is called."""

import pytest

BEGINS = b"\x0a\x031.1\x12\x09MindSpore\x1a\x052.10.0"


@pytest.mark.parametrize("words", [("inspect",), ("diagnose", "x.pth")])
def test_it_is_named(words, run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.bin").write_bytes(BEGINS)
    done = run_cli(words[0], "net.bin", *words[1:])
    assert done.exit_code == 2
    assert (
        "net.bin: is a graph of MindSpore (MindIR), not a checkpoint. `convert FILE --to onnx`" in done.stderr
    )


@pytest.mark.parametrize("command", ["inspect", "operators"])
def test_a_network_in_code_is_no_file(command, run_cli):
    done = run_cli(command, "net.py:build")
    assert done.exit_code == 2
    assert "net.py:build: is a network in code, and a file is read here: `convert" in done.stderr
