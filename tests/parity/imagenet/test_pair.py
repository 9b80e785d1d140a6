import numpy as np
import pytest
from scipy.stats import binomtest

from tests.parity.imagenet import known_answers as known
from tests.parity.imagenet.known_answers import IMAGES, PROFILE, WRONG, ColourRunner
from triport.parity.imagenet.blocks import Contender
from triport.parity.imagenet.dataset import open_dataset
from triport.parity.imagenet.evaluate import Scoring, score
from triport.parity.imagenet.pair import PairTally, mcnemar_exact
from triport.parity.imagenet.pair_page import PageSide, pair_page
from triport.parity.imagenet.report import pair_summary, pair_verdict


@pytest.mark.parametrize(
    ("a", "b"), [(0, 0), (0, 1), (0, 6), (5, 1), (3, 3), (10, 25), (150, 201), (4000, 4300)]
)
def test_mcnemar_is_the_binomial_test(a, b):
    expected = binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar_exact(a, b) == mcnemar_exact(b, a) == pytest.approx(expected, rel=1e-9)


class Other(ColourRunner):
    """Differs from the colours' runner on the first images that it sees: calls them class 0."""

    def __init__(self, flipped):
        super().__init__()
        self.left = flipped

    def logits(self, batch):
        logits = super().logits(batch)
        now = min(self.left, len(batch))
        logits[:now, 0] = 1
        self.left -= now
        return logits


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    data, _ = known.class_folders(folder, known.answers())
    return open_dataset(data, 1000, allow_subset=True)


def pair_of(dataset, flipped):
    pair = PairTally(dataset)
    contenders = [Contender("a", ColourRunner(), PROFILE), Contender("b", Other(flipped), PROFILE)]
    evaluations = score(contenders, dataset, Scoring(batch_size=16), [pair.add])
    return evaluations, pair


@pytest.mark.parametrize(("flipped", "equal"), [(0, True), (3, True), (20, False)])
def test_flips_and_verdict(flipped, equal, dataset):
    (a, b), pair = pair_of(dataset, flipped)
    assert (pair.images, pair.same_top1, len(pair.flips)) == (IMAGES, IMAGES - flipped, flipped)
    assert a.top1_count == IMAGES - WRONG
    assert pair.only_a == a.top1_count - b.top1_count
    assert pair.only_b == 0
    assert pair.p_value == mcnemar_exact(pair.only_a, 0)
    assert pair.equal == equal
    assert [flip.b for flip in pair.flips] == [0] * flipped
    lost = [flip for flip in pair.flips if flip.kind == "lost"]
    assert len(lost) == pair.only_a and all(flip.a == flip.label for flip in lost)
    found = pair.json()
    assert found["only_a_right"] + found["both_wrong_differently"] == flipped == len(found["flips"])
    if not equal:
        assert "A is better" in pair_verdict(pair)
    elif flipped:
        assert "No difference beyond chance" in pair_verdict(pair)
    else:
        assert f"The same best class on all {IMAGES} images" in pair_summary(pair)


def test_the_same_decoded_batches(dataset):
    """One profile is prepared once, and both networks get the same array."""
    seen = {"a": [], "b": []}

    class Keeping(ColourRunner):
        def __init__(self, name):
            super().__init__()
            self.kept = seen[name]

        def logits(self, batch):
            self.kept.append(batch)
            return super().logits(batch)

    score([Contender(name, Keeping(name), PROFILE) for name in seen], dataset)
    assert all(a is b for a, b in zip(seen["a"], seen["b"], strict=True))


def test_page_shows_the_flips(dataset):
    (a, b), pair = pair_of(dataset, 20)
    page = pair_page(PageSide("A", "first", a), PageSide("B", "<second>", b), pair).replace("<wbr>", "")
    assert page.count("data:image/jpeg;base64,") == 20
    assert "&lt;second&gt;" in page and "A is better" in page
    assert all(dataset.samples[flip.position].name in page for flip in pair.flips)
    assert "http://" not in page and "https://" not in page


def test_tied_logits_are_no_flip(dataset):
    class Tied(ColourRunner):
        def logits(self, batch):
            return np.zeros((len(batch), 1000), np.float32)

    pair = PairTally(dataset)
    contenders = [Contender("a", Tied(), PROFILE), Contender("b", Tied(), PROFILE)]
    score(contenders, dataset, listeners=[pair.add])
    assert not pair.flips and pair.json()["max_rel"] == 0
