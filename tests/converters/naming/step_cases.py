"""Steps of every kind with tensors that they fit, drawn from a seed."""

import numpy as np

from triport.converters.naming.constant_steps import Insert, Pad, Repeat
from triport.converters.naming.one_way_steps import FoldBatchNorm, SpectralNorm, Sum, WeightNorm
from triport.converters.naming.step_texts import Only
from triport.converters.naming.steps import (
    Concatenate,
    Regroup,
    Reorder,
    Reshape,
    Squeeze,
    Transpose,
    Unsqueeze,
)

ODD = np.array([0.0, -0.0, np.nan, np.inf, 1e-45, -1.5], np.float32)


def values(random, *shape, dtype=np.float32):
    """Return values of any bits: signed zeros, denormals, NaN and Inf among them."""
    array = random.standard_normal(shape).astype(dtype)
    flat = array.reshape(-1)
    places = random.integers(0, max(flat.size, 1), flat.size // 3)
    flat[places] = ODD[random.integers(0, len(ODD), len(places))].astype(dtype)
    return array


def _order(random, count):
    return tuple(int(place) for place in random.permutation(count))


def _shape(random, rank, low=1):
    return tuple(int(size) for size in random.integers(low, 6, rank))


def transpose(random, dtype):
    rank = int(random.integers(1, 5))
    return Transpose(_order(random, rank)), [values(random, *_shape(random, rank), dtype=dtype)]


def reshape(random, dtype):
    shape = _shape(random, 4)
    return Reshape(shape, (shape[0] * shape[1], shape[2] * shape[3])), [values(random, *shape, dtype=dtype)]


def squeeze(random, dtype):
    first, second = _shape(random, 2)
    return Squeeze((1, 3)), [values(random, first, 1, second, 1, dtype=dtype)]


def unsqueeze(random, dtype):
    return Unsqueeze((0, 2)), [values(random, *_shape(random, 2), dtype=dtype)]


def concatenate(random, dtype):
    axis, (rows, size, _) = int(random.integers(0, 2)), _shape(random, 3)
    lengths = _shape(random, 3)
    arrays = [
        values(random, *((length * size, rows) if axis == 0 else (rows, length * size)), dtype=dtype)
        for length in lengths
    ]
    return Concatenate(axis, lengths), arrays


def split(random, dtype):
    step, arrays = concatenate(random, dtype)
    return step.inverse, step.forward(arrays)


def reorder(random, dtype):
    count, rows, size = (int(number) for number in random.integers(1, 6, 3))
    return Reorder(1, _order(random, count)), [values(random, rows, count * size, 2, dtype=dtype)]


def regroup(random, dtype):
    sizes = _shape(random, 3)
    given = [*sizes]
    if random.integers(0, 2):
        given[int(random.integers(0, 3))] = -1
    length = int(np.prod(sizes))
    return Regroup(1, tuple(given), _order(random, 3)), [values(random, 2, length, 3, dtype=dtype)]


def insert(random, dtype):
    kind = ("zeros", "ones", "identity")[int(random.integers(0, 3))]
    shape = (6, 3, 3, 3) if kind == "identity" else _shape(random, 2)
    return Insert(int(random.integers(0, 3)), kind, shape), [
        values(random, 4, dtype=dtype),
        values(random, 2, 2, dtype=dtype),
    ]


def remove(random, dtype):
    step, arrays = insert(random, dtype)
    return step.inverse, step.forward(arrays)


def pad(random, dtype):
    return Pad((1, 3), (3, 5)), [values(random, 2, 3, 1, 3, dtype=dtype)]


def crop(random, dtype):
    step, arrays = pad(random, dtype)
    return step.inverse, step.forward(arrays)


def repeat(random, dtype):
    return Repeat(int(random.integers(2, 5))), [values(random, 3, 2, dtype=dtype)]


def unify(random, dtype):
    step, arrays = repeat(random, dtype)
    return step.inverse, step.forward(arrays)


def only(random, dtype):
    step, arrays = concatenate(random, dtype)
    others = [values(random, 3, dtype=dtype), values(random, 2, 2, dtype=dtype)]
    return Only(1, 3, step), [others[0], *arrays, others[1]]


REVERSIBLE = {
    make.__name__: make
    for make in (
        transpose,
        reshape,
        squeeze,
        unsqueeze,
        concatenate,
        split,
        reorder,
        regroup,
        insert,
        remove,
        pad,
        crop,
        repeat,
        unify,
        only,
    )
}
ONE_WAY = {
    "weight_norm": (WeightNorm(0), [(4, 1, 1), (4, 3, 3)]),
    "spectral_norm": (SpectralNorm(1), [(3, 4, 2), (4,), (6,)]),
    "fold_batch_norm": (FoldBatchNorm(0, 1e-5), [(4, 3, 3, 3), *[(4,)] * 4]),
    "fold_batch_norm with a bias": (FoldBatchNorm(1, 1e-3), [(3, 4, 3, 3), *[(4,)] * 5]),
    "sum": (Sum(2), [(4, 3), (4,), (4, 3), (4,)]),
}
