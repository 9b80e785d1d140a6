"""A module that the table of kinds knows nothing of is said to be so, on the terminal and in JSON."""

from types import SimpleNamespace

import pytest

from triport.parity.calls import CalledModule
from triport.parity.layers.judge import CallJudge
from triport.parity.reports.record import _layers_json
from triport.parity.reports.terminal import layers_line
from triport.reference_models.kinds import KINDS

MODULES = [
    CalledModule("block", "Block", False, frozenset()),
    CalledModule("block.conv", "Conv2d", True, frozenset(), KINDS["conv"]),
    CalledModule("block.own", "Own", True, frozenset()),
]


@pytest.mark.parametrize(("modules", "said"), [(MODULES, ["block.own (Own)"]), (MODULES[:2], [])])
def test_a_module_of_no_kind_is_said(modules, said):
    report = CallJudge(SimpleNamespace(steps=[], modules=modules)).report()
    assert _layers_json(report)["of_no_kind"] == said
    line = "; of no known kind, so not compared but by what they return: block.own (Own)"
    assert layers_line(report).endswith(line) == bool(said)
