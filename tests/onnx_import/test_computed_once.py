"""What is asked again is not computed again: constants of equal nodes, and runs of the same inputs."""

import numpy as np
import pytest
from onnx import helper

from triport.converters.onnx_import.reference import Reference
from triport.parity.imported.runs import remembered


@pytest.mark.parametrize(
    ("other", "opset", "is_known"), [("Add", 17, True), ("Sub", 17, False), ("Add", 13, False)]
)
def test_equal_nodes_of_equal_constants_are_computed_once(other, opset, is_known):
    reference, given = Reference(), [np.array([1, 2]), np.array([3, 5])]
    first = reference(helper.make_node("Add", ["a", "b"], ["c"], name="one"), 17, given, 1)
    again = [array.copy() for array in given]
    second = reference(helper.make_node(other, ["d", "e"], ["f"], name="two"), opset, again, 1)
    assert first is not None and second is not None
    assert first[0].tolist() == [4, 7] and (second is first) == is_known
    assert second[0].tolist() == ([4, 7] if other == "Add" else [-2, -3])


def test_constants_of_other_values_and_dtypes_are_others():
    reference = Reference()
    found = [
        reference(helper.make_node("Neg", ["a"], ["b"]), 17, [np.array([1], kind)], 1)
        for kind in (np.int64, np.int32, np.float32)
    ]
    assert [str(each[0].dtype) for each in found if each is not None] == ["int64", "int32", "float32"]
    assert reference(helper.make_node("Neg", ["a"], ["b"]), 17, [np.array([2])], 1)[0].tolist() == [-2]


def test_inputs_are_run_once_by_identity():
    asked = []
    ran = remembered(lambda feed: asked.append(feed) or [feed["x"] + 1])
    feed, equal = {"x": np.ones(2)}, {"x": np.ones(2)}
    assert ran(feed) is ran(feed) and len(asked) == 1
    ran(equal)
    assert len(asked) == 2
