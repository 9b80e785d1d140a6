"""Shape arithmetic of any exporter is numbers and `x.shape`; branches and loops read as the rest does."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.targets import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(5)


def model(text, **weights):
    """Return a model of a graph as text, with weights by name."""
    graph = onnx.parser.parse_graph(text)
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)


def checked(proto, target, folder, *arrays):
    """Return the text of the source, which gives what ONNX Runtime does."""
    source = written(proto, target)
    feed = {value.name: a for value, a in zip(proto.graph.input, arrays, strict=True)}
    found = outputs_of(source, list(arrays), folder)
    for mine, its in zip(found, UnoptimisedRuntime.of(proto.SerializeToString()).run(feed), strict=True):
        assert (mine.shape, mine.dtype) == (its.shape, its.dtype)
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)
    return source.text


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_that_are_cast_stay_sizes(target, tmp_path):
    """As tf2onnx writes them: its shapes are of int32."""
    proto = model(
        """net (float[N, 6] x) => (float[K, L, M] y) {
            shape = Shape (x) narrow = Cast <to = 6> (shape) batch = Slice (narrow, zero, one)
            whole = Concat <axis = 0> (batch, three, two) wide = Cast <to = 7> (whole)
            y = Reshape (x, wide)
        }""",
        zero=np.array([0]),
        one=np.array([1]),
        three=np.array([3], "i4"),
        two=np.array([2], "i4"),
    )
    text = checked(proto, target, tmp_path, RANDOM.standard_normal((4, 6)).astype("f4"))
    assert "return x.reshape(x.shape[0], 3, 2)" in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", [6, 7])
def test_sizes_that_are_computed_with_are_of_their_type(kind, target, tmp_path):
    """What they become may be an output, or be added to a tensor of that type."""
    proto = model(
        f"""net (float[N, 6] x) => ({"int32" if kind == 6 else "int64"}[2] narrow, float[2] y) {{
            shape = Shape (x) narrow = Cast <to = {kind}> (shape) y = Cast <to = 1> (narrow)
        }}"""
    )
    checked(proto, target, tmp_path, RANDOM.standard_normal((4, 6)).astype("f4"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_number_that_the_type_cannot_hold_is_no_size(target, tmp_path):
    """The largest int64 is -1 in int32."""
    proto = model(
        """net (float[N, 6] x) => (int32[3] y) {
            shape = Shape (x) long = Concat <axis = 0> (shape, far) y = Cast <to = 6> (long)
        }""",
        far=np.array([2**31 + 5]),
    )
    checked(proto, target, tmp_path, RANDOM.standard_normal((4, 6)).astype("f4"))


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_that_are_split_stay_sizes(target, tmp_path):
    proto = model(
        """net (float[N, 4, 6] x) => (float[K, 6] y) {
            shape = Shape (x) a, b, c = Split <axis = 0> (shape) ab = Mul (a, b)
            both = Concat <axis = 0> (ab, c) y = Reshape (x, both)
        }"""
    )
    text = checked(proto, target, tmp_path, RANDOM.standard_normal((2, 4, 6)).astype("f4"))
    assert "x.reshape(x.shape[0] * 4, 6)" in text


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_that_are_read_one_by_one_stay_sizes(target, tmp_path):
    proto = model(
        """net (float[N, 4, 6] x) => (float[K, L] y) {
            shape = Shape (x) again = Concat <axis = 0> (shape)
            a = Gather (again, i0) b = Gather (again, i1) c = Gather (again, i2)
            ab = Mul (a, b) one = Unsqueeze (ab, zero) two = Unsqueeze (c, zero)
            both = Concat <axis = 0> (one, two) y = Reshape (x, both)
        }""",
        zero=np.array([0]),
        **{f"i{i}": np.array(i) for i in range(3)},
    )
    text = checked(proto, target, tmp_path, RANDOM.standard_normal((2, 4, 6)).astype("f4"))
    assert "x.reshape(x.shape[0] * 4, 6)" in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_constant_is_expanded_to_the_batch(batch, target, tmp_path):
    proto = model(
        """net (float[N, 5] x) => (float[N, 1, 7] y) {
            shape = Shape (x) n = Slice (shape, zero, one) sizes = Concat <axis = 0> (n, one, one)
            y = Expand (token, sizes)
        }""",
        zero=np.array([0]),
        one=np.array([1]),
        token=RANDOM.standard_normal((1, 1, 7)).astype("f4"),
    )
    text = checked(proto, target, tmp_path, RANDOM.standard_normal((batch, 5)).astype("f4"))
    assert "broadcast_shapes" not in text and "def expand" not in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sum_is_positive", [True, False])
def test_a_branch_has_no_name_for_what_is_read_once(sum_is_positive, target, tmp_path):
    proto = model(
        """net (float[3, 4] x) => (float[3, 4] y) {
            sum = ReduceSum <keepdims = 0> (x) positive = Greater (sum, zero)
            y = If (positive) <
                then_branch = large () => (float[3, 4] a) {
                    unread = Exp (x) e = Abs (x) f = Sqrt (e) g = Neg (f) a = Add (g, x) },
                else_branch = small () => (float[3, 4] b) { h = Abs (x) b = Mul (h, h) }
            >
        }""",
        zero=np.float32(0),
    )
    x = np.abs(RANDOM.standard_normal((3, 4)).astype("f4")) * (1 if sum_is_positive else -1)
    text = checked(proto, target, tmp_path, x)
    assert "exp" not in text.partition("def build")[0].partition("class Written")[2]
    if target == "pytorch":
        assert "-torch.sqrt(torch.abs(x)) + x" in text


@pytest.mark.parametrize("target", TARGETS)
def test_a_loop_reads_what_it_carries_before_that_is_another(target, tmp_path):
    """Both are made of the old values of both."""
    proto = model(
        """net (float[2, 3] x, float[2, 3] z) => (float[2, 3] a, float[2, 3] b, float[4, 2, 3] every) {
            a, b, every = Loop (count, go, x, z) <body = step (int64 i, bool c, float[2, 3] p, float[2, 3] q)
                => (bool d, float[2, 3] r, float[2, 3] s, float[2, 3] t) {
                d = Identity (c) u = Mul (p, q) v = Sub (p, q) r = Tanh (v) s = Sigmoid (u) t = Add (p, u)
            }>
        }""",
        count=np.array(4),
        go=np.array(True),
    )
    x, z = (RANDOM.standard_normal((2, 3)).astype("f4") for _ in range(2))
    checked(proto, target, tmp_path, x, z)


@pytest.mark.parametrize("target", TARGETS)
def test_a_negative_number_is_taken_off(target, tmp_path):
    proto = model(
        "net (float[2, 3] x) => (float[2, 3] y) { a = Add (x, low) y = Sub (a, low) }", low=np.float32(-0.5)
    )
    text = checked(proto, target, tmp_path, RANDOM.standard_normal((2, 3)).astype("f4"))
    assert "x - 0.5 + 0.5" in text
