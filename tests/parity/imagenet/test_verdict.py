import re

import pytest

from triport.parity.imagenet.verdict import verdict_of


@pytest.mark.parametrize(
    ("correct", "images", "published", "same", "word", "text"),
    [
        (38065, 50_000, 76.13, True, "equal", "76.13 is within the 95 % interval 75.75 to 76.50"),
        (38755, 50_000, 78.47, True, "lower", r"lower by 0.96 points \(0.60 to 1.33\)"),
        (40_000, 50_000, 79.0, True, "higher", r"higher by 1.00 points \(0.65 to 1.35\)"),
        (76, 100, 76.13, True, "cannot tell", "not decided: with 100 images"),
        (298, 300, 99.33, True, "cannot tell", "the figure is the same, but with 300 images"),
        (10, 100, 76.13, True, "lower", "lower by 66.13 points"),
        (10, 100, 76.13, False, "other images", "these are other images"),
    ],
)
def test_verdicts(correct, images, published, same, word, text):
    found = verdict_of(correct, images, published, same_images=same)
    assert found.word == word
    assert re.search(text, found.text)
