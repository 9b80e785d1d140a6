"""Reports are read as a program and a browser read them."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.parity.checking import checked as check_model
from triport.parity.batches import random_batch
from triport.parity.reports.junit import junit_of
from triport.parity.reports.page import page_of
from triport.parity.reports.record import json_of
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
WRONG = "layer2.0.convs.1"
FILES = {"models/<a> & b.onnx": "0" * 64}


class Page(HTMLParser):
    """A page's elements and text, and whatever it would fetch."""

    VOID = ("meta", "line", "circle", "polyline", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.verdict, self.titles, self.text, self.fetched = [], "", [], [], []
        self.circles, self.bad_circles, self.rings = 0, 0, 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.fetched += [value for name, value in attributes.items() if name in ("src", "href", "xlink:href")]
        self.fetched += [tag] if tag in ("script", "link", "iframe", "object") else []
        words = attributes.get("class", "").split()
        self.circles += "dot" in words
        self.bad_circles += "out" in words
        self.rings += "ring" in words
        if tag not in self.VOID:
            self.open.append((tag, attributes))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text.append(data)
        if any(attributes.get("id") == "verdict" for _, attributes in self.open):
            self.verdict += data
        if self.open and self.open[-1][0] == "title":
            self.titles.append(data)


def report_of(broken):
    parameters = random_parameters(SPEC)

    def export(given, feed):
        from triport.converters.onnx_export.from_torch import FROM_TORCH

        if broken:
            weight = given[f"{WRONG}.weight"].copy()
            weight[3] *= np.float32(1.01)
            given = {**given, f"{WRONG}.weight": weight}
        return FROM_TORCH.export(SPEC, 10, given)

    return check_model(
        SPEC,
        parameters,
        random_batch(SPEC),
        runtimes=["pytorch", "onnx"],
        exporters={"pytorch": export},
        layers=True,
        files=FILES,
    )


@pytest.fixture(scope="module")
def right():
    return report_of(broken=False)


@pytest.fixture(scope="module")
def broken():
    return report_of(broken=True)


def test_page_of_a_right_model(right):
    page = Page(page_of([right]))
    assert page.verdict == "Equal: 1 model, 2 comparisons within tolerance"
    assert page.circles > 250 and page.bad_circles == page.rings == 0
    assert page.fetched == [] and page.open == []


def test_page_shows_which_module_is_wrong(broken):
    page = Page(page_of([broken]))
    assert page.verdict == "NOT equal: 1 of 1 models: res2net_digits (onnxruntime (from pytorch))"
    assert page.rings == 1 and page.bad_circles > 1
    text = " ".join("".join(page.text).split())
    assert f"the first difference is in {WRONG} (Conv2d): its input is right, its output is not" in text
    assert "3 (4.9e-03)" in text  # the worst channel
    assert any(title.startswith(f"{WRONG} (Conv2d): output 4.9e-03") for title in page.titles)


def test_page_has_what_it_takes_to_repeat_it(right):
    text = " ".join("".join(Page(page_of([right])).text).split())
    assert "models/<a> & b.onnx" in text and "0" * 64 in text
    for name, value in right.pairs[0].versions.items():
        assert name in text and value in text
    assert "seed 0" in text and "--layers" in text


def test_page_is_the_same_bytes_again_and_dated_only_when_asked(right):
    assert page_of([right]) == page_of([right])
    assert "2026-01-01" in page_of([right], made="2026-01-01")


def test_json_names_the_module(broken):
    _, pair = json_of([broken])["models"][0]["pairs"]
    assert not pair["passed"] and not pair["layers"]["passed"]
    assert pair["layers"]["first"] == {"module": WRONG, "inside": True, "after": "layer2.0.relu#2"}
    step = next(step for step in pair["layers"]["modules"] if step["module"] == WRONG)
    assert step["input_error"] < 1e-6 < step["output_error"]
    assert step["worst_channels"][0][0] == 3


def test_junit(right, broken):
    root = ElementTree.fromstring(junit_of([right, broken]))
    suites = root.findall("testsuite")
    assert [(suite.get("tests"), suite.get("failures")) for suite in suites] == [("2", "0"), ("2", "1")]
    (failure,) = root.iter("failure")
    assert "logits differ from pytorch-float64" in failure.get("message")
    assert f"the first difference is in {WRONG}" in failure.text
