"""Accuracy of networks that are none of a known model."""

import json
import shutil

import numpy as np
import pytest

from tests.parity.imagenet.brightness import (
    CELL,
    MODULE,
    PREPROCESSING,
    PROFILE,
    TIMM,
    TRANSFORMERS,
    write_images,
    write_onnx,
)
from triport.converters.formats import file_sha256
from triport.parity.imagenet.blocks import ScoredBlock, confidence_of
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.mistakes import Mistakes, WorstImage

RIGHT = 39  # of 40: one image is not what its folder says


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def scored(run_cli, images):
    """Evaluate, and return what --json prints."""

    def run(*words, profile=PROFILE):
        given = ["--profile", profile] if profile else []
        done = run_cli("evaluate", *words, "--data", images, *given, "--json", "-")
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    return run


@pytest.fixture
def refused(run_cli, images):
    """Evaluate what cannot be, and return the message."""

    def run(*words, profile=PROFILE):
        given = ["--profile", profile] if profile else []
        done = run_cli("evaluate", *words, "--data", images, *given)
        assert done.exit_code == 2 and "Traceback" not in done.output, done.output
        return done.stderr

    return run


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"shape": (1, 3, 8, 8)},
        {"shape": (3, 3, 8, 8)},
        {"shape": ("N", 8, 8, 3)},
        {"shape": ("N", "h", "w", 3)},
    ],
    ids=str,
)
def test_any_onnx_file(scored, tmp_path, runtime, given):
    told = scored(write_onnx(tmp_path / "x.onnx", **given), "--runtime", runtime)
    assert (told["images"], told["top1_count"], told["model"]) == (40, RIGHT, "x")
    assert told["runtime"] == runtime and told["published"] is None


def test_a_file_that_takes_float16(scored, tmp_path):
    told = scored(write_onnx(tmp_path / "x.onnx", dtype="float16"))
    assert told["top1_count"] == RIGHT


@pytest.mark.parametrize(
    ("text", "runtime"), [(MODULE, "pytorch"), (CELL, "mindspore")], ids=["Module", "Cell"]
)
@pytest.mark.parametrize("asked", [None, "onnx", "openvino"])
def test_a_network_in_code(scored, tmp_path, text, runtime, asked):
    path = tmp_path / f"net_{runtime}_{asked}.py"
    path.write_text(text)
    told = scored(f"{path}:build", *(["--runtime", asked] if asked else []))
    assert (told["top1_count"], told["runtime"]) == (RIGHT, asked or runtime)
    assert len(told["weights_sha256"]) == 64


def test_two_networks_in_code_are_compared(scored, tmp_path):
    (tmp_path / "one.py").write_text(MODULE)
    told = scored(f"{tmp_path / 'one.py'}:build", write_onnx(tmp_path / "x.onnx"))
    assert told["pair"]["same_top1"] == 40 and told["pair"]["equal"]


def test_a_module_as_an_object(tmp_path, images):
    import triport

    names = {}
    exec(compile(MODULE, "net", "exec"), names)
    done = triport.evaluate(names["build"](), data=images, profile=PROFILE)
    assert done.evaluations[0].top1_count == RIGHT and done.evaluations[0].model == "Brightness"


def test_imported_source_is_scored(scored, run_cli, tmp_path):
    path = write_onnx(tmp_path / "bright.onnx")
    done = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "source")
    assert done.exit_code == 0, done.output
    assert scored(f"{tmp_path / 'source' / 'bright.py'}:build")["top1_count"] == RIGHT


def beside(folder, name, values):
    (folder / name).write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("config.json", {"architecture": "bright", "pretrained_cfg": TIMM}, "config.json"),
        ("preprocessor_config.json", TRANSFORMERS, "preprocessor_config.json"),
        (None, None, None),
    ],
    ids=["timm", "transformers", "metadata"],
)
def test_what_a_file_states_of_its_images_is_followed(scored, tmp_path, name, values, said):
    metadata = {"triport.preprocessing": PREPROCESSING} if name is None else None
    path = write_onnx(tmp_path / "model.onnx", metadata=metadata)
    if name is not None:
        beside(tmp_path, name, values)
    told = scored(path, profile=None)
    assert told["top1_count"] == RIGHT
    assert told["preprocess"] == {**PREPROCESSING, "mean": [0, 0, 0], "std": [1, 1, 1], "channels": "rgb"}


def test_nothing_is_assumed_of_a_network_that_is_not_known(refused, tmp_path):
    message = refused(write_onnx(tmp_path / "x.onnx"), profile=None)
    assert "nothing states how its images are prepared" in message and "--profile" in message
    message = refused(write_onnx(tmp_path / "x.onnx"), profile="channels=bgr")
    assert "nothing states how its images are prepared" in message


@pytest.mark.parametrize(
    "values",
    [
        {"size": {"height": 8, "width": 8}},
        {"do_center_crop": False},
        {"resample": 1},
        {"do_normalize": False},
        {"rescale_factor": 1.0},
        {"crop_size": {"height": 8, "width": 9}},
        {"image_mean": [0, 0]},
        {"size": "large"},
    ],
    ids=str,
)
def test_a_preprocessing_that_is_not_known_is_refused(refused, tmp_path, values):
    path = write_onnx(tmp_path / "model.onnx")
    beside(tmp_path, "preprocessor_config.json", {**TRANSFORMERS, **values})
    assert "states a preprocessing that is not known here" in refused(path, profile=None)


