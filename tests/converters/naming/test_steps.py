"""Steps: each is undone bit for bit, and reads back from its own text."""

import sys
from pathlib import Path

import numpy as np
import pytest

from triport.converters.naming.constant_steps import Crop, Insert, Remove, Unify
from triport.converters.naming.one_way_steps import FoldBatchNorm, SpectralNorm, Sum, WeightNorm
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.converters.naming.step import StepError
from triport.converters.naming.step_texts import KINDS, Only, parsed_step
from triport.converters.naming.steps import (
    Concatenate,
    Regroup,
    Reorder,
    Reshape,
    Split,
    Squeeze,
    Transpose,
    Unsqueeze,
    reshaped,
)

sys.path.insert(0, str(Path(__file__).parent))
from step_cases import ONE_WAY, REVERSIBLE, values


def bits(arrays):
    return [(array.shape, array.dtype, array.tobytes()) for array in arrays]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", REVERSIBLE)
def test_a_step_is_undone_bit_for_bit(kind, seed, dtype):
    step, arrays = REVERSIBLE[kind](np.random.default_rng(seed), dtype)
    there = step.forward(arrays)
    assert [array.shape for array in there] == step.shapes([array.shape for array in arrays])
    assert len(there) == step.count(len(arrays))
    assert bits(step.backward(there)) == bits(arrays)
    assert bits(step.inverse.backward(arrays)) == bits(there)
    assert step.inverse.inverse == step
    assert step.is_reversible and not step.computes


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", REVERSIBLE)
def test_a_step_reads_back_from_its_text(kind, seed):
    step, _ = REVERSIBLE[kind](np.random.default_rng(seed), "float32")
    assert parsed_step(str(step)) == step
    assert len(str(step)) < 60


@pytest.mark.parametrize("kind", ONE_WAY)
def test_a_one_way_step_says_so(kind):
    step, shapes = ONE_WAY[kind]
    assert parsed_step(str(step)) == step
    assert step.computes and not step.is_reversible
    with pytest.raises(StepError, match="cannot be undone"):
        step.backward([])
    random = np.random.default_rng(0)
    arrays = [np.abs(random.standard_normal(shape)).astype(np.float32) for shape in shapes]
    assert [array.shape for array in step.forward(arrays)] == step.shapes(shapes)


def test_every_kind_has_a_case():
    assert set(KINDS) == {*REVERSIBLE, *(kind.split(" ")[0] for kind in ONE_WAY)}


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Transpose((1, 0)), "transpose 1 0"),
        (Reshape((64, 147), (64, 3, 7, 7)), "reshape 64x147 to 64x3x7x7"),
        (Concatenate(0, (64, 64, 64)), "concatenate 0 1:1:1"),
        (Split(1, (128, 64)), "split 1 2:1"),
        (Reorder.of_gates("ifgo", "iofg"), "reorder 0 by 0 3 1 2"),
        (Regroup(0, (12, 3, -1), (1, 0, 2)), "regroup 0 12x3x* by 1 0 2"),
        (Insert(1, "zeros", (64,)), "insert 1 zeros 64"),
        (Only(1, 1, Transpose((1, 0))), "only 1 1 do transpose 1 0"),
    ],
)
def test_texts_are_short(step, text):
    assert str(step) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "transpose",
        "transpose 0 0",
        "transpose 1",
        "transpose -1 0",
        "transpose \u0661 0",
        "transpose 1  0",
        "reshape 2x3 to 7",
        "reshape 2x3",
        "squeeze 1 1",
        "concatenate 0 1:0",
        "concatenate 0",
        "regroup 0 2x*x* by 0 1 2",
        "regroup 0 2x3 by 0 1 2",
        "insert 0 noise 4",
        "insert 0 identity 4",
        "insert 0 zeros 99999999999999999999",
        "pad 1x1 to 2x2",
        "repeat 1",
        "repeat 1000000",
        "fold_batch_norm 0 nan",
        "fold_batch_norm 0",
        "only 0 1 do only 0 1 do transpose 0",
        "only 0 1 do remove 0 zeros 4",
        "exec print(1)",
    ],
)
def test_a_text_that_says_no_step_is_refused(text):
    with pytest.raises(StepError):
        parsed_step(text)


