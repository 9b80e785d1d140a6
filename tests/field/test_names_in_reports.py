"""Names that a file made up, in what others read: cards, pages, JUnit, JSON and the terminal."""

import json
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from triport.publishing.card_text import code, plain

HTML, LINK, CONTROL, BIDI = "<script>alert(1)</script>", "[x](javascript:1)", "\x1b[31m", "\u202e"


@pytest.fixture
def write(tmp_path):
    """Write an ONNX file whose input, output and weight are called so; its weights are scaled."""

    def written(file, mark, scale=1.0):
        given, found, weight = (f"{name}`|&{mark}" for name in ("in", "out", "w"))
        kernel = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("Conv", [given, weight], ["c"], name=f"conv{mark}"),
                helper.make_node("Relu", ["c"], ["r"]),
                helper.make_node("GlobalAveragePool", ["r"], [found]),
            ],
            "g",
            [helper.make_tensor_value_info(given, onnx.TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info(found, onnx.TensorProto.FLOAT, ["N", 4, 1, 1])],
            [numpy_helper.from_array(kernel * np.float32(scale), weight)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / file)
        return tmp_path / file

    return written


@pytest.mark.field(
    case="tensors of an ONNX file with HTML, Markdown, control and right-to-left characters in their names",
    source="found by an adversary",
    outcome="None of it is HTML, a control or a direction in a page, JUnit, JSON or on the terminal.",
)
@pytest.mark.slow
def test_reports_of_made_up_names(write, tmp_path, run_cli):
    mark = f"{HTML}{LINK}{CONTROL}{BIDI}"
    files = [write("one.onnx", mark), write(f"two<b>&'\"{CONTROL}{BIDI}.onnx", mark, scale=1.2)]
    outputs = {name: tmp_path / f"report.{name}" for name in ("html", "junit", "json")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    done = run_cli("parity", *files, "--input", "2x3x8x8", "--runtimes", "pytorch,onnx", *words)
    assert done.exit_code == 1
    page, junit, data = (path.read_text() for path in outputs.values())
    for text in (page, junit, data, done.stdout, done.stderr):
        assert CONTROL[0] not in text and BIDI not in text
    assert HTML not in page and HTML not in junit
    suites = ElementTree.fromstring(junit)
    assert list(suites.iter("failure"))
    names = [case.get("name") for case in suites.iter("testcase")]
    assert any(name.endswith("two<b>&'\"\\x1b[31m\\u202e.onnx)") for name in names)
    assert "two&lt;b&gt;&amp;" in page and "two<b>" not in page
    assert json.loads(data)["models"][0]["passed"] is False


@pytest.mark.field(
    case="the card of a published network whose inputs and outputs have HTML and Markdown in their names",
    source="found by an adversary: a name with a bar, a tag and a link was a link, and another table",
    outcome="They are code spans of the table, whatever they hold, and the folder verifies.",
)
@pytest.mark.slow
def test_a_card_of_made_up_names(write, tmp_path, run_cli):
    file, folder = write("net.onnx", f"{HTML}{LINK}"), tmp_path / "folder"
    words = ["--net", file, "--license", "mit", "--input", "2x3x8x8", "-o", folder]
    done = run_cli("publish", file, *words)
    assert done.exit_code == 0, done.stderr
    [row] = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| input")]
    assert row == f"| input | ``in`\\|&{HTML}{LINK}`` | float32 | N x 3 x 8 x 8 |"
    assert run_cli("verify", folder, "--runtimes", "onnx").exit_code == 0


@pytest.mark.field(
    case="a network to publish whose tensors have control or right-to-left characters in their names",
    source="found by an adversary: it was called a fault of triport's",
    outcome="Refused with the names, printable, and what to do; no folder is made.",
)
@pytest.mark.parametrize("mark", [CONTROL, BIDI, "n" * 300])
def test_names_that_nobody_can_read_are_not_published(mark, write, tmp_path, run_cli):
    file, folder = write("net.onnx", mark), tmp_path / "folder"
    done = run_cli("publish", file, "--net", file, "--license", "mit", "--input", "2x3x8x8", "-o", folder)
    assert done.exit_code == 2
    assert (
        "have names that nobody can read" in done.stderr and "Rename them. Nothing was written" in done.stderr
    )
    assert done.stderr.replace("\n", "").isprintable() and len(done.stderr) < 2000
    assert not folder.exists()


@pytest.mark.field(
    case="backticks, bars and brackets in what a card says",
    source="found by an adversary; CommonMark 6.1 (code spans), GitHub's tables",
    outcome="A name is one code span, a text's own code spans stay, and nothing else of it is Markdown.",
)
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (code("a"), "`a`"),
        (code("a`b"), "``a`b``"),
        (code("a``b`"), "``` a``b` ```"),
        (code("`"), "`` ` ``"),
        (code("a|b"), "`a\\|b`"),
        (plain("a <b> [c](d) `e<f>` g|h"), "a \\<b> \\[c\\](d) `e<f>` g\\|h"),
        (plain("*a* _b_ `c"), "\\*a\\* \\_b\\_ \\`c"),
    ],
)
def test_what_is_no_markdown(found, expected):
    assert found == expected
