"""The images on which an ONNX file is wrong, and on which to look for the place."""

from __future__ import annotations

import numpy as np

from triport.parity.candidates import GIVEN_FILE
from triport.parity.check import ModelReport, Pair


def file_pair(report: ModelReport) -> Pair | None:
    """Return the pair of the ONNX file that was given; None where none was run."""
    return next((pair for pair in report.pairs if pair.candidate == GIVEN_FILE), None)


def telling_batch(report: ModelReport) -> np.ndarray:
    """Return the main batch, or images of the first further input on which alone the file is wrong.

    Where an image of the main batch is wrong there, it is their number: that many copies of it. Otherwise it
    is what is in the images: those that are wrong, without the others, whose values may be far larger.
    """
    function, pair = report.function, file_pair(report)
    assert function is not None
    wrong = [] if pair is None else [result for result in pair.further if not result.passed]
    if pair is None or not pair.comparison.passed or not wrong:
        return function.batch
    given = next(one.given for one in function.expected if str(one.given) == wrong[0].input)
    failed = [index for index, image in enumerate(wrong[0].images) if not image.passed]
    by_number = [index for index in failed if given.rows[index] is not None]
    if by_number:
        return np.repeat(given.batch[by_number[:1]], len(given.batch), axis=0)
    return given.batch[failed] if failed else given.batch
