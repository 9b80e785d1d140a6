"""CONTRIBUTING.md is true: a family is four files and what docs/generate.py makes of them, nothing else."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILY = Path(__file__).with_name("new_family")

# Writes a checkpoint of the new model with seeded weights, under its MindSpore names.
SEEDED = """
import sys
from triport.converters.formats import ArrayTensor, write_checkpoint
from triport.converters.names import name_map, reference_dialect
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model
from pathlib import Path
spec = get_model("tiny")
names = name_map(spec, reference_dialect(spec, "mindspore"))
values = {names[name]: ArrayTensor(value) for name, value in random_parameters(spec, 10, 0).items()}
write_checkpoint(Path(sys.argv[1]), "mindspore", values)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository with the family dropped in and the generator run; and what that changed."""
    root = tmp_path_factory.mktemp("new_family") / "checkout"
    caches = shutil.ignore_patterns("__pycache__")
    for folder in ("triport", "docs", "tests/field", "tests/versions"):
        shutil.copytree(ROOT / folder, root / folder, ignore=caches)
    shutil.copy(ROOT / "cli.py", root)
    shutil.copytree(FAMILY, root / "triport" / "reference_models" / FAMILY.name, ignore=caches)
    before = contents(root)
    run(root, "docs/generate.py")
    after = contents(root)
    return root, {name for name, text in after.items() if before.get(name) != text}


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def run(root, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkpoint(checkout, tmp_path_factory):
    path = tmp_path_factory.mktemp("seeded") / "tiny.ckpt"
    run(checkout[0], "-c", SEEDED, path)
    return path


@pytest.mark.slow
def test_the_generator_makes_the_rest(checkout):
    assert sorted(path.name for path in FAMILY.glob("*.py")) == [
        *("__init__.py", "net_mindspore.py", "net_torch.py", "spec.py")
    ]
    assert checkout[1] == {
        "docs/models.md",
        "triport/converters/graphs/models/tiny.txt",
        "triport/converters/identification/name_index.json",
        "triport/reference_models/new_family/layouts.txt",
    }


@pytest.mark.slow
def test_its_checkpoint_is_known(checkout, checkpoint):
    found = json.loads(run(checkout[0], "cli.py", "inspect", checkpoint, "--json", "-"))
    assert (found["model"], found["dialect"], found["num_classes"]) == ("tiny", "triport", 10)
    # 3x3 convolutions of 3 and, in two groups, 8 channels; two norms; the head
    assert found["num_parameters"] == 8 * 3 * 9 + 16 + 8 * 4 * 9 + 8 + 16 + 8 * 10 + 10


@pytest.mark.slow
@pytest.mark.parametrize(("target", "ending"), [("pytorch", ".pth"), ("onnx", ".onnx")])
def test_it_is_converted(checkout, checkpoint, tmp_path, target, ending):
    output = tmp_path / f"tiny{ending}"
    words = ("convert", checkpoint, "--to", target, "-o", output, "--json", "-")
    done = json.loads(run(checkout[0], "cli.py", *words))
    assert (done["model"], done["round_trip"]) == ("tiny", "bit-equal")
    found = json.loads(run(checkout[0], "cli.py", "inspect", output, "--json", "-"))
    assert (found["model"], found["problems"]) == ("tiny", [])


@pytest.mark.slow
def test_its_two_definitions_are_compared(checkout, checkpoint):
    """In every runtime, module by module; where one definition computes otherwise it is not equal."""
    root = checkout[0]
    words = ("cli.py", "parity", checkpoint, "--layers", "--json", "-")
    [model] = json.loads(run(root, *words))["models"]
    assert model["passed"]
    assert {pair["candidate"].split(" ")[0] for pair in model["pairs"]} == {
        *("pytorch", "mindspore", "onnxruntime")
    }
    source = root / "triport" / "reference_models" / FAMILY.name / "net_mindspore.py"
    source.write_text(source.read_text().replace("x + self.block(x)", "x - self.block(x)"))
    assert not json.loads(run(root, *words, code=1))["models"][0]["passed"]
