"""NaN, infinities, halves, signs and ties in the source of an operator."""

import numpy as np
import pytest

from benchmarks.special_numbers import cases, differences, results
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.convert import convert_to_source
from triport.parity.imported.nan import LOST

# of the others MindSpore's kernels make a number of NaN, or ONNX Runtime's are other than the definition
SAME = {
    "Sign",
    "Sigmoid",
    "Tanh",
    "Log",
    "Round",
    "Mod",
    "Div",
    "Pow",
    "Floor",
    "Ceil",
    "Cast",
    "QuantizeLinear",
}
CASES = [case for case in cases() if case.operator in SAME]


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operator)
def test_the_same_number_as_in_onnx_runtime(case, target):
    assert not differences(case, target)


@pytest.mark.parametrize(
    ("operator", "target", "is_told"),
    [("Relu", "mindspore", True), ("Relu", "pytorch", False), ("Sigmoid", "mindspore", False)],
)
def test_where_nan_is_lost_is_said(operator, target, is_told, tmp_path):
    import onnx

    (case,) = (case for case in cases() if case.operator == operator)
    onnx.save(case.model(), tmp_path / "one.onnx")
    done = convert_to_source(tmp_path / "one.onnx", tmp_path / "out", target)
    assert done.passed
    assert any("NaN does not come through Relu" in note for note in done.notes) == is_told


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_what_is_said_to_lose_nan_is_what_loses_it(target):
    lose = set()
    for case in cases():
        try:
            found, wanted = results(case, target)
        except ImportRefusedError:
            continue
        if wanted.dtype.kind == "f" and (np.isnan(wanted) & ~np.isnan(found.astype(np.float64))).any():
            lose.add(case.operator)
    assert lose == LOST[target]
