"""What is published, what is refused, and that the same source gives the same bytes."""

import json
import shutil

import numpy as np
import pytest

from tests.converters.checkpoints import dialect_of, write_arrays, write_random
from triport.converters.convert import SHIPPED, convert
from triport.converters.formats import file_sha256, open_checkpoint
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.publishing.compared import parity_problems
from triport.publishing.registered import publish as module
from triport.publishing.registered.publish import publish
from triport.publishing.verify import verify
from triport.reference_models.spec import get_model

FAMILIES = [
    ("resnet18_mindcv", "mindcv", "x.ckpt"),
    ("resnetv2_50", "mindcv", "x.safetensors"),
    ("regnet_y_200mf", "timm", "x.pth"),
]


def options(*more):
    return ["--license", "apache-2.0", "--model", "res2net_digits", *more]


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_the_folder_holds(made):
    assert set(files_of(made.folder)) == {
        *("model.onnx", "model_optimized.onnx", "model.safetensors", "model.ckpt"),
        *("config.json", "README.md", "triport.json", "parity.html"),
        *("network_torch.py", "network_mindspore.py"),
    }
    values = json.loads((made.folder / "triport.json").read_text())
    assert values["source"]["sha256"] == file_sha256(SHIPPED)
    assert values["files"]["model.onnx"]["sha256"] == file_sha256(made.folder / "model.onnx")
    assert {pair["candidate"]: pair["passed"] for pair in values["parity"]["pairs"]} == {
        "pytorch": True,
        "mindspore": True,
        "onnxruntime (given file)": True,
        "onnxruntime (BatchNorm folded)": True,
    }
    first = values["names"][0]
    assert first["files"] == {
        "model.onnx": "conv1.0.weight",
        "model.safetensors": "conv1.0.weight",
        "model.ckpt": first["source"],
    }
    assert len(values["sample"]["logits"]) == 10
    assert values["weights"] == "res2net_digits.triport"


def test_the_same_source_gives_the_same_bytes(made, tmp_path):
    publish(SHIPPED, tmp_path / "again", model="res2net_digits", license="apache-2.0")
    assert files_of(tmp_path / "again") == files_of(made.folder)


def test_a_build_of_pytorch_that_adds_to_its_version(made):
    """PyTorch for CUDA calls itself 2.13.0+cu130 and its distribution 2.13.0: no contradiction."""
    values = json.loads((made.folder / "triport.json").read_text())
    noises, outputs_of = {}, lambda pair: {}
    values["versions"]["torch"] = "2.13.0"
    for pair in values["parity"]["pairs"]:
        pair["versions"] = {"torch": "2.13.0+cu130"}
    assert not list(parity_problems(values, noises, outputs_of))
    values["versions"]["torch"] = "2.12.0+cu130"
    assert "its versions say otherwise" in next(iter(parity_problems(values, noises, outputs_of)))


def test_dialect_accuracy_date_and_classes(tmp_path, monkeypatch, run_cli):
    """One publication with everything that can be asked for; and its dry run lists the files."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    classes = tmp_path / "classes.txt"
    classes.write_text("".join(f"digit {n}\n" for n in range(10)))
    measured = tmp_path / "evaluate.json"
    data = "examples/digits/val"
    assert (
        run_cli("evaluate", SHIPPED, "--runtime", "onnx", "--data", data, "--json", measured).exit_code == 0
    )
    result = run_cli(
        *("publish", SHIPPED, *options("-o", tmp_path / "out"), "--dialect", "timm", "--classes", classes),
        *("--accuracy", f"held-out digits={measured}", "--push", "me/digits", "--dry-run"),
        *("--json", tmp_path / "publish.json"),
    )
    assert result.exit_code == 0, result.output
    printed = json.loads((tmp_path / "publish.json").read_text())
    assert printed["push"]["files"] == sorted(files_of(tmp_path / "out"))
    values = json.loads((tmp_path / "out" / "triport.json").read_text())
    assert values["date"] == "1970-01-02" and "1970-01-02" in (tmp_path / "out" / "README.md").read_text()
    assert [(one["kind"], one["metric"], one["dataset"]["name"]) for one in values["accuracy"][1:]] == [
        ("measured", "top-1 accuracy", "held-out digits"),
        ("measured", "top-5 accuracy", "held-out digits"),
    ]
    assert open_checkpoint(tmp_path / "out" / "model.timm.safetensors").tensors
    assert json.loads((tmp_path / "out" / "config.json").read_text())["label_names"][3] == "digit 3"
    assert verify(tmp_path / "out", runtimes=()).passed


def spoiled(change):
    """Return the digits' weights with something changed."""
    arrays = {name: tensor.numpy() for name, tensor in open_checkpoint(SHIPPED).tensors.items()}
    change(arrays)
    return arrays


