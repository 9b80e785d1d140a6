import io
import json

import numpy as np
import pytest
from rich.console import Console

from tests.parity.checking import checked as check_model
from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of, random_batch
from triport.parity.candidates import ParityError
from triport.parity.judge.comparison import compare
from triport.parity.reports.record import json_of
from triport.parity.reports.terminal import table_of, verdict_of
from triport.parity.runtimes import pytorch
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
ALL = ["pytorch", "mindspore", "onnxruntime (from mindspore)", "onnxruntime (from pytorch)"]


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC)


@pytest.fixture(scope="module")
def batch():
    return random_batch(SPEC)


@pytest.fixture(scope="module")
def exported(parameters):
    from triport.converters.onnx_export.from_torch import FROM_TORCH

    return FROM_TORCH.export(SPEC, 10, parameters)


@pytest.fixture(scope="module")
def report(parameters, batch):
    return check_model(SPEC, parameters, batch)


def test_every_runtime_is_compared_with_float64(report):
    assert [pair.candidate for pair in report.pairs] == ALL
    assert {(pair.reference, pair.device) for pair in report.pairs} == {("pytorch-float64", "cpu")}
    assert report.passed
    assert 0 < report.noise < 5e-6


def test_json_has_the_contract_and_no_infinity(report):
    parsed = json.loads(json.dumps(json_of([report]), allow_nan=False))
    (model,) = parsed["models"]
    assert (model["model"], model["passed"], model["weights"]) == (SPEC.name, True, "random seed 0")
    keys = {"reference", "candidate", "device", "max_abs", "max_rel", "needed_tolerance", "tolerance"}
    assert keys | {"top1_agreement", "passed"} <= set(model["pairs"][0])
    assert "torch" in model["pairs"][0]["versions"]


def test_table_fits_80_columns_and_names_everything(report):
    console = Console(width=80, file=io.StringIO())
    console.print(table_of(report))
    text = console.file.getvalue()
    assert all(name in text for name in ALL)
    assert text.count("equal") == 4
    assert all(f"{pair.comparison.tolerance:.1e}" in text for pair in report.pairs)
    assert verdict_of([report]) == "Equal: 1 model, 4 comparisons within tolerance"


@pytest.mark.parametrize(
    ("runtimes", "candidates"),
    [
        (["pytorch"], ["pytorch"]),
        (["mindspore"], ["mindspore"]),
        (["onnx"], ALL[2:]),
        (["mindspore", "onnx"], ["mindspore", "onnxruntime (from mindspore)"]),
        (["pytorch", "onnx"], ["pytorch", "onnxruntime (from pytorch)"]),
    ],
)
def test_runtimes_are_selected(runtimes, candidates, parameters, batch, exported):
    exporters = dict.fromkeys(("mindspore", "pytorch"), lambda *arguments: exported)
    report = check_model(SPEC, parameters, batch, runtimes=runtimes, exporters=exporters)
    assert [pair.candidate for pair in report.pairs] == candidates
    assert report.passed


@pytest.mark.parametrize("runtimes", [[], ["jax"]])
def test_unknown_runtimes(runtimes, parameters, batch):
    with pytest.raises(
        TriportError, match=r"no runtime was named|'jax' is not known: use mindspore, onnx, openvino, pytorch"
    ):
        check_model(SPEC, parameters, batch, runtimes=runtimes)


def _wrong_exporter(parameters, feed):
    """A file with one bias changed: what a broken exporter makes."""
    from triport.converters.onnx_export.from_torch import FROM_TORCH

    name = next(reversed(parameters))
    return FROM_TORCH.export(SPEC, 10, {**parameters, name: parameters[name] + np.float32(1e-2)})


def test_a_wrong_export_is_found_and_named(parameters, batch):
    report = check_model(
        SPEC, parameters, batch, runtimes=["pytorch", "onnx"], exporters={"pytorch": _wrong_exporter}
    )
    assert [pair.comparison.passed for pair in report.pairs] == [True, False]
    assert not report.passed
    assert verdict_of([report]) == ("NOT equal: 1 of 1 models: res2net_digits (onnxruntime (from pytorch))")


