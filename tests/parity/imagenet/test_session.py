"""`evaluate` from its options to its output, on the shipped model."""

import json
from pathlib import Path

import pytest

from triport import convert
from triport.parity.imagenet.preprocess import ProfileError
from triport.parity.imagenet.profiles import stated_profile, variants_of
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess, get_model

ROOT = Path(__file__).parents[3]
DIGITS = ROOT / "examples/digits/val"
PROFILE = Preprocess(256, 224, "bilinear", IMAGENET_MEAN, IMAGENET_STD, "pil")


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    """The shipped model in ONNX."""
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    convert(None, to="onnx", output=path)
    return path


@pytest.fixture
def evaluate(run_cli, onnx_file):
    """`evaluate` on 30 digits, with more words."""

    def run(*words, what=None, limit=30):
        return run_cli("evaluate", *(what or [onnx_file]), "--data", DIGITS, "--limit", limit, *words)

    return run


def test_verdict_and_preprocessing_are_printed(evaluate):
    found = evaluate("--model", "res2net_digits.triport")
    assert found.exit_code == 0
    assert "published for res2net_digits.triport: top-1 99.33 %" in found.stdout
    assert "verdict: not decided: with 30 images the accuracy may be anywhere from 88.65 to " in found.stdout


def test_pair_that_differs_is_exit_code_1(evaluate, onnx_file, tmp_path):
    """White for black in the second: hardly a digit is right."""
    page = tmp_path / "page.html"
    profiles = ("--profile", "resize=32", "--profile", "mean=0.9/0.9/0.9,std=-0.1/-0.1/-0.1")
    found = evaluate(*profiles, "--html", page, "--json", "-", what=(onnx_file, onnx_file))
    assert found.exit_code == 1
    result = json.loads(found.stdout)
    a, b = result["models"]
    assert (a["preprocess"]["mean"], b["preprocess"]["mean"]) == ([0.5] * 3, [0.9] * 3)
    pair = result["pair"]
    assert pair["images"] == a["images"] == 30 and not pair["equal"]
    assert pair["same_top1"] + len(pair["flips"]) == 30
    assert a["top1_count"] - b["top1_count"] == pair["only_a_right"] - pair["only_b_right"]
    assert page.read_text().count("<img") == len(pair["flips"]) > 10


def test_pair_of_two_runtimes(evaluate, onnx_file):
    found = evaluate("--runtime", "pytorch", "--runtime", "onnx", what=("res2net_digits", onnx_file))
    assert found.exit_code == 0
    assert "A: res2net_digits in pytorch on cpu" in found.stdout
    assert "B: res2net_digits in onnx on cpu" in found.stdout
    assert "The same best class on all 30 images." in found.stdout


def test_compare_preprocessing_names_the_culprit(evaluate):
    found = evaluate("--compare-preprocessing", "--profile", "mean=0/0/0,std=1/1/1", "--json", "-", limit=300)
    result = json.loads(found.stdout)
    by_name = {row["name"]: row for row in result["alternatives"]}
    assert by_name["as stated"]["top1_percent"] == result["top1_percent"]
    assert by_name["mean, std 0.5"]["top1_percent"] == pytest.approx(298 / 3)
    assert result["culprit"] in (None, "mean and std")
    assert "numbering of the classes" in {row["differs_in"] for row in result["alternatives"]}
    text = evaluate("--compare-preprocessing").stdout
    assert "labels + 1" in text and "nothing else scores better by more than chance" in text


