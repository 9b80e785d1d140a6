"""The table of tested versions, and all that is said of it elsewhere."""

import json
import re
from pathlib import Path

import pytest

from tests.versions import run_core
from triport.converters.versions import installed, tested

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def normal(name):
    """Return a distribution's name as an index compares it."""
    return re.sub(r"[-_.]+", "_", name).lower()


REQUIREMENTS = [
    (normal(name), list(map(str.strip, bounds.split(","))))
    for name, bounds in re.findall(r'"([A-Za-z][\w-]*)(>=[^";]*|==[^";]*)[";]', PYPROJECT)
]
CONSTRAINTS = {
    normal(line.split("==")[0]): line.split("==")[1]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
}


@pytest.mark.parametrize("package", [name for name in tested.packages() if name != "python"])
def test_pyproject_asks_for_the_oldest_that_is_tested(package):
    bounds = [part for name, parts in REQUIREMENTS if name == package for part in parts]
    lowest = {part.removeprefix(">=") for part in bounds if part.startswith(">=")}
    oldest = tested.numbers_of(tested.tested_versions(package)[0])
    if not lowest:  # not asked for by itself
        assert package not in PYPROJECT
    for version in lowest:
        numbers = tested.numbers_of(version)
        assert numbers == oldest or not any(oldest[len(numbers) :]), (version, oldest)
        assert oldest[: len(numbers)] == numbers


def test_pyproject_asks_for_the_oldest_python():
    oldest = tested.tested_versions("python")[0]
    assert f'requires-python = ">={oldest}"' in PYPROJECT
    assert f'target-version = "py{oldest.replace(".", "")}"' in PYPROJECT
    assert f'python_version = "{oldest}"' in PYPROJECT


def test_the_classifiers_are_the_pythons_that_are_tested():
    named = re.findall(r"Programming Language :: Python :: (\d\.\d+)", PYPROJECT)
    assert named == tested.tested_versions("python")


@pytest.mark.parametrize("package", tested.SETS["newest"].versions)
def test_the_constraints_are_the_newest_set(package):
    assert CONSTRAINTS.get(package) == tested.SETS["newest"].versions[package]


@pytest.mark.parametrize("fault", tested.FAULTS, ids=lambda fault: f"{fault.package} {fault.minor}")
def test_pip_is_told_of_a_version_that_is_wrong(fault):
    assert f"{fault.package}>=" in PYPROJECT
    for name, bounds in REQUIREMENTS:
        if name == fault.package:
            assert f"!={fault.minor}.*" in bounds


@pytest.mark.parametrize(
    ("package", "installed_version", "verdict"),
    [
        ("mindspore", "2.10.0", "tested"),
        ("mindspore", "2.7.2", "tested"),
        ("mindspore", "2.6.0", "older"),
        ("mindspore", "2.11.0rc1", "newer"),
        ("torch", "2.13.0+cpu", "tested"),
        ("torch", "2.0.1", "older"),
        ("torch", "2.5.1", "between"),
        ("torch", "2.14.0", "newer"),
        ("onnxruntime", "1.20.1", "faulty"),
        ("onnxruntime", "1.2.0", "older"),
        # it folds BatchNorm into another function, which 0.5.7 does not
        ("onnxscript", "0.5.6", "older"),
        ("onnxscript", "0.5.7", "tested"),
        ("python", "3.9.18", "older"),
        ("python", "3.13.0", "newer"),
    ],
)
def test_a_version_beside_the_table(package, installed_version, verdict):
    found = tested.standing_of(package, installed_version)
    assert found.verdict == verdict
    assert (found.verdict == "faulty") == bool(found.why)


def test_versions_are_in_order_of_their_numbers():
    assert tested.tested_versions("mindspore") == ["2.7.0", "2.8.0", "2.9.0", "2.10.0"]


def test_doctor_compares_with_the_table(run_cli, monkeypatch):
    asked = {"torch": "2.99.0", "onnxruntime": "1.20.0"}
    real = installed.installed_version
    monkeypatch.setattr(installed, "installed_version", lambda package: asked.get(package) or real(package))
    rows = {row["package"]: row for row in json.loads(run_cli("doctor", "--json", "-").stdout)["versions"]}
    assert rows["torch"]["verdict"] == "newer" and rows["torch"]["newest"] == "2.13.0"
    assert rows["onnxruntime"]["verdict"] == "faulty" and "AveragePool" in rows["onnxruntime"]["why"]
    assert rows["python"]["verdict"] == "tested"
    said = run_cli("doctor").stdout
    assert "torch 2.99.0 is newer than 2.13.0, the newest that is tested" in said
    assert "onnxruntime 1.20.0 is known to be wrong" in said


def test_the_version_stands_in_one_place_and_is_cited():
    import triport

    assert 'version = { attr = "triport.version.__version__" }' in PYPROJECT
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == (
        triport.__version__
    )


@pytest.mark.parametrize(("options", "kept"), [((), True), (("-k", "one"), False)])
def test_only_a_whole_run_of_a_set_is_kept(monkeypatch, tmp_path, options, kept):
    monkeypatch.setattr(run_core, "RAN", tmp_path / "ran.json")
    monkeypatch.setattr(run_core, "wrong_versions", lambda one: [])
    monkeypatch.setattr(run_core.pytest, "main", lambda words, plugins: pytest.ExitCode.OK)

    assert run_core.main("newest", *options) == 0
    assert run_core.RAN.exists() is kept
