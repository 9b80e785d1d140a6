"""Graphs as ONNX Runtime's tools write BERTs and language models: equal to it, or refused."""

import ml_dtypes
import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import TARGETS
from triport.converters.onnx_import.reading import ImportRefusedError
from triport.parity.imported.convert import convert_to_source
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(0)


def drawn(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


def whole(low, high, *shape, dtype="u1"):
    return RANDOM.integers(low, high, shape).astype(dtype)


STORED = {
    "w": drawn(8, 24),
    "b": drawn(24),
    "square": drawn(8, 8),
    "words": drawn(7, 8),
    "places": drawn(9, 8),
    "segments": drawn(2, 8),
    "gamma": drawn(8),
    "beta": drawn(8),
    "wq": whole(-100, 100, 8, 24, dtype="i1"),
    "s": np.float32(0.02),
    "t": np.float32(0.01),
    "o": np.float32(0.0137),
    "z": np.uint8(120),
    "zw": np.int8(0),
    "ends": np.array([3, 5], "i4"),
    "ends_and_starts": np.array([4, 5, 1, 0], "i4"),
    "odd": np.array([[2, 0, -1, 1, 1], [1, 3, 0, 0, 1]], "i4"),
    "last4": np.array([3, 3], "i4"),
    "four": np.array(4, "i4"),
    "last6": np.array([5, 5], "i4"),
    "six": np.array(6, "i4"),
    "unequal": np.array([3, 1], "i4"),
    "tokens": drawn(11, 32),
    "second": np.array([1]),
    "i1": np.int32(1),
    "cos": drawn(16, 8),
    "sin": drawn(16, 8),
    "k": np.array(-1),
    "pads": np.array([0, 1, 0, 0, 0, 2]),
    "filled": np.array([1.5], "f4"),
    "axis": np.array(-1, "i4"),
    "two_places": np.array([[0, 1], [1, 2]]),
    "packed": whole(0, 256, 6, 2, 16),
    "steps": abs(drawn(12)),
    "zeros": whole(0, 256, 6),
    "zeros_between": drawn(12),
    "of_rows": np.arange(64, dtype="i4") ** 2 // 3 % 2,
    "quarters": whole(0, 256, 6, 2, 8),
    "bytes": whole(0, 256, 6, 2, 32),
    "nibbles": whole(0, 256, (20 * 6) // 2),
    "largest": abs(drawn(8)),
    "rows": whole(0, 256, 9, 24),
    "row_steps": abs(drawn(9, 3)),
    "row_zeros": whole(0, 256, 9, 2),
    "table": whole(-8, 8, 20, 8, dtype=ml_dtypes.int4),
    "table_steps": abs(drawn(2, 8)),
    "table_zeros": whole(-8, 8, 2, 8, dtype=ml_dtypes.int4),
    "filters": whole(0, 16, 4, 3, 3, 3, dtype=ml_dtypes.uint4),
    "filter_steps": abs(drawn(4)),
    "filter_zeros": whole(0, 16, 4, dtype=ml_dtypes.uint4),
}
ATTENTION = "com.microsoft.Attention"
HEADS = "com.microsoft.MultiHeadAttention"
GROUPS = "com.microsoft.GroupQueryAttention"
QKV = "float[2, 4, 64] q, float[2, 4, 32] k, float[2, 4, 32] v"
PAST = "float[2, 1, 64] q, float[2, 1, 32] k, float[2, 1, 32] v, float[2, 2, 5, 16] pk, float[2, 2, 5, 16] pv"
# inputs, outputs, nodes
CASES = {
    "a mask of lengths": (
        "float[2, 5, 8] x",
        "float y",
        f"y = {ATTENTION} <num_heads = 2> (x, w, b, ends)",
    ),
    "a mask of other numbers": (
        "float[2, 5, 8] x",
        "float y",
        f"y = {ATTENTION} <num_heads = 2, mask_filter_value = -50.0> (x, w, b, odd)",
    ),
    "a mask for each query": (
        "float[2, 5, 8] x, int32[2, 5, 5] m",
        "float y",
        f"y = {ATTENTION} <num_heads = 2> (x, w, b, m)",
    ),
    "what came before": (
        "float[2, 2, 8] x, float[2, 2, 2, 4, 4] past",
        "float y, float present",
        f"y, present = {ATTENTION} <num_heads = 2, unidirectional = 1> (x, w, b, ends, past)",
    ),
    "eight bits": (
        "uint8[2, 5, 8] x",
        "float y",
        "y = com.microsoft.QAttention <num_heads = 2> (x, wq, b, s, t, , z, zw)",
    ),
    "eight bits after others": (
        "uint8[2, 5, 8] x, float[2, 2, 2, 4, 4] past",
        "float y, float present",
        "y, present = com.microsoft.QAttention <num_heads = 2> (x, wq, b, s, t, ends, z, zw, past)",
    ),
    "heads with the usual scale": (
        "float[2, 5, 8] q, float[2, 6, 8] k, float[2, 6, 8] v",
        "float y",
        f"y = {HEADS} <num_heads = 2> (q, k, v)",
    ),
    "heads of a width that is not stated": (
        "float[2, 5, 8] p, float[2, 6, 8] k",
        "float y",
        f"q = MatMul (p, square) y = {HEADS} <num_heads = 2> (q, k, k)",
    ),
    "heads that see what is before": (
        "float[2, 5, 8] q, float[2, 5, 8] k, float[2, 5, 8] v",
        "float y",
        f"y = {HEADS} <num_heads = 2, unidirectional = 1> (q, k, v)",
    ),
    "heads of more keys, of which the last query sees all": (
        "float[2, 2, 8] q, float[2, 5, 8] k, float[2, 5, 8] v",
        "float y",
        f"y = {HEADS} <num_heads = 2, unidirectional = 1> (q, k, v)",
    ),
    "heads after others": (
        "float[2, 2, 8] q, float[2, 2, 8] k, float[2, 2, 8] v, float[2, 2, 3, 4] pk, float[2, 2, 3, 4] pv",
        "float y, float keys, float values",
        f"y, keys, values = {HEADS} <num_heads = 2> (q, k, v, , , , pk, pv)",
    ),
    "groups": (
        QKV,
        "float y, float keys, float values",
        f"""y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 2, do_rotary = 1>
            (q, k, v, , , last4, four, cos, sin)""",
    ),
    "groups with a window": (
        QKV,
        "float y, float keys, float values",
        f"""y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 2, do_rotary = 1,
            rotary_interleaved = 1, local_window_size = 2, scale = 0.5>
            (q, k, v, , , last4, four, cos, sin)""",
    ),
    "groups after others": (
        PAST,
        "float y, float keys, float values",
        f"""y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 2, do_rotary = 1, local_window_size = 3,
            softcap = 2.0> (q, k, v, pk, pv, last6, six, cos, sin)""",
    ),
    "groups in one tensor, turned in part": (
        "float[2, 4, 192] q",
        "float y, float keys, float values",
        f"""y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 1, do_rotary = 1>
            (q, , , , , last4, four, cos, sin)""",
    ),
    "embeddings and lengths": (
        "int32[2, 5] i, int32[2, 5] segment, int32[2, 5] m",
        "float y, int32 lengths",
        """e, lengths = com.microsoft.EmbedLayerNormalization <epsilon = 0.00001>
            (i, segment, words, places, segments, gamma, beta, m)
        y = com.microsoft.Attention <num_heads = 2> (e, w, b, lengths)""",
    ),
    "embeddings at places": (
        "int32[2, 5] i, int32[2, 5] at",
        "float y, int32 lengths, float total",
        """y, lengths, total = com.microsoft.EmbedLayerNormalization
            (i, , words, places, , gamma, beta, , at)""",
    ),
    "names of its own": (
        "float[2, 4, 4] x",
        "float y",
        """low = com.microsoft.Trilu <upper = 0> (x, k)
        p = com.microsoft.Pad <mode = "constant"> (low, pads, filled)
        y = com.microsoft.ExpandDims (p, axis)""",
    ),
    "values at places": ("float[4, 5] x", "float y", "y = com.microsoft.GatherND (x, two_places)"),
    "windows, channels last": (
        "uint8[2, 6, 6, 3] x",
        "uint8 y",
        "y = com.microsoft.NhwcMaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)",
    ),
    "averages, channels last": (
        "uint8[2, 4, 4, 3] x",
        "uint8 y",
        "y = com.microsoft.QLinearGlobalAveragePool <channels_last = 1> (x, s, z, o, z)",
    ),
    "one of two": (
        "bool[2, 4] c, uint8[2, 4] x, uint8[2, 4] v",
        "uint8 y",
        "y = com.microsoft.QLinearWhere (c, x, s, z, v, t, z, s, z)",
    ),
    "rows in bytes": (
        "int64[2, 3] i",
        "float y",
        """y = com.microsoft.GatherBlockQuantized
            <gather_axis = 0, quantize_axis = 1, block_size = 16, bits = 4>
            (rows, i, row_steps, row_zeros)""",
    ),
    "rows in bytes around eight": (
        "int64[2, 3] i",
        "float y",
        """y = com.microsoft.GatherBlockQuantized
            <gather_axis = 0, quantize_axis = 1, block_size = 16, bits = 4> (rows, i, row_steps)""",
    ),
    "columns of four bits": (
        "int64[3] i",
        "float y",
        """y = com.microsoft.GatherBlockQuantized <gather_axis = 1, quantize_axis = 0, block_size = 16>
            (table, i, table_steps, table_zeros)""",
    ),
    "the standard's four bits": (
        "float[2, 20] x",
        "float y",
        """m = DequantizeLinear <axis = 0, block_size = 10> (table, table_steps, table_zeros)
        y = MatMul (x, m)""",
    ),
    "filters of four bits": (
        "float[2, 3, 6, 6] x",
        "float y",
        "f = DequantizeLinear <axis = 0> (filters, filter_steps, filter_zeros) y = Conv (x, f)",
    ),
}
NBITS = "com.microsoft.MatMulNBits <K = 64, N = 6, block_size = 32, bits"
BNB4 = "com.microsoft.MatMulBnb4 <K = 20, N = 6, block_size = 16, quant_type"
CASES |= {
    name: ("float[2, 64] x", "float y", f"y = {line}")
    for name, line in {
        "blocks of four bits": f"{NBITS} = 4> (x, packed, steps, zeros)",
        "blocks by row": f"{NBITS} = 4> (x, packed, steps, , of_rows)",
        "blocks by row around numbers between": f"{NBITS} = 4> (x, packed, steps, zeros_between, of_rows)",
        "blocks around numbers between": f"{NBITS} = 4> (x, packed, steps, zeros_between)",
        "blocks of eight bits": f"{NBITS} = 8> (x, bytes, steps)",
        "blocks of two bits": f"{NBITS} = 2> (x, quarters, steps)",
    }.items()
}
CASES |= {
    f"one of sixteen numbers, {kind}": (
        "float[3, 20] x",
        "float y",
        f"y = {BNB4} = {kind}> (x, nibbles, largest)",
    )
    for kind in (0, 1)
}
REFUSED = {
    "zero points that ONNX Runtime passes over": (
        "float[2, 64] x",
        "float y",
        f"y = {NBITS} = 4> (x, packed, steps, zeros, of_rows)",
    ),
    "columns that are not turned": (
        "float[3, 6] x",
        "float y",
        f"y = {BNB4} = 1, transB = 0> (x, nibbles, largest)",
    ),
    "ends and starts": (
        "float[2, 5, 8] x",
        "float y",
        f"y = {ATTENTION} <num_heads = 2> (x, w, b, ends_and_starts)",
    ),
    "lengths that differ": (
        QKV,
        "float y, float keys, float values",
        f"y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 2> (q, k, v, , , unequal, four)",
    ),
}


def model(inputs, outputs, lines):
    proto = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]> graph ({inputs}) => ({outputs})'
        f" {{ {lines} }}"
    )
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    read = {name for node in proto.graph.node for name in node.input}
    given = {value.name for value in proto.graph.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in STORED.items()
        if name in read - given
    )
    return proto


