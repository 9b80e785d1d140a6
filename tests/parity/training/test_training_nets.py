"""Networks of a user's own are trained in both frameworks: any outputs, whole numbers, no BatchNorm."""

import json

import numpy as np
import pytest

from triport.parity.training.objective import Classes, Distances, objective_for

MODULES, CELLS = "tests.parity.nets.modules", "tests.parity.nets.cells"
TWO = ("--input", "image=2x3x16x16", "--input", "side=2x5")
SPECS = {
    "Two": TWO,
    "Tokens": ("--input", "tokens=2x7@length:int32:0..50"),
    "Recurrent": ("--input", "x=7x2@Nx6"),
    "Tied": ("--input", "tokens=2x6:int32:0..20"),
    "sequence": ("--input", "2x3x6x6"),
}


@pytest.fixture
def train(run_cli):
    """The command with --gradients: its exit code and what it says of the training, or its message."""

    def run(*words, expect=0):
        done = run_cli("parity", *words, "--gradients", "--json", "-")
        assert done.exit_code == expect, done.output
        if expect == 2:
            assert "Traceback" not in done.stderr
            return done.stderr
        (training,) = json.loads(done.stdout)["training"]
        return training

    return run


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("Recurrent", "Two") else name for name in SPECS],
)
def test_a_module_and_a_cell_train_alike(name, train):
    report = train(f"{MODULES}:{name}", f"{CELLS}:{name}", *SPECS[name], "--steps", "3")
    assert report["passed"]
    assert [pair["candidate"] for pair in report["pairs"]] == ["pytorch", "mindspore"]
    pytorch, mindspore = ({one["name"] for one in pair["gradients"]} for pair in report["pairs"])
    assert pytorch == mindspore and pytorch
    assert all(len(pair["steps"]["loss"]) == 3 for pair in report["pairs"])
    # what is allowed would not hide a fault of a part in a thousand
    allowed = {
        one["name"]: one["tolerance"]
        for pair in report["pairs"]
        for one in pair["gradients"]
        # its gradient is zero but for rounding: the BatchNorm behind it takes it out
        if (name, one["name"]) != ("Two", "conv.bias")
    }
    assert max(allowed.values()) < 1e-3


def test_four_rows_are_trained_on_and_every_output_counts(train):
    report = train(f"{MODULES}:Two", *TWO)
    assert report["input_shapes"] == {"image": [4, 3, 16, 16], "side": [4, 5]}
    assert report["objective"] == (
        "mean squared distance of output_0, output_1, output_2 from fixed random values"
    )


def test_scores_of_classes_have_cross_entropy(train):
    report = train(f"{MODULES}:sequence", "--input", "2x3x6x6")
    assert report["objective"] == "cross entropy with label smoothing 0.1"


def test_a_network_that_computes_the_same_and_trains_otherwise_is_found(run_cli):
    """Its outputs are bit-equal; the gradients of all that lies below the detached tensor are not."""
    words = ("parity", f"{MODULES}:Two", f"{MODULES}:Detached", *TWO, "--runtimes", "pytorch")
    assert run_cli(*words).exit_code == 0
    done = run_cli(*words, "--gradients", "--json", "-")
    assert done.exit_code == 1
    (report,) = json.loads(done.stdout)["training"]
    right, wrong = report["pairs"]
    assert right["passed"] and wrong["candidate"] == f"pytorch ({MODULES}:Detached)"
    differ = {one["name"] for one in wrong["gradients"] if not one["passed"]}
    assert {"conv.weight", "bn.weight", "bn.bias", "side.weight"} <= differ
    assert not {"boxes.weight", "boxes.bias", "head.weight", "head.bias"} & differ


def test_dropout_is_left_out_and_that_is_said(train):
    assert train(f"{MODULES}:Tied", *SPECS["Tied"])["notes"] == ["dropout is random, and was left out"]


def test_one_tensor_under_two_names_has_one_gradient(train):
    names = {one["name"] for one in train(f"{MODULES}:Tied", *SPECS["Tied"])["pairs"][0]["gradients"]}
    assert names == {"embedding.weight", "frozen.weight", "frozen.bias"}


def test_tanh_trains_alike_but_for_mindspores_kernel(train):
    nets = (f"{MODULES}:Bounded", f"{CELLS}:Bounded")
    report = train(*nets, "--input", "7x2@Nx6", "--runtimes", "pytorch,mindspore")
    (note,) = report["notes"]
    assert report["passed"] and note.startswith(
        "mindspore: equal but for its kernels: they compute tanh by a"
    )
    assert max(one["tolerance"] for one in report["pairs"][1]["gradients"]) < 1e-4


def test_a_fault_beside_the_kernel_is_one_in_training_too(train):
    nets = (f"{MODULES}:Bounded", f"{CELLS}:Bounded(share=1.0001)")
    report = train(*nets, "--input", "7x2@Nx6", "--runtimes", "pytorch,mindspore", expect=1)
    assert not report["passed"] and not report["notes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((f"{MODULES}:Random", "--input", "2x4"), "in training mode something in it is random"),
        ((f"{MODULES}:Best", "--input", "2x4"), "no output is of floating point"),
        ((f"{MODULES}:Auxiliary", "--input", "2x4"), "expected 1 output (output), found 2"),
        ((f"{CELLS}:Two", *TWO), "the reference is PyTorch in float64, and Two has no Module"),
        ((f"{MODULES}:Two", *TWO, "--runtimes", "onnx"), "trains nothing of Two: mindspore, pytorch do"),
        ((f"{MODULES}:Two", *TWO, "--precision", "float16"), "training is compared in float32"),
    ],
)
def test_what_cannot_be_trained_is_one_message(words, said, train):
    assert said in " ".join(train(*words, expect=2).split())


def test_the_page_repeats_the_command(run_cli, tmp_path):
    page = tmp_path / "report.html"
    words = ("parity", f"{MODULES}:Two", *TWO, "--gradients", "--steps", "2", "--runtimes", "pytorch")
    assert run_cli(*words, "--html", page).exit_code == 0
    said = page.read_text()
    command = f"parity {MODULES}:Two --input image=2x3x16x16 --input side=2x5 --seed 0"
    assert f"{command}</code>" in said and f"{command} --gradients --steps 2</code>" in said
    assert "mean squared distance of output_0, output_1, output_2" in said


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        ({"logits": np.ones((4, 10))}, Classes),
        ({"logit": np.ones((4, 1))}, Distances),
        ({"masks": np.ones((4, 3, 8, 8))}, Distances),
        ({"scores": np.ones((4, 10)), "boxes": np.ones((4, 7, 4))}, Distances),
        ({"scalar": np.float64(2.0) * np.ones(())}, Distances),
        ({"scores": np.ones((4, 10)), "best": np.ones(4, np.int64)}, Distances),
    ],
)
def test_the_loss_is_of_the_outputs(outputs, kind):
    objective = objective_for(outputs)
    assert isinstance(objective, kind)
    first, second = objective.targets(np.random.default_rng(0), 2)
    assert set(first) == {name for name, array in outputs.items() if array.dtype.kind == "f"}
    assert all(not np.array_equal(first[name], second[name]) for name in first)


def test_an_output_that_is_zero_is_trained_as_it_is():
    assert objective_for({"zeros": np.zeros((2, 3, 4))}).sizes == {"zeros": 1.0}
