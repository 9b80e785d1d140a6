"""Images: ranks that share the work."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from triport import convert
from triport.parity.imagenet.preprocess import ImageError
from triport.parity.ranks.rank import RankError
from triport.parity.ranks.together import check_same, together

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits" / "val"
BATCH = 8
HEADING = 2


@pytest.fixture(scope="module")
def digits_onnx(tmp_path_factory):
    """The shipped model in ONNX."""
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    convert(None, to="onnx", output=path)
    return path


class Gathering:
    """Two ranks in one process: the other one gives what `other` makes of this one's."""

    rank, size, backend = 0, 2, "none"

    def __init__(self, other):
        self.other = other

    def gather(self, given):
        return [given, self.other(given)]

    def close(self):
        pass


@pytest.mark.field(
    case="ranks with other weights, or other options",
    source="found by trial (a node's stale copy)",
    outcome="No rank begins; the message says what differs and on which ranks.",
)
def test_ranks_that_differ():
    def other(given):
        changed = given.copy()
        changed[1] ^= 1
        return changed

    facts = {"model": "a", "weights (SHA-256)": "05413688", "options": "c"}
    check_same(Gathering(lambda given: given), facts)
    with pytest.raises(
        RankError, match=r"do not run the same.*\n  weights \(SHA-256\): 05413688.*otherwise than rank 0: 1"
    ):
        check_same(Gathering(other), facts)


@pytest.mark.field(
    case="a rank that cannot begin (no such file on its node)",
    source="vllm-project/vllm#7772, pytorch/pytorch#75512",
    outcome="The others stop and say which one failed, instead of waiting.",
)
def test_a_rank_that_cannot_begin():
    with pytest.raises(RankError, match="rank 1 failed: see its message"):
        together(Gathering(lambda given: given + 1), lambda: "ready")

    def fails():
        raise ImageError("mine")

    with pytest.raises(ImageError, match="mine"):
        together(Gathering(lambda given: given), fails)
    assert together(Gathering(lambda given: given), lambda: "ready") == "ready"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_ranks(commands):
    """Start one process for each command, as torchrun does."""
    port = free_port()
    processes = []
    for rank, command in enumerate(commands):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **{name: str(rank) for name in ("RANK", "LOCAL_RANK")},
            **{name: str(len(commands)) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE")},
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return [(process.communicate(timeout=120), process.returncode) for process in processes]


@pytest.mark.slow
@pytest.mark.field(
    case="two gloo ranks with different weights",
    source="found by trial (a node's stale copy)",
    outcome="Both exit with code 2 and say that the weights differ.",
)
def test_two_ranks_of_other_weights(digits_onnx, tmp_path):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(digits_onnx)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "fc.weight")
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    onnx.save(model, tmp_path / "other.onnx")
    found = start_ranks(
        [["cli.py", "evaluate", file, "--data", DIGITS] for file in (digits_onnx, tmp_path / "other.onnx")]
    )
    for (_, stderr), code in found:
        assert code == 2
        assert "do not run the same" in stderr and "weights (SHA-256)" in stderr
        assert "Traceback" not in stderr


@pytest.mark.slow
@pytest.mark.field(
    case="a gloo rank that has no model file, and one that is killed",
    source="pytorch/pytorch#75512, vllm-project/vllm#7772",
    outcome="The others exit with code 2 and one message, no traceback of gloo's.",
)
@pytest.mark.parametrize("fault", ["no file", "killed"])
def test_a_rank_that_is_gone(fault, digits_onnx, tmp_path):
    words = ["cli.py", "evaluate", digits_onnx, "--data", DIGITS]
    other = ["cli.py", "evaluate", tmp_path / "none.onnx", "--data", DIGITS]
    if fault == "killed":
        script = (
            "import os, signal, sys\n"
            "from triport.parity.imagenet import batches\n"
            "batches.block_of = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
            "from triport.cli import main\n"
            "main(sys.argv[1:])\n"
        )
        other = ["-c", script, *words[1:]]
    (((_, stderr), code), _) = start_ranks([words, other])
    assert code == 2
    assert ("rank 1 failed: see its message" if fault == "no file" else "another rank is gone") in stderr
    assert "Traceback" not in stderr


@pytest.mark.field(
    case="a launcher's environment that is none",
    source="found by trial",
    outcome="One message, exit code 2.",
)
@pytest.mark.parametrize("name", ["WORLD_SIZE", "LOCAL_WORLD_SIZE"])
def test_an_environment_without_numbers(name, digits_onnx, run_cli, monkeypatch):
    monkeypatch.setenv(name, "two")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    found = run_cli("evaluate", digits_onnx, "--data", DIGITS)
    assert found.exit_code == 2
    assert f"{name}='two' in the environment" in found.stderr