def value_of(stated):
    """Return what an input is given: numbers of its type and shape."""
    shape = [dim.dim_value for dim in stated.type.tensor_type.shape.dim]
    kind = onnx.helper.tensor_dtype_to_np_dtype(stated.type.tensor_type.elem_type)
    return (
        drawn(*shape) if kind == np.float32 else whole(0, 200 if kind == np.uint8 else 2, *shape, dtype=kind)
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_onnx_runtime_does(case, target, tmp_path):
    proto = model(*CASES[case])
    runtime = UnoptimisedRuntime.of(proto.SerializeToString())
    feed = {value.name: value_of(value) for value in proto.graph.input}
    source = written(proto, target)
    wanted = runtime.run(feed)
    for found, its in zip(outputs_of(source, list(feed.values()), tmp_path), wanted, strict=True):
        assert (found.dtype, found.shape) == (its.dtype, its.shape)
        largest = abs(its.astype("f8")).max()
        np.testing.assert_allclose(found.astype("f8"), its.astype("f8"), rtol=0, atol=4e-6 * largest)


# attributes; batch, queries, keys before, their buffer; how many keys count in each sequence, and in all
LENGTHS = {
    "a token each, after as many as differ": ("do_rotary = 1", (2, 1, 5), (4, 6), 6),
    "a token each, in a buffer": ("do_rotary = 1, local_window_size = 3", (2, 1, 8), (4, 6), 6),
    "several tokens after others": ("do_rotary = 1, rotary_interleaved = 1", (1, 3, 4), (7,), 7),
    "all at once, without a buffer": ("softcap = 2.0", (2, 4, None), (4, 2), 4),
    "all at once, into a buffer": ("do_rotary = 1", (2, 4, 6), (4, 3), 4),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", LENGTHS)
def test_lengths_that_are_computed(case, target, tmp_path):
    """What stands behind the end of a sequence is not defined: those queries are left out."""
    attributes, (batch, queries, before), ends, total = LENGTHS[case]
    past = "" if before is None else ", float[n, 2, p, 16] pk, float[n, 2, p, 16] pv"
    proto = model(
        f"float[n, s, 64] q, float[n, s, 32] k, float[n, s, 32] v{past}, int32[n] ends, int32 all",
        "float y, float keys, float values",
        f"""y, keys, values = {GROUPS} <num_heads = 4, kv_num_heads = 2, {attributes}>
        (q, k, v, {"pk, pv" if past else ","}, ends, all{", cos, sin" if "rotary" in attributes else ""})""",
    )
    feed = {"q": drawn(batch, queries, 64), "k": drawn(batch, queries, 32), "v": drawn(batch, queries, 32)}
    if past:
        feed |= {"pk": drawn(batch, 2, before, 16), "pv": drawn(batch, 2, before, 16)}
    feed |= {"ends": np.array(ends, "i4") - 1, "all": np.array(total, "i4")}
    wanted = UnoptimisedRuntime.of(proto.SerializeToString()).run(feed)
    found = outputs_of(written(proto, target), list(feed.values()), tmp_path)
    for mine, its in zip(found[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(mine, its, rtol=0, atol=1e-5)
    for row, end in enumerate(ends):
        count = min(queries, end) if queries == total else queries
        np.testing.assert_allclose(found[0][row, :count], wanted[0][row, :count], rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_known_is_refused(case):
    with pytest.raises(ImportRefusedError, match="has no translation to PyTorch"):
        written(model(*REFUSED[case]))


def test_packed_weights_are_proven_at_full_accuracy(tmp_path):
    """`accuracy_level` lets ONNX Runtime round what it multiplies to eight bits."""
    line = """y = com.microsoft.MatMulNBits <K = 64, N = 6, bits = 4, block_size = 32, accuracy_level = 4>
        (x, packed, steps, zeros)"""
    path = tmp_path / "net.onnx"
    onnx.save(model("float[2, 64] x", "float y", line), path)
    done = convert_to_source(path, tmp_path / "net", "pytorch")
    assert done.passed
    assert {trial.agreed for trial in done.trials} == {"ONNX Runtime without accuracy_level"}
    assert any("does not give the numbers of ONNX Runtime as it is run" in note for note in done.notes)


@pytest.mark.parametrize("target", TARGETS)
def test_lengths_of_a_mask_are_proven_with_keys_before(target, tmp_path):
    """As language models have them: how many keys count is the sum of a mask, and its length in all."""
    proto = model(
        """int64[n, s] i, int64[n, t] mask, float[n, 2, p, 16] pk, float[n, 2, p, 16] pv""",
        "float y, float keys, float values",
        f"""x = Gather (tokens, i) c = Cast <to = 6> (mask) sum = ReduceSum <keepdims = 0> (c, second)
        last = Sub (sum, i1) sizes = Shape <start = 1> (mask) all = Cast <to = 6> (sizes)
        y, keys, values = {GROUPS} <num_heads = 2, kv_num_heads = 2, do_rotary = 1>
            (x, x, x, pk, pv, last, all, cos, sin)""",
    )
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    done = convert_to_source(path, tmp_path / "net", target)
    assert done.passed, done.trials
    assert any("where all keys count: shorter lengths were not tried" in note for note in done.notes)
    assert [trial.inputs for trial in done.trials] == [
        ("i [2, 1]", "mask [2, 6]", "pk [2, 2, 5, 16]", "pv [2, 2, 5, 16]"),
        ("i [1, 3]", "mask [1, 7]", "pk [1, 2, 4, 16]", "pv [1, 2, 4, 16]"),
    ]
