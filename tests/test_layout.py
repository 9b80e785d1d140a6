"""The layout's rules: imports go one way, and frameworks stay where they belong."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "triport"
LAYERS = ["reference_models", "converters", "parity", "publishing", "commands", "cli"]
FRAMEWORKS = {"torch", "mindspore", "onnxruntime", "openvino", "torch_npu"}
# what imports a framework, at any depth of the file
AT_HOME = (
    "reference_models/layers_torch.py",
    "reference_models/layers_mindspore.py",
    "reference_models/layouts_torch.py",
    "reference_models/*/net_torch.py",
    "reference_models/*/net_mindspore.py",
    "converters/environment.py",
    "converters/onnx_from_torch.py",
    "converters/onnx_from_mindspore.py",
    "converters/torch_export/*.py",
    "converters/mindir/export.py",
    "converters/mindir/quiet.py",
    "converters/mindir/origins.py",
    "parity/runtimes/*.py",
    "converters/onnx_import/pieces/*/*.py",
    "parity/imported/runs.py",
    "parity/imported/judge.py",
    "parity/ranks/*.py",
    "parity/doctor.py",
    "parity/graphs/runs.py",
)
FILES = [
    path.relative_to(ROOT)
    for layer in LAYERS
    for path in sorted([ROOT / f"{layer}.py"] if layer == "cli" else (ROOT / layer).rglob("*.py"))
]


def imported(path):
    """Return the frameworks and layers that a file imports from, in functions too."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (_package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield _package(node.module)
            if node.module == "triport":
                yield from (alias.name for alias in node.names)


def _package(module):
    """Return the framework or the layer that a module belongs to."""
    return module.removeprefix("triport.").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_one_way(path):
    layer = path.parts[0].removesuffix(".py")
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert not above & set(imported(path))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_frameworks_are_imported_only_where_they_run(path):
    if not any(path.match(pattern) for pattern in AT_HOME):
        assert not FRAMEWORKS & set(imported(path))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_unpickles_or_evaluates(path):
    assert not {"pickle", "dill", "cloudpickle", "marshal", "shelve"} & set(imported(path))
    calls = {
        node.func.id
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {"eval", "exec"} & calls


@pytest.mark.parametrize(
    "family",
    sorted({p.parent.name for p in (ROOT / "reference_models").glob("*/__init__.py")} - {"kinds"}),
)
def test_a_family_is_the_same_four_files(family):
    found = {path.name for path in (ROOT / "reference_models" / family).glob("*.py")}
    assert found == {"__init__.py", "spec.py", "net_mindspore.py", "net_torch.py"}
