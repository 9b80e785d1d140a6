"""Image files become batches in threads, ahead of the network that computes on them.

Threads and not processes: Pillow and NumPy release the interpreter while they decode, resize and
normalise, and threads write into the batch, which processes would have to hand over
(benchmarks/evaluate.py times both).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from triport.reference_models.spec import Preprocess

from .dataset import Sample
from .preprocess import ImageError, decode_for, preprocess

DIGEST_BYTES = 16
_BATCHES_AHEAD = 3


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Decoded samples: `position` of the first in the data set, their hashes, the inputs by profile.

    `digests` is (N, 16) uint8, of each image file's bytes; inputs are (N, 3, crop, crop) float32.
    """

    position: int
    samples: Sequence[Sample]
    digests: np.ndarray
    inputs: dict[Preprocess, np.ndarray]


def read_sample(sample: Sample) -> bytes:
    """Return the bytes of a sample's image file.

    Raises:
        ImageError: they cannot be read.
    """
    try:
        return sample.image.read()
    except (OSError, EOFError) as error:
        raise ImageError(f"{sample}: not a readable image ({error})") from error


def digest_of(data: bytes) -> bytes:
    """Return the hash that tells images apart."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def workers_of_machine(ranks_here: int = 1) -> int:
    """Return how many threads decode: one for each CPU that this process may use, shared by its ranks."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, ranks_here))


def decoded(
    groups: Iterable[tuple[int, Sequence[Sample]]], profiles: Sequence[Preprocess], workers: int
) -> Iterator[DecodedBatch]:
    """Yield a batch for each (position, samples), in order, while the next ones are being decoded.

    Every file is read and decoded once, whatever the number of profiles.

    Raises:
        ImageError: a file cannot be read or decoded whole.
    """
    source = iter(groups)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[DecodedBatch, list[Future[None]]]] = deque()
        try:
            while True:
                while len(waiting) < _BATCHES_AHEAD and (group := next(source, None)) is not None:
                    batch = _empty(*group, profiles)
                    futures = [pool.submit(_fill, batch, index) for index in range(len(batch.samples))]
                    waiting.append((batch, futures))
                if not waiting:
                    return
                batch, futures = waiting.popleft()
                for future in futures:
                    future.result()
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def decode_batch(position: int, samples: Sequence[Sample], profiles: Sequence[Preprocess]) -> DecodedBatch:
    """Return the batch of these samples, decoded one after the other by this thread.

    Raises:
        ImageError: a file cannot be read or decoded whole.
    """
    batch = _empty(position, samples, profiles)
    for index in range(len(samples)):
        _fill(batch, index)
    return batch


def _empty(position: int, samples: Sequence[Sample], profiles: Sequence[Preprocess]) -> DecodedBatch:
    count = len(samples)
    inputs = {p: np.empty((count, 3, p.crop_px, p.crop_px), np.float32) for p in profiles}
    return DecodedBatch(position, samples, np.empty((count, DIGEST_BYTES), np.uint8), inputs)


def _fill(batch: DecodedBatch, index: int) -> None:
    sample = batch.samples[index]
    data = read_sample(sample)
    batch.digests[index] = np.frombuffer(digest_of(data), np.uint8)
    images = decode_for(data, sample, dict.fromkeys(profile.library for profile in batch.inputs))
    for profile, out in batch.inputs.items():
        preprocess(images[profile.library], profile, out[index])