def test_the_crop_fraction_of_transformers():
    from triport.converters.statements.preprocessing_files import _of_transformers

    config = {**TRANSFORMERS, "size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3}
    found = _of_transformers(config, 224)
    assert (found.resize_px, found.crop_px, found.interpolation) == (256, 224, "bicubic")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"outputs": 2}, "has 2 outputs"),
        ({"shape": ("N", 1, 8, 8)}, "images of three channels"),
        ({"shape": ("N", 3, 8)}, "images of three channels"),
        ({"dtype": "uint8"}, "images of three channels"),
        ({"shape": ("N", 3, 8, 9)}, "takes images of 8 x 9"),
        ({"shape": ("N", 3, 16, 16)}, "takes images of 16 px, and they are to be prepared with a crop of 8"),
        ({"flat": False}, "a score for each class"),
    ],
    ids=str,
)
def test_what_is_no_classifier_is_refused(refused, tmp_path, given, words):
    assert words in refused(write_onnx(tmp_path / "x.onnx", **given))


def test_a_module_of_two_outputs_is_refused(refused, tmp_path):
    (tmp_path / "pair_of_outputs.py").write_text(MODULE)
    assert "returns 2 tensors" in refused(f"{tmp_path / 'pair_of_outputs.py'}:two")


def test_a_graph_does_not_run_where_only_definitions_do(refused, tmp_path):
    message = refused(write_onnx(tmp_path / "x.onnx"), "--runtime", "torch")
    assert "pytorch does not run it" in message and "convert it to source" in message


def test_a_folded_export_of_a_known_model(run_cli, tmp_path):
    assert run_cli("convert", "--to", "onnx", "--optimize", "-o", tmp_path / "x.onnx").exit_code == 0
    for runtime in ("onnx", "openvino"):
        done = run_cli(
            "evaluate",
            tmp_path / "x.onnx",
            "--data",
            "examples/digits/val",
            "--runtime",
            runtime,
            "--json",
            "-",
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["top1_count"] == 298


def test_a_word_that_is_no_runtime_has_a_hint(refused, tmp_path):
    assert "Did you mean openvino" in refused(write_onnx(tmp_path / "x.onnx"), "--runtime", "openvin")


def test_the_page_of_one_network(run_cli, images, tmp_path):
    path = write_onnx(tmp_path / "bright.onnx")
    page = tmp_path / "page.html"
    words = ["evaluate", path, "--data", images, "--profile", PROFILE, "--html", page]
    assert run_cli(*words).exit_code == 0
    text = page.read_text().replace("<wbr>", "")  # where a path may break
    assert "Top-1 97.50 % of 40 images" in text
    assert '<td>0</td><td>9</td><td class="number">1</td>' in text  # the white image of class 0
    assert "expected calibration error" in text and "0/0.png" in text
    assert f"evaluate {path} --data {images} --profile" in text
    assert file_sha256(path) in text and "onnxruntime " in text and "<td>date</td>" in text
    assert "<script" not in text and "://" not in text


def test_the_page_has_no_signature_of_an_address(run_cli, tmp_path, monkeypatch):
    from triport.commands.shared import command

    seen = []
    monkeypatch.setattr(
        "triport.converters.sources.locate", lambda *asked: seen.append(command.typed_command())
    )
    run_cli("inspect", "https://me:Passw0rd@h/x.ckpt?sig=SECRETSIGNATURE")
    assert seen and "Passw0rd" not in seen[0] and "SECRETSIGNATURE" not in seen[0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0.0, 0.0]], [0.5]),
        ([[100.0, 0.0]], [1.0]),
        ([[0.25, 0.75], [0.9, 0.1]], [0.75, 0.9]),
        ([[-1e9, 1e9]], [1.0]),
    ],
)
def test_confidence(rows, expected):
    assert confidence_of(np.array(rows, np.float32)) == pytest.approx(expected, abs=1e-6)


def test_calibration_by_hand(images):
    dataset = open_dataset(images, 10)
    mistakes = Mistakes(dataset)
    classes = np.array([[[0, 1]], [[1, 0]]], np.int32)
    logits = np.zeros((2, 1, 2), np.float32)
    mistakes.add(ScoredBlock(0, np.zeros((2, 16), np.uint8), classes, logits, np.array([[0.95], [0.95]])))
    # one of two right at a confidence of 0.95
    assert mistakes.calibration_error_percent == pytest.approx(45.0)
    assert mistakes.worst() == [WorstImage(1, 0, 1, 0.95)]
    mistakes.add(ScoredBlock(2, np.zeros((2, 16), np.uint8), classes, logits))
    assert (mistakes.images, mistakes.known) == (4, 2) and mistakes.worst()[-1].confidence is None


@pytest.mark.parametrize("key", ["id2label", "label_names"])
def test_the_config_says_which_output_is_which_class(run_cli, images, tmp_path, key):
    names = [f"class {9 - index}" for index in range(10)]  # sorted, they would be the other way round
    for index, name in enumerate(names):
        shutil.copytree(images / str(index), tmp_path / "val" / name)
    value = {str(index): name for index, name in enumerate(names)} if key == "id2label" else names
    beside(tmp_path, "config.json", {"pretrained_cfg": TIMM, key: value})
    words = ["evaluate", write_onnx(tmp_path / "model.onnx"), "--data", tmp_path / "val", "--json", "-"]
    told = json.loads(run_cli(*words).stdout)
    assert told["top1_count"] == RIGHT
    assert any("the order of the config.json" in note for note in told["notes"])


def test_two_networks_whose_configs_name_the_classes_otherwise(run_cli, images, tmp_path):
    paths = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        names = [str((index + number) % 10) for index in range(10)]
        beside(folder, "config.json", {"pretrained_cfg": TIMM, "label_names": names})
        paths.append(write_onnx(folder / "model.onnx"))
    done = run_cli("evaluate", *paths, "--data", images)
    assert done.exit_code == 2 and "names its classes otherwise, or in another order" in done.stderr
