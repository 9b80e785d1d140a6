"""ONNX files that take a fixed number of rows: fed in pieces, which is said and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from triport.parity.runtimes.onnx import OnnxRunner
from triport.reference_models.network import Input, Network, RowAxes

NOTE = (
    "takes {} at a time, no more and no fewer: any other batch is fed in such pieces, the last one filled up "
    "with the first rows"
)
NETWORK = Network("rows", (Input("x", ("N", 3), "float32"),), ("y",), {}, rows=RowAxes({"x": 0}, {"y": 0}))


def model_of(rows: int | str) -> bytes:
    """Return a dense layer for so many rows."""
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "weight")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 2])],
        [weight],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


@pytest.mark.parametrize(("rows", "said"), [(4, "4 rows"), (1, "1 row")])
def test_a_fixed_number_of_rows_is_said(rows: int, said: str) -> None:
    assert OnnxRunner(model_of(rows), NETWORK).notes == (NOTE.format(said),)


def test_a_free_number_of_rows_needs_no_note() -> None:
    assert OnnxRunner(model_of("N"), NETWORK).notes == ()


@pytest.mark.parametrize("rows", [1, 4, 5])
@pytest.mark.parametrize("count", [1, 3, 4, 6, 9])
def test_pieces_give_what_the_whole_gives(rows: int, count: int) -> None:
    feed: dict[str, Any] = {"x": np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)}
    found = OnnxRunner(model_of(rows), NETWORK).run(feed)
    expected = OnnxRunner(model_of("N"), NETWORK).run(feed)
    np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-6)
