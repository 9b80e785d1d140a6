"""The catalogue of faults on one small model: a few kinds by default, all of them in the long run."""

import pytest

from benchmarks import mutations
from benchmarks.faults import FAULTS

QUICK = [
    "BatchNorm: eps 1e-5 and 1e-3",
    "BatchNorm: gamma and beta swapped",
    "conv: kernel transposed in space",
    "conv: one weight of one kernel off by 10 %",
    "conv: weights rounded to float16",
    "ReLU: left out",
    "max-pool: padding same for symmetric",
    "average pool: count_include_pad",
    "block: skipped",
    "shortcut: left out",
    "Res2Net: pieces in the other order",
    "Res2Net: added in place",
    "head: labels off by one",
    "head: dropout left on",
    "images: RGB as BGR",
]


def test_the_catalogue_has_40_kinds_and_more():
    assert len(FAULTS) >= 40


@pytest.mark.parametrize(
    "fault", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_a_fault_is_caught_and_its_module_named(fault):
    result = mutations.subject("res2net_digits").judge(fault)
    if result is None:  # no ReLU6, no squeeze-excite: other families have them
        assert fault not in QUICK
        return
    assert result.by_logits and result.by_layers, result
    assert result.named_right, result


def test_no_fault_no_alarm(monkeypatch):
    monkeypatch.setitem(FAULTS, "none", lambda candidate: set())
    result = mutations.subject("res2net_digits").judge("none")
    assert not result.by_logits and not result.by_layers
