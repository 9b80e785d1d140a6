"""BatchNormalization in training mode, which exporters write for weight standardisation."""

import numpy as np
import onnx.parser
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.targets import TARGETS

EPSILON, MOMENTUM = 1e-3, 0.75


def graph():
    return onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["": 15]>
        net (float[n, 3, 4, 5] x, float[3] w, float[3] b, float[3] m, float[3] v)
        => (float y, float mean, float var)
        {{ y, mean, var = BatchNormalization <training_mode = 1, epsilon = {EPSILON}, momentum = {MOMENTUM}>
        (x, w, b, m, v) }}""")


@pytest.mark.parametrize("target", TARGETS)
def test_output_and_statistics_are_those_of_the_batch(target, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 4, 5)).astype("f") * 3 + 1
    w, b, m, v = (random.uniform(0.5, 2, 3).astype("f") for _ in range(4))
    found = outputs_of(written(graph(), target), [x, w, b, m, v], tmp_path)
    mean, var = x.mean((0, 2, 3), dtype="d"), x.var((0, 2, 3), dtype="d")

    def shaped(row):
        return row.reshape(1, 3, 1, 1)

    wanted = (
        (x - shaped(mean)) / np.sqrt(shaped(var) + EPSILON) * shaped(w) + shaped(b),
        m * MOMENTUM + mean * (1 - MOMENTUM),
        v * MOMENTUM + var * (1 - MOMENTUM),
    )
    for one, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, right, rtol=2e-6, atol=2e-6)