def test_rows_and_resume(evaluate, tmp_path):
    rows = tmp_path / "rows.csv"
    words = ("--rows", rows, "--batch-size", 8, "--json", "-")
    whole = json.loads(evaluate(*words).stdout)
    data = rows.read_bytes()
    again = evaluate(*words)
    assert again.exit_code == 2 and "exists: use --resume" in again.stderr
    rows.write_bytes(data[: len(data) // 2])
    resumed = json.loads(evaluate(*words, "--resume").stdout)
    assert rows.read_bytes() == data
    assert {**resumed, "images_per_second": 0} == {**whole, "images_per_second": 0}
    other = evaluate(*words, "--resume", "--profile", "resize=40")
    assert other.exit_code == 2 and "resize_px is 40 in this run, and 32 in the run" in other.stderr


@pytest.mark.parametrize(
    ("words", "what", "message"),
    [
        (("--resume",), 1, "--resume goes on with the file of --rows"),
        ((), 3, "one model, or two to compare; found 3"),
        (("--compare-preprocessing",), 2, "takes one model"),
        (("--profile", "resize=40", "--profile", "resize=41"), 1, "--profile is given 2 times for 1 model"),
        (("--html", "x.html", "--compare-preprocessing"), 1, "--html shows one way of preparing images"),
        (("--profile", "resnet50.nobody"), 1, "knows no published weights of that name"),
        (("--labels", "x"), 1, "x: cannot be read as a labels file"),
    ],
)
def test_options_that_do_not_go_together(words, what, message, evaluate, onnx_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = evaluate(*words, what=(onnx_file,) * what)
    assert found.exit_code == 2
    assert message in found.stderr
    assert not list(tmp_path.iterdir())


def test_a_subset_by_official_names(run_cli, tmp_path):
    folder = tmp_path / "n01440764"
    folder.mkdir()
    (folder / "ILSVRC2012_val_00000293.JPEG").write_bytes(b"")
    words = ("evaluate", "res2net_digits", "--data", tmp_path)
    said = run_cli(*words).stderr
    assert "WordNet ids, as ImageNet's 1000 classes are; the model has 10 outputs" in said
    assert "another list of classes" in said


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("channels=bgr", {"channels": "bgr"}),
        ("library=opencv, interpolation=bicubic", {"library": "opencv", "interpolation": "bicubic"}),
        ("resize=232,crop=230", {"resize_px": 232, "crop_px": 230}),
        ("mean=0.5/0.5/0.5,std=1/2/3", {"mean": (0.5, 0.5, 0.5), "std": (1.0, 2.0, 3.0)}),
    ],
)
def test_profile_changes(text, changes):
    found = stated_profile(text, lambda: PROFILE)
    assert found == Preprocess(**{**{k: getattr(PROFILE, k) for k in PROFILE.__slots__}, **changes})


def test_profile_of_named_weights():
    weights = next(w for w in get_model("resnet50").weights if w.name == "resnet50.torchvision_v2")
    assert stated_profile(weights.name, lambda: PROFILE) == weights.preprocess


def test_a_whole_profile_needs_no_other():
    text = "library=pil,interpolation=bilinear,resize=256,crop=224,mean=0/0/0,std=1/1/1"
    assert stated_profile(text, lambda: pytest.fail("asked")).mean == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size=3", "'size=3' is not known"),
        ("resize=0", "resize is a number of pixels"),
        ("mean=0.5", "mean is three numbers"),
        ("std=0/1/1", "std is three numbers"),
        ("std=a/b/c", "std is three numbers"),
        ("library=torch", "library is one of pil, mindspore, opencv"),
    ],
)
def test_wrong_profiles(text, message):
    with pytest.raises(ProfileError, match=message):
        stated_profile(text, lambda: PROFILE)


def test_a_profile_that_is_not_whole_says_what_is_missing():
    def nothing_is_stated():
        raise TriportError("nothing states how its images are prepared")

    with pytest.raises(ProfileError, match=r"^--profile: library, interpolation must be said too\. nothing"):
        stated_profile("resize=32,crop=32,mean=0/0/0,std=1/1/1", nothing_is_stated)


def test_variants_differ_in_one_respect_each():
    variants = variants_of(PROFILE)
    assert variants[0].profile == PROFILE
    assert len({variant.profile for variant in variants}) == len(variants)
    assert {variant.culprit for variant in variants[1:]} == {
        "channel order",
        "mean and std",
        "resize size",
        "resize method",
    }
