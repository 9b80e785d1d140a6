"""Decoding runs ahead of the network, in bounded memory."""

import threading
import time

import numpy as np
import pytest

from tests.parity.imagenet.known_answers import PROFILE
from triport.parity.imagenet import decoding
from triport.parity.imagenet.dataset import Image, ImageDataset, Sample
from triport.parity.imagenet.decoding import decoded, workers_of_machine
from triport.parity.imagenet.evaluate import evaluate

SECONDS, WORKERS, BATCH, BATCHES = 0.02, 4, 8, 10


class Waiting:
    """A network that takes `seconds` a batch and no CPU."""

    runtime = "fake"
    device = "none"

    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, feed):
        return {"logits": self.logits(feed["input"])}

    def logits(self, batch):
        time.sleep(self.seconds)
        return np.zeros((len(batch), 10), np.float32)

    def versions(self):
        return {}


@pytest.fixture
def dataset(tmp_path):
    samples = tuple(Sample(Image(tmp_path, str(i)), 0) for i in range(BATCH * BATCHES))
    return ImageDataset(tmp_path, samples, tuple("0123456789"))


@pytest.fixture
def slow_decoding(monkeypatch):
    """Decoding takes 20 ms an image; returns how many images were decoded at each moment."""
    started = []
    lock = threading.Lock()

    def fill(batch, index):
        with lock:
            started.append(time.perf_counter())
        time.sleep(SECONDS)
        batch.digests[index] = np.frombuffer(int(batch.position + index).to_bytes(16, "little"), np.uint8)

    monkeypatch.setattr(decoding, "_fill", fill)
    return started


def test_the_next_batches_are_decoded_while_the_network_computes(dataset, monkeypatch):
    """Every run waits until the batch after its own is being decoded: alone it would never end."""
    begun = [threading.Event() for _ in range(BATCHES)]

    def fill(batch, index):
        begun[batch.position // BATCH].set()
        batch.digests[index] = np.frombuffer(int(batch.position + index).to_bytes(16, "little"), np.uint8)

    class Following(Waiting):
        batch = 0

        def logits(self, batch):
            self.batch += 1
            assert self.batch == BATCHES or begun[self.batch].wait(60)
            return super().logits(batch)

    monkeypatch.setattr(decoding, "_fill", fill)
    result = evaluate(Following(0), "waiting", dataset, PROFILE, batch_size=BATCH, workers=WORKERS)
    assert result.images == BATCH * BATCHES


def test_no_more_than_three_batches_are_in_memory(dataset, slow_decoding):
    groups = [(at, dataset.samples[at : at + BATCH]) for at in range(0, len(dataset.samples), BATCH)]
    batches = decoded(groups, [PROFILE], WORKERS)
    next(batches)
    while len(slow_decoding) < 3 * BATCH:
        time.sleep(SECONDS)
    time.sleep(SECONDS * BATCH)
    assert len(slow_decoding) == 3 * BATCH
    batches.close()


def test_memory_is_flat(tmp_path):
    """Ten times the images take no more memory, but for their hashes."""
    import resource

    from tests.parity.imagenet import known_answers as known

    found = known.answers()
    path = tmp_path / "x.png"
    path.write_bytes(next(iter(found.data.values())))

    def peak_after(count):
        samples = tuple(Sample(Image(path, str(i)), 0) for i in range(count))
        dataset = ImageDataset(tmp_path, samples, tuple("0123456789"))
        evaluate(Waiting(0), "waiting", dataset, PROFILE, batch_size=64, workers=2, allow_duplicates=True)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = peak_after(640)
    # 6,400 inputs of 3 x 28 x 28 float32 would be 60 MB
    assert peak_after(6400) - first < 15_000


def test_workers_are_the_cpus_shared_by_the_ranks():
    alone = workers_of_machine()
    assert alone >= 1
    assert workers_of_machine(alone) == 1 == workers_of_machine(1000)
