"""What is kept of a report, and what the table makes of it."""

import pytest

from benchmarks.runtimes import line_of, record_of, table_of


def report(needed, of_image=0.0, failed=None):
    image = {"image": "the first", "needed_tolerance": of_image, "tolerance": 1e-6, "passed": True}
    step = {"module": "conv1", "output_error": 2e-7, "tolerance": 1e-6}
    pair = {
        "candidate": "openvino (from pytorch)",
        "passed": needed is not None and max(needed, of_image) <= 1e-6 and not failed,
        "needed_tolerance": needed,
        "tolerance": 1e-6,
        "further": [{"input": "1 image", "images": [] if failed else [image], "failed": failed}],
        "layers": {"modules": [step], "first": None, "behind_the_last": None},
        "versions": {},
    }
    return {"model": "net", "noise": 1e-7, "pairs": [pair]}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (report(5e-7), "equal (0.50 of what is allowed)"),
        (report(1e-7, 9e-7), "equal (0.90 of what is allowed)"),
        (report(1e-7, 3e-6), "DIFFERS (3.00 of what is allowed)"),
        (report(None), "DIFFERS (inf of what is allowed)"),
        (report(1e-7, failed="it fails: no"), "DIFFERS it fails: no (0.10 of what is allowed)"),
    ],
)
def test_the_worst_of_all_inputs_counts(found, line):
    record = record_of(found, "openvino", False)
    assert line_of(record) == f"net: openvino (from pytorch) {line}"
    table = table_of([record])
    assert ("DIFFERS" in table) == (not found["pairs"][0]["passed"])
    assert "| 1 | 0.20 |" in table


def test_a_model_that_was_run_twice_counts_once():
    records = [record_of(report(5e-7), "openvino", layers) for layers in (False, True)]
    assert "| openvino (from pytorch) | 1 | 1 |" in table_of(records)
