"""The import name: what it offers, what it costs, and that it shadows nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import triport
from tests.few_are_quick import one_in
from triport.converters.conversion import SHIPPED

FRAMEWORKS = ["torch", "mindspore", "onnxruntime", "onnx", "numpy", "rich", "click"]
# in another folder, this checkout's package and no other one's
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(triport.__file__).parents[1])}


def run(words, cwd):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)


def run_python(program, cwd):
    done = run(["-c", program], cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", triport.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(triport, name)
    assert name in dir(triport)
    assert name in ("SHIPPED", "__version__") or value.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'triport' has no attribute 'load'"):
        _ = triport.load


def test_importing_costs_no_framework_and_little_time(tmp_path):
    program = (
        f"import sys, time\nstart = time.perf_counter()\nimport triport\ntook = time.perf_counter() - start\n"
        f"import json; print(json.dumps([took, [name for name in {FRAMEWORKS} if name in sys.modules]]))"
    )
    took, loaded = json.loads(run_python(program, tmp_path))
    assert loaded == []
    assert took < 0.1  # 3 ms on an idle machine


@pytest.mark.parametrize(
    "before",
    ["", "import triport.parity.doctor;", "from triport import parity;", "import triport.api.parity;"],
)
def test_parity_is_the_function_whatever_was_imported_before(before, tmp_path):
    program = f"{before}import triport\ntry: triport.parity()\nexcept triport.Error as error: print(error)"
    assert "name a model or a file" in run_python(program, tmp_path)


@pytest.mark.parametrize("framework", one_in(2, ["torch", "mindspore"]))
def test_its_modules_do_not_shadow_the_frameworks(framework, tmp_path):
    program = f"import triport.{framework}, {framework}\nprint({framework}.__file__)"
    assert "site-packages" in run_python(program, tmp_path)


def test_folders_of_a_project_that_are_called_as_ours_are_left_alone(tmp_path):
    for name in ("commands", "converters", "parity", "publishing", "reference_models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('of the project')")
    (tmp_path / "cli.py").write_text("raise RuntimeError('of the project')")
    done = run(["-m", "triport", "inspect", str(SHIPPED), "--json", "-"], tmp_path)
    assert json.loads(done.stdout)["model"] == "res2net_digits"


def test_star_import_loads_no_framework(tmp_path):
    program = "from triport import *\nimport sys\nprint('torch' in sys.modules, 'mindspore' in sys.modules)"
    assert run_python(program, tmp_path).split() == ["False", "False"]
