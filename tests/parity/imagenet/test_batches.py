"""On a CPU every core decodes and runs whole batches by itself; the results are those of one thread."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from tests.parity.imagenet.test_evaluate import BrightnessRunner
from triport import convert
from triport.parity.imagenet import batches
from triport.parity.imagenet.batches import default_batch_size, every_core_runs
from triport.parity.imagenet.blocks import Contender
from triport.parity.imagenet.dataset import Image, ImageDataset, Sample
from triport.parity.imagenet.evaluate import Scoring, score
from triport.parity.imagenet.preprocess import ImageError
from triport.parity.imagenet.subject import open_subject
from triport.reference_models.spec import Preprocess

WORKERS = 2
LARGE = Preprocess(224, 224, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "pil")


class SharedBrightness(BrightnessRunner):
    """A runner that threads may share, and that remembers which of them ran it."""

    shareable = True

    def __init__(self):
        super().__init__()
        self.threads, self.cores, self.both = set(), [], threading.Barrier(WORKERS)

    @contextmanager
    def shared(self, cores):
        self.cores.append(cores)
        yield

    def logits(self, batch):
        self.threads.add(threading.get_ident())
        self.both.wait(30)  # one thread alone would wait for ever
        return super().logits(batch)


def blocks_of(runner, dataset, size=4):
    found = []
    options = Scoring(batch_size=size, workers=WORKERS, allow_duplicates=True)
    score([Contender("x", runner, LARGE)], dataset, options, [found.append])
    return found


@pytest.fixture
def grey_images(tmp_path):
    """32 images of ten brightnesses."""
    from PIL import Image as Pil

    for index in range(32):
        Pil.new("L", (9, 9), 8 * index).save(tmp_path / f"{index}.png")
    samples = tuple(Sample(Image(tmp_path / f"{index}.png", str(index)), 0) for index in range(32))
    return ImageDataset(tmp_path, samples, tuple("0123456789"))


def test_threads_run_whole_batches_at_once_and_the_results_are_in_order(grey_images):
    shared, alone = SharedBrightness(), BrightnessRunner()
    found, expected = blocks_of(shared, grey_images), blocks_of(alone, grey_images)
    assert len(shared.threads) == WORKERS and threading.get_ident() not in shared.threads
    assert len(shared.cores) == 1 and shared.cores[0] >= 1
    assert [one.position for one in found] == [one.position for one in expected] == list(range(0, 32, 4))
    for name in ("digests", "classes", "logits", "confidence"):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_results_before_an_image_that_cannot_be_read_are_handed_on(grey_images):
    (grey_images.root / "17.png").write_bytes(b"no image")
    found = []
    with pytest.raises(ImageError, match=r"17.*not a readable image"):
        options = Scoring(batch_size=4, workers=WORKERS, allow_duplicates=True)
        runner = SharedBrightness()
        runner.both = threading.Barrier(1)
        score([Contender("x", runner, LARGE)], grey_images, options, [found.append])
    assert [one.position for one in found] == [0, 4, 8, 12]


def test_no_more_than_two_batches_a_thread_are_worked_on(grey_images, monkeypatch):
    """The first one waits until all that may be taken are taken."""
    taken, enough = [], threading.Event()

    def groups():
        for at in range(0, 32, 2):
            taken.append(at)
            if len(taken) == 2 * WORKERS:
                enough.set()
            yield at, grey_images.samples[at : at + 2]

    class Waiting(SharedBrightness):
        def logits(self, batch):
            assert enough.wait(30)
            return BrightnessRunner.logits(self, batch)

    found = batches.blocks([Contender("x", Waiting(), LARGE)], groups(), 2, 10, WORKERS)
    next(found)
    assert len(taken) == 2 * WORKERS
    found.close()


@pytest.mark.parametrize(
    ("device", "crop_px", "rows", "expected"),
    [
        ("cpu", 224, None, 4),
        ("cpu", 299, None, 2),
        ("cpu", 600, None, 1),
        ("cpu", 32, None, 32),
        ("cpu", 224, 1, 4),
        ("cpu", 224, 16, 16),
        ("npu:0", 224, None, 32),
    ],
)
def test_the_batch_size_is_what_a_cache_holds_and_what_a_file_takes(device, crop_px, rows, expected):
    runner = BrightnessRunner()
    runner.device, runner.row_count = device, rows
    profile = Preprocess(crop_px, crop_px, "bilinear", (0.0,) * 3, (1.0,) * 3, "pil")
    assert default_batch_size([Contender("x", runner, profile)]) == expected


def test_who_runs():
    """Batches that are large, tiny images and runtimes of one thread have decoding threads beside them."""
    tiny = Preprocess(32, 32, "bilinear", (0.0,) * 3, (1.0,) * 3, "pil")
    shared = Contender("x", SharedBrightness(), LARGE)
    assert every_core_runs([shared, shared], 4)
    assert not every_core_runs([shared], 32)
    assert not every_core_runs([Contender("x", SharedBrightness(), tiny)], 4)
    assert not every_core_runs([shared, Contender("x", BrightnessRunner(), LARGE)], 4)


def test_onnx_runtime_computes_the_same_on_any_number_of_cores(tmp_path):
    path = tmp_path / "digits.onnx"
    convert(None, to="onnx", output=path)
    runner = open_subject(path).runner
    assert runner.shareable
    images = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    (before,) = runner.run({"input": images}).values()
    with runner.shared(1):
        session = runner._session
        assert session.get_session_options().intra_op_num_threads == 1
        (after,) = runner.run({"input": images}).values()
    with runner.shared(1):
        assert runner._session is session
    np.testing.assert_array_equal(before, after)


def test_pytorch_has_its_number_of_threads_back(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "digits.pth"
    convert(None, to="pytorch", output=path)
    runner = open_subject(path).runner
    assert runner.shareable
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt), runner.shared(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before


def test_a_module_of_the_users_is_run_by_one_thread():
    """It may keep something from one call to the next."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
    text = "resize=8,crop=8,interpolation=bilinear,library=pil,mean=0/0/0,std=1/1/1"
    assert not open_subject(net, profile=text).runner.shareable
