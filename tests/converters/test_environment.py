import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from triport.converters import environment

ROOT = Path(__file__).parents[2]
NAMES = ("ONEDNN_MAX_CPU_ISA", "GLOG_v", "TORCH_DEVICE_BACKEND_AUTOLOAD", "OMP_WAIT_POLICY")


def _run(code, **variables):
    variables = {**{name: os.environ[name] for name in os.environ if name not in NAMES}, **variables}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables,
        check=True,
    )


SHOW = """
import os, sys
from triport.converters.networks.registered import of_model
from triport.converters import environment
environment.prepare(sys.argv[1] if len(sys.argv) > 1 else "cpu")
print(environment.recorded())
assert not {"torch", "mindspore", "onnxruntime"} & set(sys.modules)
"""


def test_defaults_are_set_and_recorded():
    assert ast.literal_eval(_run(SHOW).stdout) == {
        "ONEDNN_MAX_CPU_ISA": "AVX2 (set by triport)",
        "GLOG_v": "3 (set by triport)",
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0 (set by triport)",
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_has_set_is_left_alone(name):
    assert ast.literal_eval(_run(SHOW, **{name: "1"}).stdout)[name] == "1"


def test_no_cpu_instruction_set_for_other_devices():
    found = _run(SHOW.replace('"cpu"', '"npu"')).stdout
    assert "ONEDNN" not in found


MINDSPORE = """
from triport.converters.networks.registered import of_model
from triport.parity.batches import random_batch
from triport.parity.subjects.random_weights import random_parameters
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.reference_models.spec import get_model
spec = get_model("resnet18")
runner = MindSporeRunner(of_model(spec, 10), random_parameters(spec, 10), mode={mode!r})
runner.run({{"input": random_batch(spec, 1, size_px=32)}})
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pynative", "graph"])
def test_mindspore_is_quiet_from_import_to_exit(mode):
    result = _run(MINDSPORE.format(mode=mode))
    assert result.stdout + result.stderr == ""


@pytest.mark.parametrize(("owner", "shown"), [("Cell", False), ("Other", True)])
def test_errors_of_deleted_cells_alone_are_hidden(owner, shown):
    code = f"""
from triport.converters import environment
environment.prepare()
class {owner}:
    def __del__(self):
        raise RuntimeError("from __del__")
{owner}()
kept = {owner}()
"""
    result = _run(code)
    assert result.stderr.count("from __del__") == (2 if shown else 0)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("ModuleNotFoundError('no', name='torch')", 'Install it: pip install "triport[pytorch]"'),
        ("ModuleNotFoundError('no', name='sympy')", "It is installed, and what it needs is missing"),
        ("ImportError('libtorch_cpu.so: no room')", "It is installed, and what it needs is missing"),
    ],
)
def test_what_to_do_about_a_framework_that_does_not_load(tmp_path, monkeypatch, error, advice):
    (tmp_path / "torch.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(environment.MissingRuntimeError, match=re.escape(advice)):
        environment.import_torch()
