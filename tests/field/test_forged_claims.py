"""Published folders whose manifest was written anew by somebody: what it says that cannot be."""

import pytest

from tests.publishing.forgery import found, mend
from triport.converters.formats import ArrayTensor, open_checkpoint, write_checkpoint
from triport.parity.imagenet.wilson import wilson_interval
from triport.publishing.registered.measured import contradiction
from triport.publishing.verify import verify

IMAGES = 300


def _measurement(values, right=(297, 300), **changes):
    """Return the two figures of a measurement, as publish --accuracy takes them; `changes` are of both."""
    low, high = (100 * bound for bound in wilson_interval(right[0], IMAGES))
    first = {
        "kind": "measured",
        "metric": "top-1 accuracy",
        "percent": 100 * right[0] / IMAGES,
        "interval_percent": [low, high],
        "dataset": {"name": "digits", "type": "imagefolder", "split": None},
        "images": IMAGES,
        "runtime": "onnx",
        "device": "cpu",
        "sha256": values["source"]["sha256"],
        "date": "2026-01-01",
    }
    second = {"metric": "top-5 accuracy", "percent": 100 * right[1] / IMAGES, "interval_percent": None}
    return [{**first, **changes}, {**first, **second, **changes}]


def _measured(**changes):
    return lambda values: values.update(accuracy=_measurement(values, **changes))


def _of_first(**changes):
    def change(values):
        values["accuracy"] = _measurement(values)
        values["accuracy"][0].update(changes)

    return change


def _of_pair(values):
    values["parity"]["pairs"][0]["versions"]["torch"] = "1.0.0"


def _of_source(**changes):
    return lambda values: values["source"].update(changes)


@pytest.mark.field(
    case="Dates that have not been, or are none",
    source="found by an adversary: verify said 'as published' of a folder of 2999-01-01, and of 2026-13-45",
    outcome="verify names the date; SOURCE_DATE_EPOCH of a day to come is refused by publish.",
)
@pytest.mark.parametrize("date", ["2999-01-01", "2999", "2026-13-45", "2026-02-30", "0000-00-00", "2026-1-1"])
def test_dates_that_have_not_been(published_copy, date):
    mend(published_copy, lambda values: values.update(date=date))
    assert f"date is '{date}', expected a date" in found(published_copy)


@pytest.mark.parametrize("date", ["2020", "2020-02", "2020-02-29"])
@pytest.mark.field(
    case="Dates as publishers give them: a year, a month or a day",
    source="the counterpart",
    outcome="As published.",
)
def test_dates_that_have_been(published_copy, date):
    mend(published_copy, lambda values: values.update(date=date))
    assert verify(published_copy, runtimes=()).passed


@pytest.mark.field(
    case="SOURCE_DATE_EPOCH of a day to come",
    source="found by an adversary, beside the case before",
    outcome="publish refuses it, and says which day it is.",
)
def test_nothing_is_published_after_today(monkeypatch, tmp_path, run_cli):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "32472144000")
    words = [
        "publish",
        "examples/digits/res2net_digits.ckpt",
        "--model",
        "res2net_digits",
        "--license",
        "mit",
    ]
    done = run_cli(*words, "-o", tmp_path / "folder")
    assert done.exit_code == 2 and "is 2999-01-01, and nothing is published after today" in done.stderr
    assert not (tmp_path / "folder").exists()


@pytest.mark.field(
    case="A measured accuracy that no counting gives, or whose interval is another's",
    source="found by an adversary: 99 % of 100 images with an interval of 1 to 2 % was 'as published'",
    outcome="verify says why it cannot be; what evaluate --json writes is taken.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_of_first(interval_percent=[1.0, 2.0]), "the interval of 297 of 300 is not [1.0, 2.0]"),
        (_of_first(interval_percent=[99.9, 97.0]), "is not [99.9, 97.0]"),
        (_of_first(percent=99.2), "that of no whole number of 300 images"),
        (_of_first(interval_percent=None), "expected top-1 with its interval"),
        (_measured(images=10), "that of no whole number|the interval of"),
        (_measured(right=(297, 290)), "top-5 accuracy is lower than top-1 accuracy"),
        (lambda values: values.update(accuracy=_measurement(values)[:1]), "expected top-1 with its interval"),
        (_measured(date="2999-01-01"), "accuracy[0].date is '2999-01-01'"),
        (_measured(sha256="0" * 64), "measured on another file than its source"),
    ],
)
def test_accuracies_that_cannot_be(published_copy, change, words):
    mend(published_copy, change)
    problems = found(published_copy)
    assert any(one in problems for one in words.split("|")), problems


