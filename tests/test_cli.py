"""The command line's contract: help, exit codes, JSON alone on stdout, no framework too early."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.converters.checkpoints import dialect_of, write_random
from triport.cli import main
from triport.reference_models.spec import all_models

ROOT = Path(__file__).parent.parent
SPEC = all_models()["res2net_digits"]
COMMANDS = main.list_commands(click.Context(main))
FRAMEWORKS = ("torch", "mindspore", "onnxruntime", "onnx", "numpy", "onnxscript", "PIL")


def run_process(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)], capture_output=True, text=True, cwd=cwd
    )


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", SPEC, dialect_of(SPEC, "mindcv"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, run_cli):
    result = run_cli(command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert f"\n    triport {command}" in result.stdout
    assert "cli.py" not in result.stdout


@pytest.mark.parametrize("arguments", [("--help",), *((command, "--help") for command in COMMANDS)])
def test_help_loads_no_framework(arguments):
    program = (
        "import sys, cli\n"
        f"try: cli.main({list(arguments)!r})\n"
        f"except SystemExit: print([name for name in {FRAMEWORKS!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize("source", ["mindspore", "pytorch", "onnx"])
def test_weights_move_between_files_without_a_framework(source, digits_ckpt, tmp_path, run_cli):
    path = digits_ckpt
    if source != "mindspore":
        path = tmp_path / ("in.pth" if source == "pytorch" else "in.onnx")
        assert run_cli("convert", digits_ckpt, "--to", source, "-o", path).exit_code == 0
    # an ONNX file's graph alone is read with NumPy, whose start takes longer than all else
    unwanted = ("torch", "mindspore", "onnxruntime", "onnx", *(("numpy",) if source != "onnx" else ()))
    program = (
        "import sys, cli\n"
        f"arguments = ['convert', {str(path)!r}, '--to', 'mindspore', '-o', {str(tmp_path / 'out.ckpt')!r}]\n"
        "try: cli.main(arguments)\n"
        "except SystemExit as end: code = end.code\n"
        f"print(code, [name for name in {unwanted!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("model", [None, *list(all_models())])
def test_models(model, run_cli):
    # without a path it goes to stdout as well
    result = run_cli("models", *([model] if model else []), "--json", *(["-"] if model else []))
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    if model is None:
        assert [row["model"] for row in found] == list(all_models())
    else:
        assert found["num_parameters"] == all_models()[model].num_parameters
    assert run_cli("models", *([model] if model else [])).exit_code == 0


def test_an_unknown_model_gets_suggestions(run_cli):
    result = run_cli("models", "resnet51")
    assert result.exit_code == 2
    assert "Did you mean resnet50" in result.stderr


def test_inspect(digits_ckpt, run_cli):
    result = run_cli("inspect", digits_ckpt, "--json", "-")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {
        key: found[key] for key in ("format", "runtime", "dialect", "model", "num_classes", "problems")
    } == {
        "format": "ckpt",
        "runtime": "mindspore",
        "dialect": "mindcv",
        "model": "res2net_digits",
        "num_classes": 10,
        "problems": [],
    }
    assert found["num_parameters"] == SPEC.num_parameters
    assert {"name": "conv1.0.weight", "shape": [16, 3, 3, 3], "dtype": "float32"} in found["tensors"] or any(
        row["name"] == "classifier.weight" for row in found["tensors"]
    )
    assert len(found["sha256"]) == 64
    assert "res2net_digits" in run_cli("inspect", digits_ckpt).stdout


def test_inspect_what_is_unknown(tmp_path, run_cli):
    import numpy as np

    from tests.converters.checkpoints import write_arrays

    path = write_arrays(tmp_path / "x.ckpt", "mindspore", {"a.weight": np.zeros((2, 2), np.float32)})
    result = run_cli("inspect", path, "--json", "-")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["model"]) == (0, None)
    assert "fits no known model" in found["problems"][0]


def test_json_goes_to_a_file_beside_the_table(digits_ckpt, tmp_path, run_cli):
    result = run_cli(
        "convert", digits_ckpt, "--to", "pytorch", "-o", tmp_path / "o.pth", "--json", tmp_path / "r.json"
    )
    assert "Converted" in result.stdout
    assert json.loads((tmp_path / "r.json").read_text())["round_trip"] == "bit-equal"


def test_convert_as_typed(tmp_path):
    result = run_process("convert", "--from", "mindspore", "--to", "onnx", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "small trained model that triport ships" in result.stdout
    assert (tmp_path / "res2net_digits.onnx").exists()


@pytest.mark.slow
def test_parity_of_a_file_and_of_its_conversion(digits_ckpt, tmp_path):
    assert run_process("convert", digits_ckpt, "--to", "onnx", "-o", tmp_path / "d.onnx").returncode == 0
    result = run_process("parity", digits_ckpt, tmp_path / "d.onnx", "--json", "-")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    reports = found["models"]
    assert (found["localisation"]["cause"], found["localisation"]["passed"]) == ("neither", True)
    assert [report["weights"] for report in reports] == [str(digits_ckpt), str(tmp_path / "d.onnx")]
    assert [pair["candidate"] for pair in reports[1]["pairs"]] == [
        "pytorch",
        "mindspore",
        "onnxruntime (from mindspore)",
        "onnxruntime (from pytorch)",
        "onnxruntime (given file)",
    ]
    for pair in reports[0]["pairs"]:
        assert pair["passed"] and pair["reference"] == "pytorch-float64"
        assert 0 < pair["max_rel"] == pair["needed_tolerance"] <= pair["tolerance"] < 1e-5
        assert pair["top1_agreement"] == 1


def test_parity_is_exit_code_1_where_two_files_differ(tmp_path, run_cli):
    from triport.converters.formats import write_checkpoint
    from triport.converters.formats.tensors import ArrayTensor
    from triport.parity.subjects.random_weights import random_parameters
    from triport.reference_models.spec import get_model

    for seed in (0, 1):
        arrays = random_parameters(get_model("res2net_digits"), 10, seed)
        tensors = {name: ArrayTensor(array) for name, array in arrays.items()}
        write_checkpoint(tmp_path / f"{seed}.pth", "pytorch", tensors, {})
    result = run_cli("parity", tmp_path / "0.pth", tmp_path / "1.pth", "--runtimes", "pytorch")
    assert result.exit_code == 1, result.stderr
    assert "Between the files the weights differ" in result.stdout and "... and " in result.stdout


def test_parity_on_images_of_several_shapes(tmp_path, digits_ckpt, run_cli):
    import hashlib

    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for index in range(3):
        pixels = random.integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    result = run_cli(
        *("parity", digits_ckpt, "--runtimes", "pytorch", "--images", tmp_path, "--json", "-"),
        *("--batch-size", "1,3", "--size", "32,33"),
    )
    assert result.exit_code == 0, result.stderr
    reports = json.loads(result.stdout)["models"]
    shapes = [report["input_shape"] for report in reports]
    assert shapes == [[n, 3, size, size] for size in (32, 33) for n in (1, 3)]
    assert {(report["inputs"], report["seed"]) for report in reports} == {(f"images in {tmp_path}", None)}
    digests = [hashlib.sha256((tmp_path / f"{i}.png").read_bytes()).hexdigest() for i in range(3)]
    assert list(reports[1]["files"].values())[1:] == digests
    result = run_cli("parity", digits_ckpt, "--images", tmp_path, "--batch-size", "4")
    assert result.exit_code == 2 and "expected 4 images" in result.stderr


@pytest.mark.parametrize("text", ["0", "1,", "a", "-1", "1,0"])
def test_parity_refuses_batch_sizes(text, run_cli):
    result = run_cli("parity", "res2net_digits", "--batch-size", text)
    assert result.exit_code == 2 and "is not a positive number" in result.stderr


def test_parity_is_exit_code_1_where_it_fails(run_cli):
    result = run_cli("parity", "res2net_digits", "--runtimes", "pytorch", "--tolerance", "1e-12")
    assert result.exit_code == 1
    assert "DIFFERS" in result.stdout and "NOT equal" in result.stdout


def test_parity_finds_an_onnx_file_of_another_graph(tmp_path, digits_ckpt, run_cli):
    import onnx

    assert run_cli("convert", digits_ckpt, "--to", "onnx", "-o", tmp_path / "d.onnx").exit_code == 0
    model = onnx.load(tmp_path / "d.onnx")
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "Identity"
    onnx.save(model, tmp_path / "broken.onnx")
    result = run_cli("parity", tmp_path / "broken.onnx", "--runtimes", "pytorch", "--json", "-")
    pairs = json.loads(result.stdout)["models"][0]["pairs"]
    assert result.exit_code == 1
    assert [pair["passed"] for pair in pairs] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a model or a file"),
        (("resnet51",), "Did you mean"),
        (("--all", "resnet50"), "leave out names"),
        (("resnet18", "--model", "resnet18"), "with files only"),
        (("resnet18", "resnet50", "--weights", "x"), "goes with one model"),
        (("res2net_digits", "--device", "tpu"), "device 'tpu' is not known"),
        (("res2net_digits", "--runtimes", "tensorflow"), "runtime 'tensorflow' is not known"),
        (("res2net_digits", "--seed", "-1"), "expected 0 or more"),
        (("nothing.ckpt",), "nothing.ckpt: there is no such file"),
        (("res2net_digits", "--precision", "float8"), "precision 'float8' is not known"),
        (("res2net_digits", "--precision", "tf32"), "precision tf32 is of cuda devices; cpu has none of it"),
        (
            ("res2net_digits", "--precision", "O2", "--runtimes", "onnx"),
            "onnx does not run with precision O2",
        ),
        (("res2net_digits", "--precision", "float16", "--steps", "3"), "training is compared in float32"),
    ],
)
def test_parity_refuses(arguments, message, run_cli):
    result = run_cli("parity", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr and "Traceback" not in result.stderr


def test_parity_in_a_lower_precision(run_cli):
    result = run_cli("parity", "res2net_digits", "--precision", "float16", "--json", "-")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["models"]
    assert found["precision"] == "float16" and found["noise_factor"] == 4
    assert [pair["candidate"] for pair in found["pairs"]] == ["pytorch", "mindspore"]
    for pair in found["pairs"]:
        assert pair["versions"]["precision"] == "float16"
        assert 1e-5 < pair["needed_tolerance"] < pair["tolerance"] < 0.1


@pytest.mark.parametrize("device", ["cuda", "npu:0"])
@pytest.mark.parametrize("runtime", ["pytorch", "mindspore", "onnx"])
def test_a_device_that_is_not_there(device, runtime, run_cli):
    result = run_cli("parity", "res2net_digits", "--runtimes", runtime, "--device", device)
    if result.exit_code == 0:
        pytest.fail(f"{runtime} ran on {device}: run this test where there is none")
    assert result.exit_code == 2
    assert "--device cpu" in result.stderr or "Install" in result.stderr


@pytest.mark.parametrize("runtime", ["mindspore", "pytorch", "onnx"])
def test_evaluate_reproduces_the_shipped_accuracy(runtime, run_cli):
    published = SPEC.weights[0].accuracies[0].top1_percent
    result = run_cli(
        "evaluate",
        "res2net_digits",
        "--data",
        ROOT / "examples/digits/val",
        "--runtime",
        runtime,
        "--json",
        "-",
    )
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["images"] == 300
    assert round(found["top1_percent"], 2) == published
    low, high = found["top1_interval_percent"]
    assert low < found["top1_percent"] < high


def test_evaluate_wants_weights(run_cli):
    result = run_cli("evaluate", "resnet50", "--data", ROOT / "examples/digits/val")
    assert result.exit_code == 2
    assert "give one of these names, or a checkpoint file" in result.stderr
    assert "resnet50.torchvision_v1" in result.stderr


def test_evaluate_does_not_guess_the_preprocessing(tmp_path, run_cli):
    spec = all_models()["tf_efficientnet_lite0"]
    path = write_random(tmp_path / "x.ckpt", spec, dialect_of(spec, "triport"))
    data = ROOT / "examples/photos"
    result = run_cli("evaluate", path, "--model", spec.name, "--data", data)
    assert result.exit_code == 2
    assert (
        "--model" in result.stderr and "tf_efficientnet_lite0.timm: pil bicubic 256 -> 224" in result.stderr
    )
    named = run_cli(
        "evaluate", path, "--model", f"{spec.name}.timm", "--data", data, "--limit", 2, "--json", "-"
    )
    assert json.loads(named.stdout)["preprocess"]["mean"] == [0.5, 0.5, 0.5]


def test_doctor(run_cli):
    result = run_cli("doctor", "--json", "-")
    found = json.loads(result.stdout)
    cpu = {row["runtime"]: row["usable"] for row in found["runtimes"] if row["device"] == "cpu"}
    # every file of parity/runtimes but what runs nothing here
    assert cpu == {"pytorch": True, "mindspore": True, "onnx": True, "openvino": True}
    assert all(row["advice"] for row in found["runtimes"] if not row["usable"])
    assert "what to do" in run_cli("doctor").stdout


def test_doctor_finds_a_runtime_that_does_not_load(run_cli, monkeypatch):
    from triport.converters.environment import MissingRuntimeError
    from triport.parity.runtimes import openvino

    def framework():
        raise MissingRuntimeError('OpenVINO cannot be loaded: pip install "triport[openvino]"')

    monkeypatch.setattr(openvino, "framework", framework)
    rows = json.loads(run_cli("doctor", "--json", "-").stdout)["runtimes"]
    (row,) = [row for row in rows if row["runtime"] == "openvino"]
    assert not row["usable"] and 'pip install "triport[openvino]"' in row["advice"]


def test_what_no_graph_is_made_for_loads_no_library_of_graphs():
    """onnx, and onnx-ir with sympy, take as long to load as all that verify and evaluate do besides."""
    program = (
        "import sys, triport.parity.session, triport.parity.imagenet.session, triport.publishing.tables\n"
        "print([name for name in ('onnx', 'onnx_ir', 'sympy', 'torch', 'mindspore') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
