"""The wheel: what it holds, and that it works in another folder, without frameworks where none is needed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from triport.converters.conversion import SHIPPED

ROOT = Path(__file__).parents[2]
DATA = ROOT / "examples" / "digits" / "val"

pytestmark = pytest.mark.slow


def pip(*words):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "triport", source / "triport", ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", source, "--no-deps", "--no-build-isolation", "--no-index", "-w", folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with the wheel installed in it."""
    folder = tmp_path_factory.mktemp("installed") / "site"
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


@pytest.fixture
def project(tmp_path):
    """A user's project, with folders that are called as ours were once."""
    for name in ("commands", "converters", "parity", "publishing", "reference_models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('of the project')")
    return tmp_path


@pytest.fixture
def refused(tmp_path_factory):
    """A folder in which importing a framework fails, as where none is installed."""
    folder = tmp_path_factory.mktemp("refused")
    for name in ("torch", "mindspore", "onnxruntime"):
        (folder / f"{name}.py").write_text(
            f"raise ModuleNotFoundError('{name} is refused here', name='{name}')"
        )
    return folder


def run(words, cwd, *paths):
    """Run a program with these folders first on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=cwd, env=environment)


def run_triport(words, cwd, *paths):
    done = run([sys.executable, "-m", "triport", *words], cwd, *paths)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_one_package_with_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"triport"}
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "triport").rglob("*") if path.is_file()}
    data = {name for name in data if "__pycache__" not in name}
    assert data == {name for name in names if name.startswith("triport/")}


def test_commands_and_api_work_without_frameworks(site, project, refused, published):
    paths = (refused, site)
    assert "res2net_digits" in run_triport(["models"], project, *paths)
    words = ["convert", SHIPPED, "--to", "pytorch", "-o", "x.pth", "--json", "-"]
    assert json.loads(run_triport(words, project, *paths))["round_trip"] == "bit-equal"
    assert json.loads(run_triport(["inspect", "x.pth", "--json", "-"], project, *paths))["problems"] == []
    checks = json.loads(run_triport(["verify", published.folder, "--json", "-"], project, *paths))["checks"]
    assert {check["status"] for check in checks} == {"passed", "not run"}
    program = (
        "import triport\nassert triport.diff(triport.SHIPPED, 'x.pth').passed\nprint(triport.__file__)\n"
        "try: triport.model('res2net_digits').torch()\nexcept triport.Error as error: print(error)"
    )
    done = run([sys.executable, "-c", program], project, *paths)
    where, error = done.stdout.splitlines()
    assert Path(where).is_relative_to(site)
    assert error.startswith("PyTorch cannot be loaded (torch is refused here). Install it")


def test_the_installed_command_calls_itself_triport(site, project, refused):
    done = run([sys.executable, site / "bin" / "triport", "models", "nosuch"], project, refused, site)
    assert done.returncode == 2 and "See `triport models`" in done.stderr
    done = run([sys.executable, site / "bin" / "triport", "convert", "--help"], project, refused, site)
    assert done.stdout.startswith("Usage: triport convert") and "cli.py" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["parity", "res2net_digits", "--runtimes", "mindspore", "--precision", "O2"],
        ["evaluate", SHIPPED, "--data", DATA, "--limit", 20, "--allow-subset", "--precision", "O2"],
    ],
    ids=["parity", "evaluate"],
)
def test_mindspores_amp_works_from_the_installed_form(words, site, project):
    done = run([sys.executable, "-m", "triport", *words, "--json", "-"], project, site)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["precision"] == "O2" if "runtime" in found else found["models"][0]["passed"]
