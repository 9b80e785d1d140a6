"""Any Cell and any .mindir file, from the command line and as functions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.mindir.conftest import check_model, make_input, run_mindspore, run_onnx
from triport.converters.mindir import export
from triport.converters.mindir.export import exported_mindir, mindir_bytes_from_cell
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs import judge, proof
from triport.parity.graphs.convert import convert_cell, convert_mindir, result_of
from triport.parity.judge.noise import nudged
from triport.reference_models.errors import TriportError

MODULE = '''
import mindspore
from mindspore import nn, ops


class Lookup(nn.Cell):
    """Two inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.head = nn.Dense(8, 4)

    def construct(self, ids, mask):
        return self.head(self.table(ids) * mask.expand_dims(-1)), mask.sum(1)


def make_lookup():
    return Lookup()


class Plain(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def construct(self, x):
        return ops.relu(self.conv(x))


class Chaotic(nn.Cell):
    """A change in the last bit of the input decides the output."""

    def construct(self, x):
        return ops.sin(x * 1e7)


def make_nothing():
    return 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a module of Cells, on sys.path."""
    path = tmp_path_factory.mktemp("any")
    (path / "some_cells.py").write_text(MODULE)
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))


@pytest.fixture(scope="module")
def cells(folder: Path) -> Any:
    import some_cells

    return some_cells


@pytest.fixture(scope="module")
def mindir(folder: Path, cells: Any) -> Path:
    path = folder / "plain.mindir"
    path.write_bytes(mindir_bytes_from_cell(cells.Plain(), (2, 3, 8, 8)))
    return path


def test_command_line_mindir(run_cli: Callable[..., Any], mindir: Path, tmp_path: Path) -> None:
    output = tmp_path / "plain.onnx"
    result = run_cli("convert", mindir, "--to", "onnx", "-o", output, "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["comparison"]["verdict"] == "equal"
    assert (found["batch"], found["tensors_written"], found["round_trip"]) == ("free", 1, "bit-equal")
    assert found["inputs"] == ["input (N, 3, 8, 8) float"]
    check_model(onnx.load(output))


def test_command_line_knows_mindir_by_content(
    run_cli: Callable[..., Any], mindir: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "graph.bin"
    renamed.write_bytes(mindir.read_bytes())
    output = tmp_path / "x.onnx"
    arguments = ("--to", "onnx", "-o", output, "--no-check", "--opset", "11")
    result = run_cli("convert", renamed, *arguments)
    assert result.exit_code == 0, result.output
    assert "not asked for" in result.output
    assert onnx.load(output).opset_import[0].version == 11


def test_command_line_cell(run_cli: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "lookup.onnx"
    result = run_cli(
        *("convert", "--from", "mindspore", "--to", "onnx", "--cell", "some_cells:make_lookup"),
        *("--input", "2x5:int32", "--input", "2x5", "-o", output),
    )
    assert result.exit_code == 0, result.output
    assert "equal: MindSpore and ONNX Runtime differ by" in result.output
    model = onnx.load(output)
    assert [value.name for value in model.graph.input] == ["ids", "mask"]
    assert [value.name for value in model.graph.output] == ["output_0", "output_1"]


def test_needs_no_mindspore(mindir: Path, tmp_path: Path) -> None:
    """With MindSpore, ONNX Runtime and torch hidden, a .mindir is still converted, and it is said."""
    code = (
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('mindspore', 'onnxruntime', 'torch'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "hidden = ('mindspore', 'onnxruntime')\n"
        "importlib.util.find_spec = lambda n, p=None: None if n in hidden else real(n, p)\n"
        "sys.argv = ['cli.py', 'convert', *sys.argv[1:]]\n"
        "import cli; cli.main()\n"
    )
    output = tmp_path / "bare.onnx"
    command = [sys.executable, "-c", code, str(mindir), "--to", "onnx", "-o", str(output)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "onnxruntime is not installed" in result.stdout
    assert output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "pytorch", "--cell", "a:b"), "--to onnx writes"),
        (("--to", "onnx", "--cell", "some_cells:Plain"), "the shape of each of its inputs"),
        (("--to", "onnx", "--cell", "some_cells:Absent", "--input", "2x3"), "no attribute 'Absent'"),
        (("--to", "onnx", "--cell", "some_cells:make_nothing", "--input", "2x3"), "makes a int, not a"),
        (("--to", "onnx", "--cell", "no_such_module:f", "--input", "2x3"), "No module named"),
        (("--to", "onnx", "--cell", "some_cells", "--input", "2x3"), "expected package.module:factory"),
        (("--to", "onnx", "--cell", "some_cells:Plain", "--input", "2x3"), "MindSpore cannot export"),
        (("--to", "onnx", "--input", "2x3"), "which with --cell"),
        (("--to", "onnx", "--no-check"), "--no-check is for"),
        (("--to", "onnx", "--cell", "a:b", "--model", "resnet50"), "leave --model out"),
    ],
)
def test_bad_usage(
    run_cli: Callable[..., Any],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("convert", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.glob("*.onnx")) == []


def test_checkpoint(cells: Any, tmp_path: Path) -> None:
    import mindspore

    trained = cells.Plain()
    values = make_input(trained.conv.weight.shape)
    trained.conv.weight.set_data(mindspore.Tensor(values))
    path = tmp_path / "plain.ckpt"
    mindspore.save_checkpoint(trained, str(path))
    output = tmp_path / "plain.onnx"
    convert_cell("some_cells:Plain", [InputSpec((2, 3, 8, 8))], output, checkpoint=path)
    (weight,) = onnx.load(output).graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), values)


def test_checkpoint_of_another_cell(cells: Any, tmp_path: Path) -> None:
    import mindspore

    path = tmp_path / "lookup.ckpt"
    mindspore.save_checkpoint(cells.Lookup(), str(path))
    with pytest.raises(TriportError, match=r"does not fit the Cell\n  conv.weight: in the Cell, not in"):
        convert_cell(cells.Plain(), [InputSpec((2, 3, 8, 8))], tmp_path / "x.onnx", checkpoint=path)


def test_what_differs_is_not_kept(cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = proof.run_cell
    monkeypatch.setattr(proof, "run_cell", lambda *given: [array * 1.001 for array in run(*given)])
    output = tmp_path / "plain.onnx"
    done = result_of(lambda: convert_cell(cells.Plain(), [InputSpec((2, 3, 8, 8))], output))
    assert (done.passed, done.comparison.verdict) == (False, "not equal")
    assert list(tmp_path.iterdir()) == []


def test_an_ill_conditioned_net_is_called_that(
    cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sines of 1e7: the libraries' differ as much as a change of the input in its last bit moves them."""
    run = judge.run_onnx

    def run_changed(session: Any, inputs: Any) -> Any:
        random = np.random.default_rng(9)
        return run(session, [nudged(array, random) for array in inputs])

    for module in (proof, judge):
        monkeypatch.setattr(module, "run_onnx", run_changed)
    done = convert_cell(cells.Chaotic(), [InputSpec((2, 3))], tmp_path / "x.onnx")
    assert done.comparison.verdict == "ill-conditioned"
    assert done.comparison.noise is not None and done.comparison.noise > 0.1


def test_two_gigabytes_lie_beside(cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triport.parity.graphs.convert.EXTERNAL_DATA_BYTES", 100)
    output = tmp_path / "plain.onnx"
    done = convert_cell(cells.Plain(), [InputSpec((2, 3, 8, 8))], output)
    assert done.comparison.verdict == "equal"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.onnx", "plain.onnx.data"]
    assert output.stat().st_size < 2000
    check_model(onnx.load(output))


def test_parameters_beside_the_graph(cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 1 GB MindSpore writes the parameters into files beside the graph."""
    from mindspore.train import serialization

    monkeypatch.setattr(serialization, "TOTAL_SAVE", 0)
    cell = cells.Plain()
    with exported_mindir(cell, (2, 3, 8, 8)) as path:
        assert path.name == "cell_graph.mindir"
        assert (path.parent / "cell_variables" / "data_0").exists()
        model = export.onnx_from_mindir(path)
        (path.parent / "cell_variables" / "data_0").unlink()
        with pytest.raises(TriportError, match="data_0"):
            export.onnx_from_mindir(path)
    x = make_input((3, 3, 8, 8))
    np.testing.assert_allclose(run_onnx(model, x)[0], run_mindspore(cell, x)[0], atol=1e-6)


def test_a_fixed_batch_is_said(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    cell = build_cell("ops.concat((x, ops.arange(8).reshape(2, 4).astype(ms.float32)), 1)")
    done = convert_cell(cell, [InputSpec((2, 4))], tmp_path / "x.onnx")
    assert done.batch.startswith("fixed: the ")
    assert done.inputs == ("input (2, 4) float",)


def test_images_that_see_each_other(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    """A Cell is asked at other sizes; of a file with one size nobody knows what a number in it is."""
    cell = build_cell("x - ops.cumsum(x, 0)")
    done = convert_cell(cell, [InputSpec((2, 4))], tmp_path / "x.onnx")
    assert (done.batch, done.comparison.verdict) == ("free", "equal")
    assert done.comparison.batch_sizes == (5, 1)
    source = tmp_path / "x.mindir"
    source.write_bytes(mindir_bytes_from_cell(cell, (2, 4)))
    done = convert_mindir(source, tmp_path / "y.onnx")
    assert "is not the same, image by image" in done.batch
    assert (done.inputs, done.comparison.verdict) == (("input (2, 4) float",), "equal")


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_element_types(build_cell: Callable[[str], Any], tmp_path: Path, dtype: str) -> None:
    cell = build_cell("ops.concat((x + x, x * 2), 1)")
    done = convert_cell(cell, [InputSpec((2, 4), dtype)], tmp_path / "x.onnx")
    assert done.comparison.verdict == "equal"


def test_no_such_file(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    result = run_cli("convert", tmp_path / "absent.mindir", "--to", "onnx")
    assert result.exit_code == 2
    assert "absent.mindir" in result.output


@pytest.mark.slow
def test_twenty_cells_twice_each(cells: Any) -> None:
    """A second ONNX export of MindSpore's own in a process fails."""
    for _ in range(20):
        cell = cells.Plain()
        first, second = (
            export.onnx_from_mindir(mindir_bytes_from_cell(cell, (2, 3, 8, 8))) for _ in range(2)
        )
        assert first.graph.node == second.graph.node


def test_mindir_functions(mindir: Path, tmp_path: Path) -> None:
    assert convert_mindir(mindir, tmp_path / "x.onnx").comparison.verdict == "equal"