def put(leaf, value):
    def change(arrays):
        name = next(name for name in arrays if name.endswith(leaf))
        arrays[name][...] = value

    return change


def untrain(arrays):
    path = next(name for name in arrays if name.endswith(".gamma")).removesuffix("gamma")
    for leaf, value in {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}.items():
        arrays[path + leaf][...] = value


def forget_statistics(arrays):
    path = next(name for name in arrays if name.endswith(".gamma")).removesuffix("gamma")
    arrays[f"{path}moving_mean"][...] = 0
    arrays[f"{path}moving_variance"][...] = 1


def one_class_more(arrays):
    head = list(arrays)[-2:]
    for name in head:
        arrays[name] = np.concatenate([arrays[name][:1], arrays[name]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("weight", np.nan), "NaN or Inf in 1 of 187 tensors"),
        (put("gamma", np.inf), "NaN or Inf in 1 of 187 tensors"),
        (put("weight", 0.5), "1 weight tensor has one value throughout"),
        (untrain, "the weights look untrained: 1 of 37 BatchNorm layers"),
        (forget_statistics, "the statistics of 1 of 37 BatchNorm layers are as they are made"),
        (one_class_more, r"has 11 classes (a background class first?)"),
    ],
)
def test_what_is_not_fit_is_not_published(tmp_path, run_cli, change, message):
    source = write_arrays(tmp_path / "in.ckpt", "mindspore", spoiled(change))
    result = run_cli("publish", source, *options("-o", tmp_path / "out"))
    assert result.exit_code == 1
    assert message in result.stderr and "Nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.ckpt"]


@pytest.mark.slow
def test_other_classes_are_published_where_they_are_named(tmp_path, run_cli):
    source = write_arrays(tmp_path / "in.ckpt", "mindspore", spoiled(one_class_more))
    classes = tmp_path / "classes.txt"
    classes.write_text("background\n" + "".join(f"{n}\n" for n in range(10)))
    result = run_cli("publish", source, *options("-o", tmp_path / "out", "--classes", classes))
    assert result.exit_code == 0, result.output
    assert "no accuracy is claimed" in result.stdout and "99.33" not in result.stdout
    assert json.loads((tmp_path / "out" / "config.json").read_text())["num_classes"] == 11


