"""Networks of a user's own go through parity: any inputs, any outputs, in three runtimes."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from triport import SHIPPED

MODULES, CELLS = "tests.parity.nets.modules", "tests.parity.nets.cells"
INPUTS = {
    "Two": ("image=2x3x16x16", "side=2x5"),
    "Tokens": ("tokens=2x7@length:int32:0..50",),
    "Recurrent": ("x=7x2@Nx6",),
    "Ids": ("x=2x4",),
    "Close": ("x=9x4",),
}
OF_TWO = ("--input", "image=2x3x8x8:float32", "--input", "side=2x5:float32")
ALL = ["pytorch", "mindspore", "onnxruntime (from mindspore)", "onnxruntime (from pytorch)"]


@pytest.fixture
def parity(run_cli):
    """The command on NETs: its exit code and its only report."""

    def run(name, *words, module=None, expect=0):
        specs = [word for spec in INPUTS[name] for word in ("--input", spec)]
        module = f"{MODULES}:{name}" if module is None else module
        done = run_cli("parity", module, *words, *specs, "--json", "-")
        assert done.exit_code == expect, done.output
        return json.loads(done.stdout)["models"][0] if expect < 2 else done.stderr

    return run


@pytest.mark.parametrize(
    ("name", "outputs", "modules"), [("Two", 3, 7), ("Tokens", 1, 4), ("Recurrent", 2, 4)]
)
def test_a_module_and_a_cell_in_three_runtimes_with_layers(name, outputs, modules, parity):
    report = parity(name, f"{CELLS}:{name}", "--layers", "--isolate")
    assert [pair["candidate"] for pair in report["pairs"]] == ALL
    assert report["passed"] and report["weights"] == "random seed 0"
    for pair in report["pairs"]:
        assert pair["reference"] == "pytorch-float64"
        assert len(pair.get("outputs", [1])) == outputs
        assert all(one["passed"] for one in pair.get("outputs", []))
        # of an LSTM's three outputs a graph has one that is its alone
        told = modules - 2 if name == "Recurrent" and "onnx" in pair["candidate"] else modules
        assert len(pair["layers"]["modules"]) == len(pair["isolated"]["modules"]) == told
        # rows by themselves are run too, but by a file that was made for these sizes, which is said
        assert pair["further"] or f"{pair['candidate']}, made for that size" in report["not_run"][0]


def test_the_worst_output_decides_and_is_named(parity):
    report = parity("Two", f"{MODULES}:Wrong", "--runtimes", "pytorch", expect=1)
    right, wrong = report["pairs"]
    assert right["passed"] and not wrong["passed"]
    assert wrong["candidate"] == f"pytorch ({MODULES}:Wrong)" and wrong["output"] == "output_1"
    assert [one["passed"] for one in wrong["outputs"]] == [True, False, True]
    assert wrong["needed_tolerance"] == pytest.approx(1e-4, rel=0.1)


def test_another_function_of_the_same_parameters_is_found_and_named(parity):
    report = parity("Tokens", f"{CELLS}:Tokens(approximate=True)", "--layers", expect=1)
    wrong = {pair["candidate"]: pair for pair in report["pairs"] if not pair["passed"]}
    assert set(wrong) == {"mindspore", "onnxruntime (from mindspore)"}
    assert wrong["mindspore"]["layers"]["first"] == {"module": "act", "inside": True, "after": "first"}


def test_parameters_that_do_not_agree_are_listed(parity):
    said = parity("Tokens", f"{MODULES}:Tokens(width=9)", expect=2)
    assert "embedding.weight: (50, 8) in" in said and "(50, 9)" in said


def test_a_free_axis_that_is_not_the_first_has_another_size(parity):
    report = parity("Tokens", "--runtimes", "pytorch")
    titles = [one["input"] for one in report["pairs"][0]["further"]]
    assert titles == ["1 row", "3 rows"]


def test_weights_of_an_onnx_file_that_was_made_from_the_module(parity, run_cli, tmp_path):
    path = tmp_path / "tokens.onnx"
    made = run_cli("convert", f"{MODULES}:Tokens", "--input", INPUTS["Tokens"][0], "--to", "onnx", "-o", path)
    assert made.exit_code == 0, made.output
    report = parity("Tokens", path, "--runtimes", "pytorch")
    assert report["weights"] == str(path)
    assert [pair["candidate"] for pair in report["pairs"]] == ["pytorch", f"onnxruntime ({path})"]


def test_a_module_alone_and_its_own_weights(parity):
    report = parity("Two", "--weights", "own")
    assert report["weights"] == "its own weights"
    assert [pair["candidate"] for pair in report["pairs"]] == ["pytorch", "onnxruntime (from pytorch)"]


def test_a_cell_alone_is_its_own_reference_and_that_is_said(parity):
    report = parity("Two", module=f"{CELLS}:Two")
    assert [(pair["reference"], pair["candidate"]) for pair in report["pairs"]] == [
        ("mindspore-float32", "onnxruntime (from mindspore)")
    ]
    assert "has no PyTorch module. The reference is MindSpore in float32" in report["not_run"][0]


def test_a_net_without_inputs_says_what_is_missing(run_cli):
    done = run_cli("parity", f"{MODULES}:Two")
    assert done.exit_code == 2 and "one --input for each input" in done.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--images", "photos"), "how images are prepared is known of triport's own models alone"),
        (("--size", "32"), "the sizes of your own network stand in --input"),
        (("--batch-size", "1,3"), "the sizes of your own network stand in --input"),
        (("--all",), "is for the models that triport knows"),
    ],
)
def test_what_is_of_models_alone_is_refused_with_what_to_write_instead(option, said, parity):
    assert f"{option[0]}: {said}" in parity("Two", *option, expect=2)


def test_a_wrong_input_is_the_users_message(run_cli):
    done = run_cli("parity", f"{MODULES}:Two", "--input", "image=2x4x16x16", "--input", "side=2x5")
    assert done.exit_code == 2 and "expected input" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "spec", "count"), [("Mixed", "3x4", 3), ("Sizes", "3x4", 2)])
def test_rows_are_measured_and_tables_are_kept(name, spec, count, run_cli):
    done = run_cli("parity", f"{MODULES}:{name}", "--input", spec, "--json", "-")
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)["models"]
    titles = [one["input"] for one in report["pairs"][0]["further"]]
    # what is not of rows is changed as a whole
    assert (titles[0] == "1 row") == (name == "Sizes") and len(titles) == count


@pytest.mark.parametrize("words", [(MODULES, CELLS), (CELLS, MODULES)], ids=["module first", "cell first"])
def test_networks_that_call_their_input_otherwise(words, run_cli):
    nets = [f"{module}:sequence" for module in words]
    done = run_cli("parity", *nets, "--input", "2x3x6x6", "--json", "-")
    assert done.exit_code == 0, done.output
    assert {pair["candidate"] for pair in json.loads(done.stdout)["models"][0]["pairs"]} == set(ALL)


def test_the_page_and_junit_show_every_output(run_cli, tmp_path):
    page, junit = tmp_path / "x.html", tmp_path / "x.xml"
    specs = [word for spec in INPUTS["Two"] for word in ("--input", spec)]
    nets = [f"{MODULES}:Two", f"{MODULES}:Wrong"]
    done = run_cli("parity", *nets, *specs, "--runtimes", "pytorch", "--html", page, "--junit", junit)
    assert done.exit_code == 1, done.output
    text = page.read_text()
    assert "inputs image 2 x 3 x 16 x 16, side 2 x 5 of noise" in text
    row = r"<tr><th>([^<]*)</th>\s*<td[^>]*>\w+</td>\s*<td[^>]*><span><code>(output_\d)</code>(, decides)?"
    rows = re.findall(row, text)
    wrong = f"pytorch ({MODULES}:Wrong)"
    assert [(name, output) for name, output, _ in rows] == [
        (name, f"output_{index}") for name in ("pytorch", wrong) for index in range(3)
    ]
    assert (wrong, "output_1", ", decides") in rows
    (suite,) = ElementTree.fromstring(junit.read_bytes())
    assert (suite.get("tests"), suite.get("failures")) == ("8", "2")
    failed = {case.get("name"): case.find("failure") for case in suite if case.find("failure") is not None}
    assert set(failed) == {wrong, f"{wrong}, output_1"}
    for failure in failed.values():
        assert failure.get("message").startswith("output_1 differ from pytorch-float64 by 1.0e-04")


@pytest.mark.parametrize("more", [0, 1])
def test_whole_numbers_are_equal_or_not(more, parity):
    """They round nothing: one in fifty millions is a difference, on the main batch and on every row."""
    report = parity("Ids", f"{MODULES}:Ids(more={more})", "--runtimes", "pytorch", expect=more)
    assert [pair["passed"] for pair in report["pairs"]] == [True, not more]
    assert all(pair["tolerance"] == 0 for pair in report["pairs"])
    further = [image for one in report["pairs"][1]["further"] for image in one["images"]]
    assert further and {image["passed"] for image in further} == {not more}


@pytest.mark.parametrize("more", [0, 1])
def test_whole_numbers_that_hang_on_a_rounding_excuse_no_others(more, parity):
    """Where the reference's own runs disagree nothing is compared, which is said; all else is."""
    report = parity("Close", f"{MODULES}:Close(more={more})", "--runtimes", "pytorch", expect=more)
    assert [pair["passed"] for pair in report["pairs"]] == [True, not more]
    assert all(pair["tolerance"] == 0 for pair in report["pairs"])
    assert any("whole numbers, which hang on a rounding" in one for one in report["not_run"])