def test_a_given_onnx_file_is_one_more_candidate(parameters, batch, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(_wrong_exporter(parameters, None).SerializeToString())
    report = check_model(SPEC, parameters, batch, runtimes=["pytorch"], onnx_file=path)
    assert [(p.candidate, p.comparison.passed) for p in report.pairs] == [
        ("pytorch", True),
        ("onnxruntime (given file)", False),
    ]


def test_a_runtime_that_fails_is_an_error_not_a_pass(parameters, batch):
    def broken(parameters, feed):
        raise RuntimeError("out of luck\nand more")

    with pytest.raises(ParityError, match=r"onnxruntime \(from pytorch\) failed: RuntimeError: out of luck$"):
        check_model(
            SPEC,
            parameters,
            batch,
            runtimes=["onnx"],
            exporters={**dict.fromkeys(("mindspore", "pytorch"), broken), "mindspore": _wrong_exporter},
        )


def test_nan_fails_in_every_runtime(parameters, batch):
    broken = {**parameters}
    name = next(iter(broken))
    broken[name] = np.full_like(broken[name], np.nan)
    report = check_model(SPEC, broken, batch, runtimes=["pytorch", "mindspore"])
    assert [pair.comparison.passed for pair in report.pairs] == [False, False]
    assert json_of([report])["models"][0]["pairs"][0]["max_abs"] is None
    json.dumps(json_of([report]), allow_nan=False)


def test_tolerance_overrides(parameters, batch):
    report = check_model(SPEC, parameters, batch, runtimes=["pytorch"], tolerance=1e-12)
    assert report.pairs[0].comparison.tolerance == 1e-12
    assert not report.passed


def test_the_judged_run_does_not_make_its_own_tolerance(parameters, batch, monkeypatch):
    """A PyTorch that is off by 1e-5, always in the same way, is found: its draws lie close together."""

    class Biased(PyTorchRunner):
        def run(self, feed, order="contiguous"):
            logits = super().run(feed, order)["logits"]
            return {"logits": logits * np.float32(1 + 1e-5) if self.dtype == "float32" else logits}

    right = check_model(SPEC, parameters, batch, runtimes=["pytorch"])
    monkeypatch.setattr(pytorch, "PyTorchRunner", Biased)
    report = check_model(SPEC, parameters, batch, runtimes=["pytorch"])
    assert right.passed and not report.passed
    assert report.noise == pytest.approx(right.noise, rel=0.1)
    assert report.pairs[0].comparison.needed_tolerance == pytest.approx(1e-5, rel=0.1)


def test_no_pairs_is_no_pass(report):
    import dataclasses

    assert not dataclasses.replace(report, pairs=()).passed


def test_progress_tells_every_step(parameters, batch):
    steps = []
    check_model(SPEC, parameters, batch, runtimes=["pytorch"], progress=lambda *step: steps.append(step))
    assert steps == [
        ("pytorch-float64", 0, 3),
        ("noise of float32", 1, 3),
        ("pytorch", 2, 3),
        ("", 3, 3),
    ]


@pytest.mark.parametrize("runtimes", [["pytorch"], ["mindspore"]])
def test_every_swap_of_gamma_and_variance_is_seen(runtimes, parameters, batch):
    """Swapped on one side only: the other is the reference."""
    norm = next(name for name in parameters if name.endswith("running_var")).removesuffix(".running_var")
    swapped = {
        **parameters,
        f"{norm}.weight": parameters[f"{norm}.running_var"],
        f"{norm}.running_var": parameters[f"{norm}.weight"],
    }
    right = logits_of(PyTorchRunner(of_model(SPEC, 10), parameters, dtype="float64"), batch)
    wrong = logits_of(PyTorchRunner(of_model(SPEC, 10), swapped, dtype="float64"), batch)
    assert not compare(right, wrong, 1e-3).passed
