"""Elements that are put at one place: the last one counts, however many threads put them."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.operators import TARGETS
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.judge import UnoptimisedRuntime
from triport.parity.imported.runs import run


@pytest.mark.parametrize("target", TARGETS)
def test_the_last_of_two_elements_at_one_place_counts(target, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> net (float[7, 2] x, int64[n, 2] i, float[n, 2] u)
        => (float[7, 2] y) { y = ScatterElements <axis = 0> (x, i, u) }"""
    )
    runtime = UnoptimisedRuntime.of(proto.SerializeToString())
    source = written(proto, target)
    write(tmp_path, source)
    network = load(tmp_path, source.name, target)
    random = np.random.default_rng(0)
    for _ in range(40):
        places = random.integers(-7, 7, (300, 1)).repeat(2, 1)
        feed = {"x": np.zeros((7, 2), "f4"), "i": places, "u": random.normal(size=(300, 2)).astype("f4")}
        (found,) = run(network, target, list(feed.values()))
        np.testing.assert_array_equal(found, runtime.run(feed)[0])
