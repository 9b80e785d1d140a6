"""How many images a batch has, and who decodes and runs it: on a CPU every core whole batches by itself.

A core that decodes a batch and runs the network on it waits for nothing before the end, and what it works on
stays in its cache (benchmarks/evaluate.py). A device of its own, a runtime that one thread at a time may run,
and batches that are larger have decoding threads beside the network instead (`decoding.decoded`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from triport.parity.ranks.launch import ranks_here
from triport.parity.runtimes import SharedRunner
from triport.reference_models.spec import Preprocess

from .blocks import Contender, ScoredBlock, block_of
from .dataset import Sample
from .decoding import decode_batch, decoded, workers_of_machine

MOST_IMAGES = 32
# the network's tensors for more are larger than the cache of a core
_PIXELS_OF_A_CORE = 4 * 224 * 224

Groups = Iterable[tuple[int, Sequence[Sample]]]


def default_batch_size(contenders: Sequence[Contender]) -> int:
    """Return how many images are run at a time unless the user says: on a CPU as many as its caches hold.

    It is never less than what a file always takes at a time, which would be filled up for every batch.
    """
    on_cpu = all(one.runner.device == "cpu" for one in contenders)
    images = min(map(_images_of_a_core, contenders)) if on_cpu else MOST_IMAGES
    return max(images, *(getattr(one.runner, "row_count", None) or 1 for one in contenders))


def blocks(
    contenders: Sequence[Contender], groups: Groups, batch_size: int, num_classes: int, workers: int
) -> Iterator[ScoredBlock]:
    """Yield what the networks say of each (position, samples), in order, with `workers` threads.

    Raises:
        ImageError: a file cannot be read or decoded whole.
        EvaluationError: logits are not finite, or not one row per image with a value per class.
    """
    profiles = list(dict.fromkeys(contender.profile for contender in contenders))
    if not every_core_runs(contenders, batch_size):
        for batch in decoded(groups, profiles, workers):
            yield block_of(batch, contenders, num_classes)
        return
    cores = max(1, workers_of_machine(ranks_here()) // workers)
    with ExitStack() as stack:
        for contender in contenders:
            assert isinstance(contender.runner, SharedRunner)
            stack.enter_context(contender.runner.shared(cores))
        yield from _blocks_of_cores(contenders, groups, profiles, num_classes, workers)


def every_core_runs(contenders: Sequence[Contender], batch_size: int) -> bool:
    """Whether batches are so small, and the runtimes such, that every core runs some by itself."""
    return all(
        isinstance(one.runner, SharedRunner)
        and one.runner.shareable
        and batch_size <= _images_of_a_core(one) < MOST_IMAGES  # tiny images gain nothing
        for one in contenders
    )


def _blocks_of_cores(
    contenders: Sequence[Contender],
    groups: Groups,
    profiles: Sequence[Preprocess],
    num_classes: int,
    workers: int,
) -> Iterator[ScoredBlock]:
    def block(position: int, samples: Sequence[Sample]) -> ScoredBlock:
        return block_of(decode_batch(position, samples, profiles), contenders, num_classes)

    source = iter(groups)
    with ThreadPoolExecutor(workers, thread_name_prefix="evaluate") as pool:
        waiting: deque[Future[ScoredBlock]] = deque()
        try:
            while True:
                while len(waiting) < 2 * workers and (group := next(source, None)) is not None:
                    waiting.append(pool.submit(block, *group))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _images_of_a_core(contender: Contender) -> int:
    return max(1, min(MOST_IMAGES, _PIXELS_OF_A_CORE // contender.profile.crop_px**2))
