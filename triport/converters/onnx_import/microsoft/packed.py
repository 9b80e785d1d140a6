"""Weights of two, four or eight bits in blocks, which become numbers of float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

# what four bits of bitsandbytes mean, by `quant_type`, of the largest number of a block
# Source: onnxruntime/contrib_ops/cpu/quantization/blockwise_quant_block_bnb4.h.
_UP_TO_ONE = [0, 5.208333333e-03, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25]
_NUMBERS_OF_FOUR_BITS = {
    0: [*_UP_TO_ONE, *(-each for each in _UP_TO_ONE)],
    1: [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
}


@rule("MatMulNBits")
def _packed_product(made: Expansion) -> None:
    """A product with weights of few bits in blocks: each has a scale and a zero point of its own.

    With `g_idx`, which block a row belongs to is stored. Zero points may be numbers that are no whole ones.

    Raises:
        NotExpandedError: among other things, both `g_idx` and packed zero points: the operator's text has the
            latter count, ONNX Runtime 1.31 passes over them, and nobody could prove the one or the other.
    """
    rows, columns = made.attribute("K", 0), made.attribute("N", 0)
    bits, block = made.attribute("bits", 4), made.attribute("block_size", 0)
    made.attribute("accuracy_level", 0)
    if bits not in (2, 4, 8) or block < 16:
        raise NotExpandedError
    made.check(6)
    blocks = -(-rows // block)
    stored = made.array(1)
    if stored.dtype != np.uint8 or stored.size * 8 != columns * blocks * block * bits:
        raise NotExpandedError
    weight = _unpacked(stored.reshape(columns, -1), bits)[:, :rows]
    of_row = np.arange(rows) // block
    if made.has(4):
        of_row = made.array(4).reshape(-1)[:rows].astype(np.int64)
    if len(of_row) != rows or of_row.min() < 0 or of_row.max() >= blocks:
        raise NotExpandedError
    zero: Any = 2 ** (bits - 1)
    if made.has(3):
        stored = made.array(3)
        whole = stored.dtype == np.uint8
        if whole and made.has(4):
            raise NotExpandedError
        zero = _unpacked(stored.reshape(columns, -1), bits) if whole else stored.astype(np.float32)
        zero = zero.reshape(columns, -1)[:, of_row]
    scale = made.array(2).astype(np.float32).reshape(columns, blocks)[:, of_row]
    numbers = ((weight - zero) * scale).T
    y = made.put("MatMul", made.of(0), made.constant(np.ascontiguousarray(numbers, np.float32)))
    made.give(0, made.put("Add", y, made.of(5)) if made.has(5) else y)


@rule("MatMulBnb4")
def _bitsandbytes_product(made: Expansion) -> None:
    """A product with weights of four bits that are one of sixteen numbers each, times a block's largest.

    Source: onnxruntime/contrib_ops/cpu/quantization/matmul_bnb4.cc.
    """
    rows, columns = made.attribute("K", 0), made.attribute("N", 0)
    block, numbers = made.attribute("block_size", 0), made.attribute("quant_type", -1)
    made.attribute("training_mode", 0)
    if numbers not in _NUMBERS_OF_FOUR_BITS or block < 16 or made.attribute("transB", 1) != 1:
        raise NotExpandedError
    made.check(3)
    stored = made.array(1).reshape(-1)
    places = np.stack([stored >> 4, stored & 15], axis=-1).reshape(-1)[: rows * columns]
    largest = np.repeat(made.array(2).reshape(-1).astype(np.float32), block)[: rows * columns]
    if not len(places) == len(largest) == rows * columns:
        raise NotExpandedError
    weight = np.array(_NUMBERS_OF_FOUR_BITS[numbers], np.float32)[places] * largest
    weight = np.ascontiguousarray(weight.reshape(columns, rows).T)
    made.give(0, made.put("MatMul", made.of(0), made.constant(weight)))


def _unpacked(stored: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers of few bits, the lowest of each byte first, as whole numbers."""
    parts = [(stored >> low) & (2**bits - 1) for low in range(0, 8, bits)]
    return np.stack(parts, axis=-1).reshape(*stored.shape[:-1], -1).astype(np.int64)


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
