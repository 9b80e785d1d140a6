"""Whose weights a source holds: said, told by the file's hash, or not known; and what is claimed then."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import onnx
import pytest

from examples.lost_accuracy import other_preprocessing
from tests.converters.checkpoints import dialect_of, hollow_checkpoint
from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import identify
from triport.publishing.registered.measured import MeasurementError, measured_figures
from triport.publishing.registered.origin import OriginError, figures_of_publisher, origin_of
from triport.reference_models.spec import get_model

ROOT = Path(__file__).parents[2]

RESNET50 = get_model("resnet50")
SWAG = get_model("regnet_y_16gf")
EVALUATED = {
    "model": "resnet50",
    "weights_sha256": "a" * 64,
    "runtime": "onnx",
    "device": "cpu",
    "images": 100,
    "top1_percent": 80.0,
    "top5_percent": 90.0,
    "top1_interval_percent": [71.1, 86.7],
    "preprocess": json.loads(json.dumps(asdict(RESNET50.weights[0].preprocess))),
}


def found(spec, dialect):
    checkpoint = hollow_checkpoint(spec, dialect_of(spec, dialect))
    return checkpoint, identify(checkpoint, spec.name)


def test_the_hash_in_a_published_files_name_tells_the_weights():
    weights = next(w for w in RESNET50.weights if w.name == "resnet50.torchvision_v2")
    digits = weights.url.rpartition("-")[2].partition(".")[0]
    origin = origin_of(*found(RESNET50, "torchvision"), digits.ljust(64, "0"), "resnet50")
    assert origin.weights == weights and origin.proof is not None and digits in origin.proof
    assert origin.preprocess == weights.preprocess


def test_named_weights_are_not_believed():
    origin = origin_of(*found(RESNET50, "torchvision"), "0" * 64, "resnet50.torchvision_v2")
    assert origin.weights is None and origin.proof is None
    assert origin.said_to_be is not None and origin.said_to_be.name == "resnet50.torchvision_v2"
    assert origin.stated_by.startswith("Assumed: that of resnet50.torchvision_v2")


def test_a_files_hash_proves_its_accuracy():
    weights = next(w for w in RESNET50.weights if w.name == "resnet50.torchvision_v2")
    assert [one["percent"] for one in figures_of_publisher(RESNET50, weights)] == [80.858, 95.434]
    assert list(figures_of_publisher(RESNET50, None)) == []


@pytest.mark.parametrize("said", ["resnet50.torchvision_v1", "resnet50.modelzoo"])
def test_a_file_that_is_known_to_be_another_is_refused(said):
    digits = "11ad3fa6".ljust(64, "0")
    with pytest.raises(
        OriginError, match=f"it is resnet50.torchvision_v2, weights of resnet50, and not {said}"
    ):
        origin_of(*found(RESNET50, "torchvision"), digits, said)


def test_a_published_file_is_not_published_as_another_graph():
    spec = get_model("resnet50_mindcv")
    with pytest.raises(OriginError, match="weights of resnet50, and not resnet50_mindcv"):
        origin_of(*found(spec, "torchvision"), "11ad3fa6".ljust(64, "0"), "resnet50_mindcv")


def test_names_alone_prove_no_accuracy():
    origin = origin_of(*found(RESNET50, "torchvision"), "0" * 64, "resnet50")
    assert origin.weights is None and origin.said_to_be is None
    assert origin.stated_by.startswith("Assumed: that of resnet50.torchvision_v1, whose publisher's names")


def test_what_the_file_states_counts_before_its_names(made):
    checkpoint = open_checkpoint(made.folder)
    origin = origin_of(checkpoint, identify(checkpoint), "0" * 64, "res2net_digits")
    # who said it first is kept from file to file
    assert origin.stated_by == "Stated by the publisher of res2net_digits.triport, whose file the source is"
    assert origin.weights is None


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("res2net_digits.triport", "stated: res2net_digits.triport, which the user named"),
        (
            ROOT / "triport" / "shipped" / "res2net_digits.ckpt",
            "stated: the publisher of res2net_digits.triport, for the file whose SHA-256 begins with",
        ),
    ],
)
def test_what_is_handed_on_is_true_of_the_new_file_too(source, known, tmp_path, run_cli):
    done = run_cli("convert", source, "--to", "mindspore", "-o", tmp_path / "digits.ckpt")
    assert done.exit_code == 0, done.output

    shown = run_cli("inspect", tmp_path / "digits.ckpt", "--json", "-")

    assert json.loads(shown.output)["preprocessing_known"].startswith(known)


def test_a_publisher_that_states_otherwise_is_not_quoted(tmp_path, run_cli):
    """Who has changed what a converted file states, and left the name of the publisher beside it."""
    assert run_cli("convert", "--to", "onnx", "-o", tmp_path / "digits.onnx").exit_code == 0
    model = onnx.load(tmp_path / "digits.onnx")
    other_preprocessing(model)
    onnx.save(model, tmp_path / "digits.onnx")

    shown = run_cli("inspect", tmp_path / "digits.onnx", "--json", "-")

    expected = "stated: the file alone (not the publisher of res2net_digits.triport, as it says)"
    assert json.loads(shown.output)["preprocessing_known"] == expected


def test_weights_for_other_images_than_the_graphs_are_refused():
    with pytest.raises(
        OriginError, match="its images are 384 px, and the graph of regnet_y_16gf here takes 224"
    ):
        origin_of(*found(SWAG, "torchvision"), "0" * 64, "regnet_y_16gf.torchvision_swag")


def test_a_measurement_is_taken_with_its_interval(tmp_path):
    path = tmp_path / "evaluate.json"
    path.write_text(json.dumps(EVALUATED))
    top1, top5 = measured_figures(
        f"my set={path}", "resnet50", "a" * 64, RESNET50.weights[0].preprocess, "2020-01-01"
    )
    assert (top1["percent"], top1["interval_percent"], top1["dataset"]["name"]) == (
        80.0,
        [71.1, 86.7],
        "my set",
    )
    assert (top5["percent"], top5["interval_percent"], top5["date"]) == (90.0, None, "2020-01-01")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("", {"model": "resnet18"}, "was measured on resnet18, not on resnet50"),
        ("", {"preprocess": {}}, "was measured with other preprocessing"),
        ("", {"images": "many"}, "is not what `evaluate --json` writes"),
        ("", {"images": 0}, "is not what `evaluate --json` writes"),
        ("", {"top1_percent": float("nan")}, "is not what `evaluate --json` writes"),
        ("", {"top1_percent": 101}, "is not what `evaluate --json` writes"),
        ("", {"device": "cpu\n"}, "is not what `evaluate --json` writes"),
        ("", {"weights_sha256": "b" * 64}, "was measured on a file with the SHA-256 bbb"),
        ("", {"weights_sha256": None}, "does not say on which file"),
        ("", {"precision": "float16"}, "was measured in float16"),
        ("a|b=", {}, "a data set's name is plain text"),
        ("a\x1bb=", {}, "a data set's name is plain text"),
    ],
)
def test_a_measurement_of_something_else_is_refused(tmp_path, name, changes, message):
    path = tmp_path / "evaluate.json"
    path.write_text(json.dumps({**EVALUATED, **changes}))
    with pytest.raises(MeasurementError, match=message):
        measured_figures(f"{name}{path}", "resnet50", "a" * 64, RESNET50.weights[0].preprocess, None)


def test_nobody_states_preprocessing():
    spec = replace(RESNET50, weights=())
    checkpoint, fit = found(RESNET50, "torchvision")
    origin = origin_of(checkpoint, fit._replace(spec=spec), "0" * 64, "resnet50")
    assert origin.stated_by == "Assumed: triport's default, because nobody states it"
