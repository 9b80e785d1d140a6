"""The page of an import: modules and their differences beside the source."""

import html
import re

import numpy as np
import onnx
import pytest

from triport.converters.onnx_import import operators
from triport.converters.onnx_import.expressions import code
from triport.converters.onnx_import.reading import read_model
from triport.converters.onnx_import.tree import blocks_of
from triport.converters.onnx_import.writer import source_of
from triport.parity.imported.page import page_of
from triport.parity.imported.result import ImportedSource, SourceTrial

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return an ONNX file with two equal blocks and a head, one node with a name that is HTML."""
    make, random = onnx.helper.make_node, np.random.default_rng(0)
    nodes, tensors, x = [], [], "x"
    for i in range(2):
        names = [f"blocks.{i}.fc.weight", f"blocks.{i}.fc.bias"]
        arrays = [random.standard_normal(s).astype(np.float32) for s in ((4, 4), (4,))]
        tensors += [onnx.numpy_helper.from_array(a, n) for a, n in zip(arrays, names, strict=True)]
        nodes += [make("Gemm", [x, *names], [f"g{i}"], transB=1, name=f"/blocks.{i}/fc/Gemm")]
        nodes += [make("Relu", [f"g{i}"], [f"r{i}"], name=f"/blocks.{i}/Relu")]
        x = f"r{i}"
    nodes += [make("Tanh", [x], ["y"], name="<script>alert(1)</script>")]
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 4])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 4])],
        tensors,
    )
    path = tmp_path_factory.mktemp("network") / "blocks.onnx"
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)
    return path


def source_of_file(path):
    """Return the source of a file for PyTorch."""
    model = read_model(path)
    return source_of(model, "pytorch", "net", blocks_of(model.graph))


def rows_of(page):
    """Return the paths of the page's modules, and how far each is apart."""
    found = re.findall(
        r"<code>([^<]*)</code></a>.*?<td class=\"number\">([\d.e+-]+|inf)</td>\s*<td><div", page, re.S
    )
    return {path: float(error) for path, error in found}


@pytest.mark.parametrize("target", operators.TARGETS)
def test_page_has_modules_source_and_differences(target, network, tmp_path, run_cli):
    page_path = tmp_path / "page.html"
    done = run_cli("convert", network, "--to", target, "-o", tmp_path / "net", "--report", page_path)
    assert done.exit_code == 0, done.stderr
    page = page_path.read_text()
    rows = rows_of(page)
    assert list(rows) == ["the network", "blocks.0", "blocks.1"]
    assert all(error < 2e-6 for error in rows.values())
    source = (tmp_path / "net" / "blocks.py").read_text()
    shown = html.unescape("\n".join(re.findall(r"<span[^>]*>(.*?)</span>", page)))
    assert [line.rstrip() for line in shown.splitlines()] == source.splitlines()
    assert "<script" not in page and "&lt;script&gt;" in page and "http:" not in page


def test_page_of_a_wrong_translation_shows_where(network, tmp_path, run_cli, monkeypatch):
    known = operators._REGISTRY["", "Relu", "pytorch"]
    broken = type(known[0])("", "Relu", "pytorch", 1, 28, lambda call: code("F.relu6(x)", x=call.tensor(0)))
    monkeypatch.setitem(operators._REGISTRY, ("", "Relu", "pytorch"), [broken])
    operators.load_operators.cache_clear()
    page_path = tmp_path / "page.html"
    done = run_cli("convert", network, "--to", "pytorch", "-o", tmp_path / "net", "--report", page_path)
    monkeypatch.setitem(operators._REGISTRY, ("", "Relu", "pytorch"), known)
    operators.load_operators.cache_clear()
    assert done.exit_code == 1
    page = page_path.read_text()
    assert "NOT equal" in page and "DIFFERENT" in page
    assert rows_of(page)["blocks.0"] > 1e-3
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("judged_by", "said"),
    [("runtime", "computes what ONNX Runtime does"), ("reference", "from which ONNX Runtime is off")],
)
def test_the_page_does_not_say_that_onnx_runtime_is_right_where_it_is_off(judged_by, said, network):
    trials = (
        SourceTrial(("x [2, 4]",), 0.0, "runtime", True),
        SourceTrial(("x [3, 4]",), 0.1, judged_by, True),
    )
    done = ImportedSource(str(network), "net", "pytorch", 5, 20, 2, 4, (), trials)
    page = page_of(network, source_of_file(network), done, "net.onnx")
    verdict = re.search(r'id="verdict">([^<]*)<', page)
    assert verdict is not None and verdict[1].endswith(said)


def test_a_page_is_of_source_alone(network, tmp_path, run_cli):
    page_path = tmp_path / "page.html"
    done = run_cli("convert", network, "--to", "pytorch", "-o", tmp_path / "net.pth", "--report", page_path)
    assert done.exit_code == 2
    assert "is of a graph's source: name a folder with -o" in done.stderr
    assert not page_path.exists()
