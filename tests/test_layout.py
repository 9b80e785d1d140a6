"""The layout's rules: imports go one way, and frameworks stay where they belong."""

import ast
from functools import cache
from pathlib import Path

import pytest

from benchmarks import structure

ROOT = Path(__file__).parent.parent / "triport"
# lowest first; the two modules for users' own networks are part of the API
LAYERS = ["reference_models", "converters", "parity", "publishing", "api", "commands", "cli"]
MODULES = {"torch.py": "api", "mindspore.py": "api", "cli.py": "cli"}
FRAMEWORKS = {"torch", "mindspore", "onnxruntime", "openvino", "torch_npu"}
# what imports a framework, at any depth of the file
AT_HOME = (
    "reference_models/layers_torch.py",
    "reference_models/layers_mindspore.py",
    "reference_models/layouts_torch.py",
    "reference_models/*/net_torch.py",
    "reference_models/*/net_mindspore.py",
    "converters/environment.py",
    "converters/onnx_export/from_torch.py",
    "converters/onnx_export/from_mindspore.py",
    "converters/onnx_export/half.py",
    "converters/torch_export/*.py",
    "converters/mindir/export.py",
    "converters/mindir/observed.py",
    "converters/mindir/quiet.py",
    "converters/mindir/observed.py",
    "converters/mindir/origins.py",
    "parity/runtimes/*.py",
    "parity/torch_devices.py",
    "converters/onnx_import/pieces/*/*.py",
    "parity/imported/runs.py",
    "parity/imported/steered.py",
    "parity/pairing/sides/*.py",
    "parity/imported/judge.py",
    "parity/onnx_graphs/quantised.py",
    "converters/networks/registered.py",
    "parity/ranks/*.py",
    "parity/graphs/runs.py",
    "api/models.py",  # names their types
    "api/from_onnx.py",  # likewise
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


@cache
def nodes_of(path):
    """Return all of a file's nodes."""
    return tuple(ast.walk(ast.parse((ROOT / path).read_text())))


def imported(path):
    """Return what a file imports from, in functions too: frameworks as they are, ours as triport.<layer>."""
    for node in nodes_of(path):
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
        for node in nodes_of(path)
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


# --- structure: `python benchmarks/structure.py` lists the places; these numbers only become smaller ---

MOST = {
    structure.circles: 0,
    structure.long_functions: 0,
    structure.wide_functions: 0,
    structure.long_files: 0,
    structure.shared_names: 0,
}


@pytest.mark.parametrize("measure", MOST, ids=lambda measure: measure.__name__)
def test_the_structure_becomes_no_worse(measure):
    found = measure()
    assert len(found) <= MOST[measure], "\n".join(found)


def small_package(root, **files):
    """Write a package and return its folder."""
    package = root / "house"
    package.mkdir()
    for name, text in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(text)
    return package


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "from . import b", "b": "import house.a"}, ["house.a <-> house.b"]),
        (
            {"a": "from .b import x", "b": "from .c import x", "c": "from house import a"},
            ["house.a <-> house.b <-> house.c"],
        ),
        ({"a": "from . import x", "__init__": "from .a import y"}, ["house <-> house.a"]),
        ({"a": "from . import b", "b": "def later():\n    from . import a"}, []),
        ({"a": "from . import b", "b": "if TYPE_CHECKING:\n    from . import a"}, []),
        ({"a": "from . import b", "b": "if True:\n    from . import a"}, ["house.a <-> house.b"]),
    ],
)
def test_an_import_circle_is_found(tmp_path, files, expected):
    assert structure.circles(small_package(tmp_path, **files)) == expected


def test_long_and_wide_functions_and_long_files_are_found(tmp_path):
    wide = "def wide(self, a, b, c, d, e, f, g, *, h, i): pass\n"
    package = small_package(
        tmp_path,
        right="def right(a, b, c, d, e, f, g, h):\n" + "    x = 1\n" * 59,
        wrong=wide + "def wrong():\n" + "    x = 1\n" * 60 + "\n" * 400,
    )
    assert structure.wide_functions(package) == ["house/wrong.py:1 wide: 9"]
    assert structure.long_functions(package) == ["house/wrong.py:2 wrong: 61"]
    assert structure.long_files(package) == ["house/wrong.py: 462"]


def test_classes_with_one_name_are_found(tmp_path):
    package = small_package(
        tmp_path,
        a="class Request:\n    class Inner: pass\nclass _Own: pass\n",
        b="class Request: pass\nclass Inner: pass\nclass _Own: pass\n",
    )
    (package / "family").mkdir()
    for name in ("net_torch", "net_mindspore"):
        (package / "family" / f"{name}.py").write_text("class Block: pass\nclass Request: pass\n")
    assert structure.shared_names(package) == ["Request: house/a.py, house/b.py"]
