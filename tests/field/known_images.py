"""Images whose classes are known, scored by a model that knows them, as the tests of data use them."""

from tests.parity.imagenet.known_answers import IMAGES, PROFILE, WRONG, ColourRunner
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.evaluate import Evaluation, evaluate

RIGHT = IMAGES - WRONG


def score(data, labels_path=None, **options) -> Evaluation:
    """Score the images of `data`, which may be a part of a set."""
    dataset = open_dataset(data, 1000, labels=labels_path, **{"allow_subset": True, **options})
    return evaluate(ColourRunner(), "colours", dataset, PROFILE)


def check_right(result: Evaluation) -> None:
    """Every image once, and the known number of them right."""
    assert (result.images, result.top1_count) == (IMAGES, RIGHT)
