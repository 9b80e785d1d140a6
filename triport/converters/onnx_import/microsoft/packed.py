"""Weights of four or eight bits in blocks, which become numbers of float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from .expansion import Expansion, NotExpandedError, rule


@rule("MatMulNBits")
def _packed_product(made: Expansion) -> None:
    """A product with weights of four or eight bits in blocks, which become numbers of float32."""
    rows, columns = made.attribute("K", 0), made.attribute("N", 0)
    bits, block = made.attribute("bits", 4), made.attribute("block_size", 0)
    made.attribute("accuracy_level", 0)
    if bits not in (4, 8) or made.has(4) or block < 16:
        raise NotExpandedError
    made.check(6)
    blocks = -(-rows // block)
    weight = _unpacked(made.array(1).reshape(columns, blocks, -1), bits)[..., :block]
    zero: Any = 2 ** (bits - 1)
    if made.has(3):
        stored = made.array(3)
        if stored.dtype != np.uint8:
            raise NotExpandedError
        zero = _unpacked(stored.reshape(columns, -1), bits)[:, :blocks, None]
    scale = made.array(2).astype(np.float32).reshape(columns, blocks, 1)
    numbers = ((weight - zero) * scale).reshape(columns, -1)[:, :rows].T
    y = made.put("MatMul", made.of(0), made.constant(np.ascontiguousarray(numbers, np.float32)))
    made.give(0, made.put("Add", y, made.of(5)) if made.has(5) else y)


def _unpacked(stored: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers of four bits, the lower half of each byte first, as whole numbers."""
    if bits == 8:
        return stored.astype(np.int64)
    halves = np.stack([stored & 15, stored >> 4], axis=-1)
    return halves.reshape(*stored.shape[:-1], -1).astype(np.int64)


@rule("GatherBlockQuantized")
def _packed_rows(made: Expansion) -> None:
    """Rows of a table whose numbers are stored in blocks along an axis."""
    gather, along = made.attribute("gather_axis", 0), made.attribute("quantize_axis", 1)
    bits, block = made.attribute("bits", 4), made.attribute("block_size", 128)
    made.check(4)
    stored, scale = made.array(0), made.array(2)
    if bits not in (4, 8) or scale.dtype != np.float32:
        raise NotExpandedError
    zero: Any = 0
    is_packed = stored.dtype == np.uint8
    if is_packed:
        zero, stored = 2 ** (bits - 1), _unpacked(stored, bits)
    if made.has(3):
        zero = _unpacked(made.array(3), bits)[..., : scale.shape[-1]] if is_packed else made.array(3)
        zero = _by_block(zero.astype(np.int64), block, along, stored.shape[along])
    numbers = stored.astype(np.int64) - zero
    table = (numbers * _by_block(scale, block, along, stored.shape[along])).astype(np.float32)
    made.give(0, made.put("Gather", made.constant(table), made.of(1), axis=gather))


def _by_block(given: np.ndarray, block: int, axis: int, length: int) -> np.ndarray:
    """Return numbers that are one a block as one a place."""
    return np.take(np.repeat(given, block, axis), range(length), axis)
