"""A graph's roundings, moved at random: by as much as its types round, and by nothing else."""

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.parity.test_float16 import BATCH, classifier
from triport.parity.graphs.roundings import perturb


def run(model):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": BATCH})[0]


@pytest.mark.parametrize(("halves", "rounding"), [(True, 2.0**-11), (False, 2.0**-23)])
def test_results_move_by_roundings_of_their_type(halves, rounding):
    model = classifier(halves=halves)
    right, moved, again, other = (run(one) for one in (model, *(perturb(model, seed) for seed in (1, 1, 2))))
    largest = np.abs(right).max()
    assert rounding / 10 < np.abs(moved - right).max() / largest < 8 * rounding
    assert (moved == again).all() and (moved != other).any()


def test_the_copy_is_valid_and_has_the_names_of_the_graph():
    model = classifier()
    copy = perturb(model, 1)
    onnx.checker.check_model(copy, full_check=True)
    assert {name for node in model.graph.node for name in node.output} <= {
        name for node in copy.graph.node for name in node.output
    }
    assert [value.name for value in copy.graph.output] == ["logits"]
