"""How numbers and lists are worded in messages."""

import pytest

from triport.reference_models.errors import counted, listed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((1, "image"), "1 image"),
        ((0, "image"), "0 images"),
        ((1000, "class", "classes"), "1000 classes"),
        ((50_000, "image"), "50,000 images"),
        ((1, "entry is", "entries are"), "1 entry is"),
        ((2, "entry is", "entries are"), "2 entries are"),
    ],
)
def test_a_number_agrees_with_its_noun(words, expected):
    assert counted(*words) == expected


def test_a_long_list_is_cut_and_counted():
    assert listed(range(12), limit=10).splitlines()[-1] == "  ... and 2 more"