def test_nothing_but_what_hangs_on_a_rounding_is_no_verdict(run_cli):
    net = f"{MODULES}:Close(always=True)"
    done = run_cli("parity", net, "--input", "x=9x4", "--runtimes", "pytorch")
    assert done.exit_code == 2
    assert "every whole number that it returns hangs on a rounding" in " ".join(done.stderr.split())


@pytest.mark.parametrize("name", ["Tokens", pytest.param("Recurrent", marks=pytest.mark.slow)])
def test_a_free_axis_that_is_not_the_first_is_run_at_other_sizes_in_every_runtime(name, parity):
    report = parity(name, f"{CELLS}:{name}")
    assert not report["not_run"]
    titles = [[one["input"] for one in pair["further"]] for pair in report["pairs"]]
    assert [pair["candidate"] for pair in report["pairs"]] == ALL
    assert titles[0] and all(one == titles[0] for one in titles)
    notes = {pair["candidate"]: pair["notes"] for pair in report["pairs"]}
    assert notes["onnxruntime (from mindspore)"] == [
        "its file takes the sizes alone that it was made for: for 2 others it was made anew"
    ]
    assert not notes["onnxruntime (from pytorch)"]


@pytest.mark.slow
def test_the_exporter_that_is_right_is_taken(run_cli):
    """The trace keeps the batch of two; the other exporter's graph does not."""
    net = "tests.parity.module_export.networks:HardCoded"
    done = run_cli("parity", net, "--input", "2x8", "--runtimes", "pytorch,onnx", "--json", "-")
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)["models"]
    assert [pair["passed"] for pair in report["pairs"]] == [True, True]
    assert len(report["pairs"][1]["further"]) == 2


