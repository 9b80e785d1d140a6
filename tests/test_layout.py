"""The layout's rules: imports go one way, and frameworks stay where they belong."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "triport"
# lowest first; the two modules for users' own networks are part of the API
LAYERS = ["reference_models", "converters", "parity", "publishing", "api", "commands", "cli"]
MODULES = {"torch.py": "api", "mindspore.py": "api", "cli.py": "cli"}
FRAMEWORKS = {"torch", "mindspore", "onnxruntime", "torch_npu"}
# what imports a framework, at any depth of the file
AT_HOME = (
    "reference_models/layers_torch.py",
    "reference_models/layers_mindspore.py",
    "reference_models/*/net_torch.py",
    "reference_models/*/net_mindspore.py",
    "converters/environment.py",
    "converters/onnx_from_torch.py",
    "converters/onnx_from_mindspore.py",
    "converters/mindir/export.py",
    "converters/mindir/runs.py",
    "converters/mindir/origins.py",
    "parity/runners/*.py",
    "parity/ranks/*.py",
    "parity/doctor.py",
    "api/models.py",  # names their types
    "torch.py",
    "mindspore.py",
)
FILES = [
    *(Path(name) for name in MODULES),
    *(
        path.relative_to(ROOT)
        for layer in LAYERS
        if (ROOT / layer).is_dir()
        for path in sorted((ROOT / layer).rglob("*.py"))
    ),
]


def imported(path):
    """Return what a file imports from, in functions too: frameworks as they are, ours as triport.<layer>."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (_package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield _package(node.module)
            if node.module == "triport":
                yield from (_package(f"triport.{alias.name}") for alias in node.names)


def _package(module):
    """Return the framework or the layer that a module belongs to."""
    words = module.split(".")
    if words[0] != "triport" or len(words) == 1:
        return words[0]
    return f"triport.{MODULES.get(f'{words[1]}.py', words[1])}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_one_way(path):
    layer = MODULES.get(path.name, path.parts[0]) if len(path.parts) == 1 else path.parts[0]
    above = {f"triport.{name}" for name in LAYERS[LAYERS.index(layer) + 1 :]}
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
    "family", sorted(p.parent.name for p in (ROOT / "reference_models").glob("*/__init__.py"))
)
def test_a_family_is_the_same_four_files(family):
    found = {path.name for path in (ROOT / "reference_models" / family).glob("*.py")}
    assert found == {"__init__.py", "spec.py", "net_mindspore.py", "net_torch.py"}
