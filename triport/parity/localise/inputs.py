"""The images on which an ONNX file is wrong, and on which to look for the place."""

from __future__ import annotations

from triport.parity.candidates import GIVEN_FILE
from triport.parity.check import ModelReport, Pair
from triport.reference_models.network import Arrays


def file_pair(report: ModelReport) -> Pair | None:
    """Return the pair of the ONNX file that was given; None where none was run."""
    return next((pair for pair in report.pairs if pair.candidate == GIVEN_FILE), None)


def telling_feed(report: ModelReport) -> Arrays:
    """Return the main feed, or rows of the first further input on which alone the file is wrong.

    Where a row of the main feed is wrong there, it is their number: that many copies of it. Otherwise it
    is what is in the rows: those that are wrong, without the others, whose values may be far larger.
    """
    function, pair = report.function, file_pair(report)
    assert function is not None
    wrong = [] if pair is None else [result for result in pair.further if not result.passed]
    if pair is None or not pair.comparison.passed or not wrong:
        return function.feed
    expected = next(one for one in function.expected if str(one.given) == wrong[0].input)
    given, rows = expected.given, expected.rows
    failed = [given.images.index(image.what) for image in wrong[0].images if not image.passed]
    if rows is None or not failed:
        return given.feed
    by_number = [index for index in failed if given.rows[index] is not None]
    return rows.take(given.feed, by_number[:1] * rows.count(given.feed) if by_number else failed)
