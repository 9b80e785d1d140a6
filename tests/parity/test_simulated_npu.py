"""The way to an NPU in PyTorch, up to its kernels: on a simulated device, in processes of its own."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import simulated_npu

# all of it is one process of many commands
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ON_NPU = ("--runtimes", "pytorch", "--device", "npu")
DIGITS = ("evaluate", "res2net_digits", "--data", str(ROOT / "examples/digits/val"), "--runtime", "pytorch")
# precision: the types that its convolutions and its BatchNorms run in, and the HF32 switch
PRECISIONS = {
    "float32": ("float32", "float32", False),
    "hf32": ("float32", "float32", True),
    "float16": ("float16", "float16", False),
    "bfloat16": ("bfloat16", "bfloat16", False),
    "O1": ("float16", "float16", False),
    "O2": ("float16", "float16", False),
    "O3": ("float16", "float16", False),
}
PARITY = {
    name: ("parity", "res2net_digits", *ON_NPU, "--precision", name, "--json", "-") for name in PRECISIONS
}
COMMANDS = {
    **PARITY,
    "layers": ("parity", "res2net_digits", *ON_NPU, "--layers", "--isolate", "--json", "-"),
    "gradients": ("parity", "res2net_digits", *ON_NPU, "--gradients", "--json", "-"),
    "evaluate": (*DIGITS, "--device", "npu:1", "--limit", "64", "--json", "-"),
    "on the cpu": (*DIGITS, "--limit", "64", "--json", "-"),
    "index": ("parity", "res2net_digits", "--runtimes", "pytorch", "--device", "npu:2"),
    "tf32": ("parity", "res2net_digits", *ON_NPU, "--precision", "tf32"),
    "faulty": ("parity", "res2net_digits", *ON_NPU, "--layers", "--json", "-"),
    "none": ("parity", "res2net_digits", *ON_NPU),
    "broken": ("parity", "res2net_digits", *ON_NPU),
    "not installed": ("parity", "res2net_digits", *ON_NPU),
}
# One process for all of them: PyTorch takes longest to load.
PROGRAM = """
import json, sys
from click.testing import CliRunner
from tests import simulated_npu
from triport.cli import main

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "torch_npu":
            raise OSError("libhccl.so: cannot open shared object file")

simulated_npu.install(devices=2)
found = {}
for name, words in json.loads(sys.argv[1]).items():
    simulated_npu.CALLS.clear()
    simulated_npu.FAULTS.update({"linear": 1.01, "addmm": 1.01} if name == "faulty" else {})
    if name == "none":
        simulated_npu._state.devices = 0
    if name == "broken":
        del sys.modules["torch_npu"]
        sys.meta_path.insert(0, Broken())
    if name == "not installed":
        del sys.meta_path[0]
    result = CliRunner().invoke(main, words)
    found[name] = [result.exit_code, result.stdout, result.stderr, dict(simulated_npu.CALLS)]
    simulated_npu.FAULTS.clear()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def results():
    """What each command gives: exit code, stdout, stderr, and the operators that ran on the device."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ran(calls, word):
    """Return in which types, and with which switches, the operators with this word in their names ran."""
    return {tuple(call.split()[1:]) for call in calls if word in call.split()[0]}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_parity(precision, results):
    code, out, err, calls = results[precision]
    assert code == 0, err
    [pair] = json.loads(out)["models"][0]["pairs"]
    convolutions, norms, hf32 = PRECISIONS[precision]
    assert pair["device"] == "npu:0" and 0 < pair["max_rel"] < 0.05
    assert pair["versions"]["torch_npu"] == simulated_npu.VERSION
    assert pair["versions"]["precision"] == precision
    assert pair["versions"]["hf32"] == ("on" if hf32 else "off")
    assert ran(calls, "conv") == {(convolutions, f"hf32={hf32}")}
    assert ran(calls, "batch_norm") == {(norms,)}


def test_every_module(results):
    code, out, err, _ = results["layers"]
    assert code == 0, err
    [pair] = json.loads(out)["models"][0]["pairs"]
    assert pair["layers"]["passed"] and len(pair["layers"]["modules"]) > 100


def test_training(results):
    code, out, err, calls = results["gradients"]
    assert code == 0, err
    assert '"device": "npu:0"' in out
    assert ran(calls, "convolution_backward") == {("float32", "hf32=False")}


def test_a_kernel_that_computes_otherwise_is_found(results):
    code, out, err, _ = results["faulty"]
    assert code == 1, err
    [pair] = json.loads(out)["models"][0]["pairs"]
    assert not pair["passed"]
    assert [one["module"] for one in pair["layers"]["modules"] if not one["passed"]] == ["fc"]


def test_evaluate(results):
    code, out, err, calls = results["evaluate"]
    assert code == 0, err
    on_npu, on_cpu = json.loads(out), json.loads(results["on the cpu"][1])
    assert (on_npu["device"], on_cpu["device"]) == ("npu:1", "cpu")
    assert on_npu["top1_percent"] == on_cpu["top1_percent"]
    assert calls and not results["on the cpu"][3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("index", "PyTorch sees 2 NPU device(s), numbered from 0: there is no npu:2"),
        ("none", "PyTorch finds no NPU for npu:0: check `npu-smi info`"),
        (
            "broken",
            "torch_npu does not load (libhccl.so: cannot open shared object file). Install Ascend's CANN",
        ),
        ("not installed", "torch_npu does not load (No module named 'torch_npu')"),
        ("tf32", "precision tf32 is of cuda devices; npu:0 has none of it"),
    ],
)
def test_a_device_that_cannot_be_used(name, message, results):
    code, out, err, calls = results[name]
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err
    assert not calls


def torchrun(devices, *words):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}")
    simulated = ("-m", "tests.simulated_npu", "--devices", devices)
    return subprocess.run(
        [sys.executable, *launcher, *simulated, *DIGITS, "--limit", "64", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_ranks_meet_by_hccl(tmp_path, results):
    path = tmp_path / "found.json"
    done = torchrun("2", "--device", "npu", "--json", str(path))
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    # gloo would take no tensor of this device, and the stand-in for HCCL none of another
    assert (found["ranks"], found["device"], found["images"]) == (2, "npu:0", 64)
    assert found["top1_percent"] == json.loads(results["on the cpu"][1])["top1_percent"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "word", "message"),
    [
        ("1", "npu", "PyTorch sees 1 NPU device(s), numbered from 0: there is no npu:1"),
        ("0", "npu", "PyTorch finds no NPU for npu:"),
        ("2", "npu:0", "2 ranks run here and cannot share npu:0: use --device npu"),
    ],
)
def test_ranks_without_a_device(devices, word, message):
    done = torchrun(devices, "--device", word)
    assert done.returncode != 0
    assert f"Error: {message}" in done.stderr
    assert "bug of triport" not in done.stderr