def test_a_runtime_that_differs_stops_it(tmp_path, run_cli, monkeypatch):
    right = MindSporeRunner.run
    monkeypatch.setattr(
        MindSporeRunner, "run", lambda self, feed: {"logits": right(self, feed)["logits"] * 1.0001}
    )
    result = run_cli("publish", SHIPPED, *options("-o", tmp_path / "out"))
    assert result.exit_code == 1
    assert "1 of 4 runtimes differ from pytorch-float64\n  mindspore: 1.0e-04" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_lost_a_bit_stops_it(tmp_path, run_cli, monkeypatch):
    def damaging(source, request, progress):
        done = convert(source, request, progress)
        if request.to == "mindspore":
            content = bytearray(request.output.read_bytes())
            content[len(content) // 2] ^= 1
            request.output.write_bytes(content)
        return done

    monkeypatch.setattr(module, "convert", damaging)
    result = run_cli("publish", SHIPPED, *options("-o", tmp_path / "out"))
    assert result.exit_code == 1 and "model.ckpt: does not hold the source's weights" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "res2net_digits"], "Missing option '--license'"),
        (["--license", "mit"], "say what SOURCE is: --model NAME"),
        (["--license", "my own", "--model", "res2net_digits"], "expected the SPDX identifier"),
        (["--license", "mit", "--model", "resnet18"], "is not a checkpoint of resnet18"),
        (options("--dialect", "torchvision"), "has no pytorch dialect"),
        (options("--accuracy", "nothing.json"), "cannot be read"),
        (options("--classes", "nothing.txt"), "cannot be read"),
        (options("--dry-run"), "goes with --push"),
        (options("--push", "digits"), "expected OWNER/NAME"),
    ],
)
def test_bad_usage(tmp_path, run_cli, words, message):
    result = run_cli("publish", SHIPPED, *words, "-o", tmp_path / "out")
    assert result.exit_code == 2 and message in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_wrong_date_is_bad_input(tmp_path, run_cli, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    result = run_cli("publish", SHIPPED, *options("-o", tmp_path / "out"))
    assert result.exit_code == 2 and "expected seconds since 1970" in result.stderr


def test_an_existing_folder_is_kept(tmp_path, run_cli):
    (tmp_path / "out").mkdir()
    result = run_cli("publish", SHIPPED, *options("-o", tmp_path / "out"))
    assert result.exit_code == 2 and "exists; publish into a new folder" in result.stderr


def test_convert_reads_a_published_folder(made, tmp_path, run_cli):
    result = run_cli("convert", made.folder, "--to", "mindspore", "-o", tmp_path / "x.ckpt")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.ckpt").read_bytes() == (made.folder / "model.ckpt").read_bytes()


@pytest.mark.slow
def test_a_published_folder_is_published_again(made, tmp_path):
    again = publish(made.folder, tmp_path / "again", model="res2net_digits", license="apache-2.0")
    assert again.manifest["source"]["file"] == "model.onnx"
    assert again.manifest["files"]["model.ckpt"] == made.manifest["files"]["model.ckpt"]
    # a .safetensors also states whose names its source had
    bits = [[entry["sha256"] for entry in done.manifest["names"]] for done in (again, made)]
    assert bits[0] == bits[1]


def test_convert_names_its_output_after_the_folder(made, tmp_path, run_cli, monkeypatch):
    folder = shutil.copytree(made.folder, tmp_path / "digits")
    monkeypatch.chdir(folder)
    assert run_cli("convert", ".", "--to", "pytorch").exit_code == 0
    assert (folder / "digits.pth").exists()


def test_inspect_reads_a_published_folder(made, run_cli):
    found = json.loads(run_cli("inspect", made.folder, "--json", "-").stdout)
    assert found["model"] == "res2net_digits" and found["problems"] == []
    assert found["sha256"] == file_sha256(made.folder / "model.onnx")


def test_evaluate_reads_a_published_folder(made, run_cli):
    words = ["--data", "examples/digits/val", "--limit", "20", "--json", "-"]
    found = json.loads(run_cli("evaluate", made.folder, *words).stdout)
    assert found["runtime"] == "onnx" and found["top1_percent"] == 100


def test_parity_reads_a_published_folder(made, run_cli):
    found = json.loads(run_cli("parity", made.folder, "--runtimes", "pytorch", "--json", "-").stdout)
    assert [pair["candidate"] for pair in found["models"][0]["pairs"]] == [
        "pytorch",
        "onnxruntime (given file)",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "dialect", "name"), FAMILIES)
def test_a_model_of_each_family_publishes_and_verifies(tmp_path, model, dialect, name):
    """The others: python benchmarks/publish_all.py; real weights of EfficientNet-Lite0: test_card.py."""
    spec = get_model(model)
    source = write_random(tmp_path / name, spec, dialect_of(spec, dialect))
    done = publish(source, tmp_path / "out", model=model, license="apache-2.0", dialects=(dialect,))
    assert verify(done.folder, digest=done.digest).passed
