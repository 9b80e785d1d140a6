"""Ranks share a data set by whole batches in turn and exchange what they found, in the data set's order.

Every batch is then the one that a single process would have made, and its rows the same bits; every
image is scored exactly once, whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from triport.parity.ranks.rank import RankError, Ranks

from .batches import blocks
from .blocks import Contender, ScoredBlock
from .dataset import ImageDataset
from .decoding import DIGEST_BYTES, workers_of_machine

_NOTHING, _FAILED = -1, -2


@dataclass(frozen=True, slots=True)
class BlockShape:
    """What every block has at most and exactly: images, contenders, best classes."""

    batch_size: int
    contenders: int
    top: int


def blocks_of_all(
    contenders: Sequence[Contender],
    dataset: ImageDataset,
    first: int,
    workers: int | None,
    ranks: Ranks,
    shape: BlockShape,
) -> Iterator[ScoredBlock]:
    """Yield on every rank the results of all ranks, from image `first` on, in the data set's order."""
    positions = range(first, len(dataset.samples), shape.batch_size)
    groups = ((at, dataset.samples[at : at + shape.batch_size]) for at in positions[ranks.rank :: ranks.size])
    own = blocks(
        contenders, groups, shape.batch_size, len(dataset.class_names), workers or workers_of_machine()
    )
    if ranks.size == 1:
        yield from own
        return
    for _ in range(-(-len(positions) // ranks.size)):
        yield from _exchanged(own, ranks, shape)


def kept_by_all(kept: ScoredBlock | None, ranks: Ranks, shape: BlockShape) -> Iterator[ScoredBlock]:
    """Yield on every rank the rows that rank 0 kept of an earlier run, by batches."""
    count = np.array([len(kept) if kept is not None else 0], np.int32)
    for at in range(0, int(ranks.gather(count)[0][0]), shape.batch_size):
        part = None
        if ranks.rank == 0 and kept is not None:
            cut = slice(at, at + shape.batch_size)
            part = ScoredBlock(at, kept.digests[cut], kept.classes[cut], kept.logits[cut])
        found = unpacked(ranks.gather(packed(part, shape))[0], shape)
        if found is not None:
            yield found


def _exchanged(own: Iterator[ScoredBlock], ranks: Ranks, shape: BlockShape) -> Iterator[ScoredBlock]:
    """Exchange one block of each rank; where one failed, all stop instead of waiting for it."""
    failure: Exception | None = None
    block = None
    try:
        block = next(own, None)
    except Exception as error:  # whatever it is, the others must hear of it before it goes on
        failure = error
    rows = packed(block, shape)
    if failure is not None:
        rows[0, 0] = _FAILED
    parts = ranks.gather(rows)
    if failure is not None:
        raise failure
    failed = [rank for rank, part in enumerate(parts) if part[0, 0] == _FAILED]
    if failed:
        raise RankError(f"rank {failed[0]} failed: see its message")
    for part in parts:
        if (found := unpacked(part, shape)) is not None:
            yield found


def packed(block: ScoredBlock | None, shape: BlockShape) -> np.ndarray:
    """Return a block as (batch_size, columns) int32, which every backend carries; rows of -1 are none."""
    columns = 1 + DIGEST_BYTES // 4 + 2 * shape.contenders * shape.top
    rows = np.full((shape.batch_size, columns), _NOTHING, np.int32)
    if block is not None:
        n = len(block)
        rows[:n, 0] = np.arange(block.position, block.position + n)
        rows[:n, 1:] = np.concatenate(
            [
                np.ascontiguousarray(block.digests).view(np.int32),
                block.classes.reshape(n, -1),
                np.ascontiguousarray(block.logits.reshape(n, -1)).view(np.int32),
            ],
            axis=1,
        )
    return rows


def unpacked(rows: np.ndarray, shape: BlockShape) -> ScoredBlock | None:
    """Return the block that `packed` made rows of, None where it had none."""
    rows = np.ascontiguousarray(rows[rows[:, 0] >= 0], np.int32)
    if not len(rows):
        return None
    digests, classes, logits = np.split(
        rows[:, 1:], [DIGEST_BYTES // 4, DIGEST_BYTES // 4 + shape.contenders * shape.top], axis=1
    )
    best = (len(rows), shape.contenders, shape.top)
    return ScoredBlock(
        int(rows[0, 0]),
        np.ascontiguousarray(digests).view(np.uint8),
        classes.reshape(best),
        np.ascontiguousarray(logits).view(np.float32).reshape(best),
    )
