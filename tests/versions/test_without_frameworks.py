"""The jobs that need no framework, on one trained model: they work with whichever versions are installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import triport
from triport.converters.conversion import SHIPPED

ROOT = Path(__file__).parents[2]
OUTPUTS = ["x.pth", "x.safetensors", "y.ckpt"]


@pytest.fixture
def convert(run_cli, tmp_path):
    """Convert a file, and return what is said of it."""

    def convert(source, name):
        runtime = "mindspore" if name.endswith("ckpt") else "pytorch"
        done = run_cli("convert", source, "--to", runtime, "-o", tmp_path / name, "--json", "-")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return convert


@pytest.mark.parametrize("name", OUTPUTS)
def test_weights_move_and_come_back(name, convert, tmp_path):
    assert convert(SHIPPED, name)["round_trip"] == "bit-equal"
    assert convert(tmp_path / name, "back.ckpt")["round_trip"] == "bit-equal"
    assert triport.diff(SHIPPED, tmp_path / "back.ckpt").passed


def test_a_changed_value_is_found(convert, tmp_path):
    convert(SHIPPED, "x.safetensors")
    data = bytearray((tmp_path / "x.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "x.safetensors").write_bytes(bytes(data))
    assert not triport.diff(SHIPPED, tmp_path / "x.safetensors").passed


@pytest.mark.parametrize("name", OUTPUTS)
def test_inspect_knows_the_model(name, convert, run_cli, tmp_path):
    convert(SHIPPED, name)
    found = json.loads(run_cli("inspect", tmp_path / name, "--json", "-").stdout)
    assert (found["model"], found["num_classes"], found["problems"]) == ("res2net_digits", 10, [])


def test_no_framework_is_imported(tmp_path):
    program = (
        "import sys\nfrom triport.cli import main\n"
        f"try: main(['convert', {str(SHIPPED)!r}, '--to', 'pytorch', '-o', {str(tmp_path / 'x.pth')!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'mindspore', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


IMPORT_ALL = """
import importlib, pathlib, sys
optional = {"torch", "mindspore", "onnxruntime", "openvino", "torch_npu", "PIL", "pyarrow", "scipy"}
root = pathlib.Path("triport")
for path in sorted(root.rglob("*.py")):
    name = ".".join(path.with_suffix("").parts)
    if name == "triport.__main__":
        continue
    try:
        importlib.import_module(name.removesuffix(".__init__"))
    except ImportError as error:
        if (error.name or "").split(".")[0] not in optional:
            print(f"{name}: {error}")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
"""


def test_every_module_can_be_imported_by_this_python():
    """Nothing but a framework or an extra may be missing: no syntax and no library of a newer Python."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
