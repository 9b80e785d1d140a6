"""What a rule says of one piece twice contradicts itself: it is not believed, and the next rule is asked."""

import pytest

from triport.parity.pairing import matching
from triport.parity.pairing.pieces import Cut, Piece
from triport.parity.pairing.state import Match


def match(a, b):
    one, other = (Piece(name, 0, Cut(0, 1), (10,), "scale") for name in (a, b))
    return Match(one, other, (0,), "gradient")


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ([["ax", "bx", "cz"]], ["cz"]),
        ([["ax", "ay", "cz"]], ["cz"]),
        ([["ax", "bx"], ["ax"]], ["ax"]),
        ([[], ["ax", "by"]], ["ax", "by"]),
        ([["ax", "ay"]], []),
    ],
)
def test_only_what_is_said_once_is_believed(said, believed, monkeypatch):
    monkeypatch.setattr(
        matching, "_said", lambda *_: iter([[match(*pair) for pair in rule] for rule in said])
    )
    assert matching._fresh(None, None) == [match(*pair) for pair in believed]