@pytest.mark.field(
    case="A measured accuracy as evaluate --json writes it, or rounded to two digits",
    source="the counterpart",
    outcome="As published.",
)
@pytest.mark.parametrize("digits", [14, 2])
def test_accuracies_that_can_be(published_copy, digits):
    def change(values):
        values["accuracy"] = _measurement(values)
        for figure in values["accuracy"]:
            figure["percent"] = round(figure["percent"], digits)

    mend(published_copy, change)
    assert verify(published_copy, runtimes=()).passed


@pytest.mark.field(
    case="Percentages of a few images, and of very many",
    source="the counterpart: what rounding hides must not be called a contradiction",
    outcome="Each number of right images has its percentage, whatever it was rounded to.",
)
@pytest.mark.parametrize("images", [1, 7, 300, 50_000, 2**40])
def test_every_count_is_possible(images):
    for right in {0, 1, images // 3, images - 1, images}:
        percent = {"top-1 accuracy": round(100 * right / images, 2), "top-5 accuracy": 100.0}
        interval = [round(100 * bound, 1) for bound in wilson_interval(right, images)]
        assert contradiction(percent, images, interval) is None


@pytest.mark.field(
    case="Metadata in a weights file that publish does not write",
    source="found by an adversary: 'accuracy: 99 %' in model.safetensors, beside the keys of triport",
    outcome="verify names the file and the key, in .safetensors and .ckpt as in .onnx.",
)
@pytest.mark.parametrize(("name", "runtime"), [("model.safetensors", "pytorch"), ("model.ckpt", "mindspore")])
@pytest.mark.parametrize("key", ["accuracy", "model", "triport.accuracy"])
def test_metadata_that_publish_does_not_write(published_copy, name, runtime, key):
    path = published_copy / name
    read = open_checkpoint(path)
    tensors = {tensor: ArrayTensor(one.numpy()) for tensor, one in read.tensors.items()}
    metadata = (
        {**read.metadata, key: "99 %", "format": "pt"}
        if runtime == "pytorch"
        else {**read.metadata, key: "99 %"}
    )
    path.chmod(0o600)
    path.unlink()
    write_checkpoint(path, runtime, tensors, metadata)
    mend(published_copy)
    assert f"{name}: its metadata has {key}, which triport does not write" in found(published_copy)


@pytest.mark.field(
    case="A source of a format that is none, and a run with another version than the manifest's",
    source="found by an adversary",
    outcome="verify names both.",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_of_source(format="onnx"), 'its source is of the format "onnx" and of mindspore'),
        (_of_source(format="magic"), 'its source is of the format "magic"'),
        (_of_pair, "ran with torch 1.0.0, and its versions say otherwise"),
    ],
)
def test_what_contradicts_itself(published_copy, change, words):
    mend(published_copy, change)
    assert words in found(published_copy)


@pytest.mark.field(
    case="What a check that failed says",
    source="found by an adversary: FAILED stood beside 'the manifest agrees with itself'",
    outcome="How many problems there are, never what would hold without them.",
)
def test_a_failed_check_says_nothing_untrue(published_copy, run_cli):
    mend(published_copy, lambda values: values.update(family="resnet"))
    done = run_cli("verify", published_copy, "--runtimes", "onnx")
    assert done.exit_code == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("claims")]
    assert line.split() == ["claims", "FAILED", "1", "problem"]
