"""The best classes are those of a stable sort, whatever ties there are."""

import numpy as np
import pytest

from triport.parity.imagenet.blocks import best_classes


def sorted_classes(logits):
    return np.argsort(-logits, axis=1, kind="stable")[:, :5]


@pytest.mark.parametrize("classes", [1, 2, 4, 5, 6, 10, 1000])
@pytest.mark.parametrize("values", [2, 4, 50, None])
def test_as_of_a_stable_sort(classes, values):
    """Of few different values, ties are everywhere: among the best five, and at their end."""
    draw = np.random.default_rng(classes)
    logits = (
        draw.standard_normal((40, classes)) if values is None else draw.integers(values, size=(40, classes))
    )
    logits = logits.astype(np.float32)
    assert (best_classes(logits) == sorted_classes(logits)).all()


def test_one_tie_at_the_end_of_the_best_five_in_one_row():
    logits = np.arange(24, dtype=np.float32).reshape(2, 12)
    logits[1, 7] = logits[1, 6]
    assert best_classes(logits).tolist() == [[11, 10, 9, 8, 7], [11, 10, 9, 8, 6]]


def test_zeros_of_either_sign_are_one_value():
    logits = np.array([[-0.0, 0.0, -1.0, 0.0, -0.0, 0.0, 0.0]], np.float32)
    assert best_classes(logits).tolist() == [[0, 1, 3, 4, 5]]