@pytest.mark.slow
def test_a_graph_that_is_wrong_however_it_is_exported_is_still_judged(run_cli):
    """Both exporters keep the way that the trace took: no graph is right, and that is shown."""
    net = "tests.parity.nets.modules:Signed"
    done = run_cli("parity", net, "--input", "2x4", "--runtimes", "pytorch,onnx", "--json", "-")
    assert done.exit_code == 1, done.output
    (report,) = json.loads(done.stdout)["models"]
    wrong = report["pairs"][1]
    assert wrong["candidate"] == "onnxruntime (from pytorch)" and not wrong["passed"]


@pytest.mark.parametrize(("runtimes", "is_said"), [("mindspore,pytorch,onnx", True), ("pytorch,onnx", False)])
def test_a_framework_that_a_graph_cannot_be_written_for_is_not_run_and_says_why(
    run_cli, tmp_path, runtimes, is_said
):
    matrix = numpy_helper.from_array(np.arange(12, dtype=np.int32).reshape(3, 4), "matrix")
    node = helper.make_node("MatMul", ["x", "matrix"], ["y"])
    values = [
        helper.make_tensor_value_info(name, TensorProto.INT32, [2, size])
        for name, size in (("x", 3), ("y", 4))
    ]
    graph = helper.make_graph([node], "whole", values[:1], values[1:], [matrix])
    path = tmp_path / "whole.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    done = run_cli("parity", path, "--input", "2x3:int32:0..9", "--runtimes", runtimes, "--json", "-")
    assert done.exit_code == 0, done.output
    not_run = json.loads(done.stdout)["models"][0]["not_run"]
    assert any(one.startswith("mindspore: ") and "of integers" in one for one in not_run) == is_said


@pytest.fixture(scope="module")
def mindir(tmp_path_factory):
    """A graph of one size alone: it reshapes to numbers."""
    import mindspore

    from tests.parity.nets import cells

    path = tmp_path_factory.mktemp("mindir") / "tokens.mindir"
    tokens = mindspore.Tensor(np.ones((2, 3), np.int32))
    mindspore.export(cells.Tokens().set_train(False), tokens, file_name=str(path), file_format="MINDIR")
    return path