@pytest.mark.parametrize(
    ("step", "shapes"),
    [
        (Transpose((1, 0)), [(2, 3, 4)]),
        (Reshape((4,), (2, 2)), [(2, 2)]),
        (Squeeze((1,)), [(2, 2)]),
        (Unsqueeze((3,)), [(2,)]),
        (Concatenate(0, (1, 1)), [(2, 3), (4, 3)]),
        (Concatenate(0, (1, 1)), [(2, 3), (2, 4)]),
        (Concatenate(0, (1, 1)), [(2, 3)]),
        (Split(0, (1, 2)), [(4, 3)]),
        (Reorder(0, (1, 0, 2)), [(4,)]),
        (Regroup(0, (3, -1), (1, 0)), [(4,)]),
        (Insert(2, "zeros", (1,)), [(1,)]),
        (Remove(0, "zeros", (2,)), [(3,)]),
        (Crop((3, 3), (1, 1)), [(2, 2)]),
        (Unify(2), [(2,), (3,)]),
        (WeightNorm(0), [(3, 1), (4, 2)]),
        (SpectralNorm(0), [(3, 2), (3,), (3,)]),
        (FoldBatchNorm(0, 1e-5), [(4, 3), (4,), (4,), (4,)]),
        (Sum(2), [(2,), (2,), (2,)]),
        (Only(1, 2, Concatenate(0, (1, 1))), [(2,), (2,)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused_before_anything_is_computed(step, shapes):
    with pytest.raises(StepError, match="step"):
        step.shapes(shapes)
    with pytest.raises(StepError):
        step.forward([np.zeros(shape, np.float32) for shape in shapes])


@pytest.mark.parametrize(
    ("step", "found", "match"),
    [
        (Remove(0, "zeros", (3,)), [np.array([0, 1e-45, 0], np.float32)], "1 of its 3 values"),
        (Remove(0, "zeros", (3,)), [np.array([0, -0.0, 0], np.float32)], "-0.0"),
        (Remove(0, "ones", (2,)), [np.array([1, np.nan], np.float32)], "1 of its 2 values"),
        (Crop((3,), (1,)), [np.array([0, 1, 2], np.float32)], "other values around"),
        (Unify(2), [np.float32([1, 2]), np.float32([1, 3])], "their values differ"),
    ],
)
def test_what_would_be_lost_is_an_error(step, found, match):
    with pytest.raises(StepError, match=match):
        step.forward(found)


def test_an_identity_kernel_changes_nothing_in_groups():
    kernel = Insert(0, "identity", (6, 2, 3, 3)).forward([])[0]
    pixels = np.random.default_rng(0).standard_normal(6)
    for channel in range(6):  # groups of two channels: output c reads inputs of its own group
        group = pixels[channel // 2 * 2 : channel // 2 * 2 + 2]
        assert (kernel[channel, :, 1, 1] * group).sum() == pixels[channel]
    assert kernel.sum() == 6


def test_a_row_of_several_steps_is_undone():
    """q, k and v as Keras keeps them, a kernel (in, heads, size) each, are one matrix head by head."""
    random = np.random.default_rng(0)
    row = PairRow(
        ("q", "k", "v"),
        ("qkv",),
        (
            Reshape((8, 4, 2), (8, 8)),
            Transpose((1, 0)),
            Concatenate(0, (1, 1, 1)),
            Regroup(0, (3, 4, 2), (1, 0, 2)),
        ),
    )
    arrays = [values(random, 8, 4, 2) for _ in range(3)]
    (there,) = row.forward(arrays)
    assert there.shape == (24, 8)
    # the second head's k, its first row
    assert np.array_equal(there[1 * 6 + 2], arrays[1][:, 1, 0], equal_nan=True)
    assert bits(row.backward([there])) == bits(arrays)
    assert row.inverse.inverse == row


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((4, 3, 1, 1), (4, 3), Squeeze((2, 3))),
        ((4, 3), (4, 3, 1), Unsqueeze((2,))),
        ((4, 3, 2), (4, 6), Reshape((4, 3, 2), (4, 6))),
    ],
)
def test_a_reshape_without_sizes_where_it_needs_none(before, after, expected):
    assert reshaped(before, after) == expected


def test_a_whole_map_is_undone():
    random = np.random.default_rng(1)
    names = PairNames(
        (
            PairRow(("w",), ("kernel",), (Transpose((1, 0)),)),
            PairRow(("q", "v"), ("qkv_bias",), (Insert(1, "zeros", (2,)), Concatenate(0, (1, 1, 1)))),
            PairRow((), ("bias",), (Insert(0, "zeros", (3,)),)),
        )
    )
    given = {"w": values(random, 3, 2), "q": values(random, 2), "v": values(random, 2)}
    there = names.forward(given)
    assert set(there) == {"kernel", "qkv_bias", "bias"}
    back = names.backward(there)
    assert {name: array.tobytes() for name, array in back.items()} == {
        name: array.tobytes() for name, array in given.items()
    }
    with pytest.raises(StepError, match="would be lost"):
        names.backward({**there, "bias": np.float32([0, 1, 0])})
