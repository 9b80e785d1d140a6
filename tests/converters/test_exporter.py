"""A model's graph is traced once for each configuration, size, head and opset."""

from dataclasses import replace

import pytest

from triport.converters.onnx_export.exporter import Exporter
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")


@pytest.fixture
def traced():
    """What was traced, and what traces: a graph that says what was asked for."""
    from onnx import ModelProto

    asked = []

    def trace(spec, num_classes, opset):
        asked.append((spec.name, spec.input_size_px, num_classes, opset))
        return ModelProto(producer_name=repr(asked[-1]))

    return asked, Exporter("a framework", trace)


def test_the_second_caller_has_a_graph_of_its_own(traced):
    asked, exporter = traced
    first = exporter.trace(DIGITS, 10)
    first.producer_name = "changed"
    assert exporter.trace(DIGITS, 10).producer_name == repr(("res2net_digits", DIGITS.input_size_px, 10, 17))
    assert len(asked) == 1


def test_weights_and_figures_make_no_other_graph(traced):
    asked, exporter = traced
    exporter.trace(DIGITS, 10)
    exporter.trace(replace(DIGITS, weights=(), same_weights_as=()), 10)
    assert len(asked) == 1


def test_it_can_be_told_to_trace_anew(traced):
    asked, exporter = traced
    exporter.trace(DIGITS, 10)
    exporter.forget()
    exporter.trace(DIGITS, 10)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("changed", "num_classes", "opset"),
    [
        (replace(DIGITS, input_size_px=64), 10, 17),
        (replace(DIGITS, config=replace(DIGITS.config, blocks=(1, 1, 1, 1))), 10, 17),
        (replace(DIGITS, name="other"), 10, 17),
        (replace(DIGITS, family="resnet"), 10, 17),
        (DIGITS, 11, 17),
        (DIGITS, 10, 18),
    ],
    ids=["size", "configuration", "name", "family", "classes", "opset"],
)
def test_whatever_the_graph_depends_on_is_asked_for_anew(traced, changed, num_classes, opset):
    asked, exporter = traced
    exporter.trace(DIGITS, 10)
    exporter.trace(changed, num_classes, opset=opset)
    assert len(asked) == 2


def test_a_failure_is_not_kept():
    outcomes = iter([ValueError("once more"), None])

    def fails_first(spec, num_classes, opset):
        from onnx import ModelProto

        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return ModelProto(producer_name="in the end")

    exporter = Exporter("a framework", fails_first)
    with pytest.raises(ValueError, match="once more"):
        exporter.trace(DIGITS, 10)
    assert exporter.trace(DIGITS, 10).producer_name == "in the end"