def test_a_graph_of_one_size_is_compared_at_that(mindir, run_cli):
    done = run_cli("parity", mindir, "--input", "2x3:int32:0..50", "--json", "-")
    assert done.exit_code == 0, done.output
    [report] = json.loads(done.stdout)["models"]
    assert [pair["candidate"] for pair in report["pairs"]] == ["onnxruntime (from mindspore)"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what goes into it, one --input for each input"),
        (("--input", "2x3:int32:0..50", "--layers"), "has no modules that could be compared"),
        ((f"{MODULES}:Tokens", "--input", "2x3:int32:0..50"), "`pair` with these two and -o NAMES.toml"),
    ],
)
def test_what_a_graph_file_lacks_is_said_with_what_to_do(words, said, mindir, run_cli):
    done = run_cli("parity", mindir, *words)
    assert done.exit_code == 2 and said in done.stderr


@pytest.fixture
def made_up(run_cli, tmp_path):
    """The graph of Two under names that say nothing; named.onnx beside it has those of the Module."""
    path = tmp_path / "two.onnx"
    named = path.with_name("named.onnx")
    assert run_cli("convert", f"{MODULES}:Two", *OF_TWO, "-o", named).exit_code == 0
    model = onnx.load(named)
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    names = {}
    for tensor in model.graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"t{len(names)}")
    for node in model.graph.node:
        node.name = ""
        for wires in (node.input, node.output):
            wires[:] = [
                one if one in kept or not one else names.setdefault(one, f"t{len(names)}") for one in wires
            ]
    del model.graph.value_info[:]
    onnx.save(model, path)
    return path


def test_modules_are_found_in_a_graph_whatever_its_tensors_are_called(made_up, run_cli):
    """Its source has modules of its own names, under which the runtimes are compared."""
    done = run_cli("parity", made_up, *OF_TWO, "--layers", "--isolate", "--json", "-")
    assert done.exit_code == 0, done.output
    told = {
        pair["candidate"]: [len(pair[how]["modules"]) for how in ("layers", "isolated")]
        for pair in json.loads(done.stdout)["models"][0]["pairs"]
    }
    assert told["onnxruntime"] == told["pytorch"] and min(told["onnxruntime"]) > 1


def test_a_graph_in_which_no_module_is_found_is_judged_by_its_outputs(made_up, run_cli):
    named = made_up.with_name("named.onnx")
    done = run_cli("parity", f"{MODULES}:Two", made_up, *OF_TWO, "--weights", named, "--layers")
    assert done.exit_code == 0, done.output
    assert "no module could be compared (the graph has no tensor of their outputs" in done.stdout
    assert "so the outputs alone decide" in done.stdout


def test_nothing_trains_an_onnx_file(run_cli, tmp_path):
    path = tmp_path / "sizes.onnx"
    assert run_cli("convert", f"{MODULES}:Sizes", "--input", "3x4", "-o", path).exit_code == 0
    done = run_cli("parity", path, "--input", "3x4", "--gradients")
    assert done.exit_code == 2 and "has its weights within, which nothing trains" in done.stderr
    saved = run_cli("parity", path, "--input", "3x4", "--save-inputs", tmp_path / "x.npz")
    assert saved.exit_code == 0 and "It is an ONNX file with its weights already" in saved.stdout


def test_a_file_that_is_not_there_is_no_model(run_cli):
    done = run_cli("parity", "nothing.onnx")
    assert done.exit_code == 2 and "there is no such file" in done.stderr


def test_a_file_of_no_known_model_says_how_it_is_compared(run_cli, tmp_path):
    path = tmp_path / "two.onnx"
    assert run_cli("convert", f"{MODULES}:Two", *OF_TWO, "-o", path).exit_code == 0
    done = run_cli("parity", path)
    assert done.exit_code == 2
    assert "--input image=2x3x8x8:float32 --input side=2x5:float32" in done.stderr
    assert run_cli("parity", path, *OF_TWO, "--runtimes", "pytorch,onnx").exit_code == 0


def test_a_graph_whose_modules_cannot_be_compared_is_not_called_different(mindir, run_cli, tmp_path):
    spec = ("--input", "2x3:int32:0..50")
    names = tmp_path / "names.toml"
    assert run_cli("pair", f"{MODULES}:Tokens", mindir, *spec, "-o", names).exit_code == 0
    done = run_cli("parity", f"{MODULES}:Tokens", mindir, "--names", names, *spec, "--layers", "--json", "-")
    assert done.exit_code == 0, done.output
    pairs = {pair["candidate"]: pair for pair in json.loads(done.stdout)["models"][0]["pairs"]}
    assert pairs["mindspore"]["passed"] and not pairs["mindspore"]["layers"]["modules"]
    assert not pairs["mindspore"]["layers"]["passed"]  # of its own: nothing was compared


def test_weights_alone_are_no_network(run_cli):
    done = run_cli("parity", SHIPPED, "--input", "1x3x32x32")
    assert done.exit_code == 2
    assert "holds weights and no graph" in done.stderr and "leave --input out" in done.stderr
