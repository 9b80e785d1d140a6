"""Small graphs of odd but legal features, whose outcome is stated here and not taken from another program."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import TARGETS
from triport.converters.onnx_import.reading import ImportRefusedError

IMAGE = np.arange(12, dtype="f4").reshape(2, 6)
TIED = np.tile(np.array([3, 1, 3, 2, 3, 1, 0, 2], "f4"), 20)[None]
FIRST = np.argsort(-TIED[0], kind="stable")[:50]
LOOP = """v, all = Loop (ten, yes, x) <body = b (int64 i, bool c, float[3] a)
    => (bool on, float[3] s, float[3] o) { f = Cast <to = 1> (i) s = Add (a, f) o = Mul (s, x)
    r = ReduceSum <keepdims = 0> (s) on = Less (r, eight) }>"""
SCAN = """h, y = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1],
    scan_output_axes = [-1], scan_output_directions = [1], body = b (float[2] s, float[2] e)
    => (float[2] t, float[2] o) { d = Mul (s, half) t = Add (d, e) o = Sub (t, s) }> (start, x)"""
BRANCHES = """d = Add (x, x) y = If (c) <then_branch = t () => (float[a] r) { q = Mul (d, x) r = Sub (q, d) },
    else_branch = e () => (float[b] r) { q = Concat <axis = 0> (x, d) r = Neg (q) }>"""
STORED = {
    "three": np.float32(3),
    "less": np.float32(-1),
    "eight": np.float32(8),
    "half": np.float32(0.5),
    "seven": np.float32(7),
    "yes": np.array(True),
    "ten": np.array(10),
    "fifty": np.array([50]),
    "four": np.array(4),
    "last": np.array(-1),
    "values": np.array([-1, 2], "f4"),
    "cut": np.array([2, 0, -3, -1]),
    "back": np.array([-1]),
    "front": np.array([np.iinfo("i8").min]),
    "twice": np.array([-2]),
    "axes": np.array([-1]),
    "uneven": np.array([2, 0, 4]),
}


def whole(*numbers, dtype="i4"):
    return np.array(numbers, dtype)


def floats(*numbers):
    return np.array(numbers, "f4")


# opset, inputs, outputs, nodes; what goes in, and what comes out
CASES = {
    "a least that is more than the most": (
        (13, "float[n] x", "float y", "y = Clip (x, three, less)"),
        [floats(-5, 0, 5)],
        [floats(-1, -1, -1)],
    ),
    "bytes around the end": (
        (14, "uint8[n] a, uint8[n] b", "uint8 s, uint8 d", "s = Add (a, b) d = Sub (a, b)"),
        [whole(250, 3, dtype="u1"), whole(10, 5, dtype="u1")],
        [whole(4, 8, dtype="u1"), whole(240, 254, dtype="u1")],
    ),
    "whole numbers divided towards zero": (
        (14, "int32[n] a, int32[n] b", "int32 y", "y = Div (a, b)"),
        [whole(-7, 7, -7, 7), whole(2, -2, -2, 2)],
        [whole(-3, -3, 3, 3)],
    ),
    "remainders with the divisor's sign, and the dividend's": (
        (14, "int32[n] a, int32[n] b", "int32 y, int32 z", "y = Mod (a, b) z = Mod <fmod = 1> (a, b)"),
        [whole(-7, 7, -7), whole(2, -2, -2)],
        [whole(1, -1, -1), whole(-1, 1, -1)],
    ),
    "remainders of large quotients": (
        (14, "float[n] a, float[n] b", "float y", "y = Mod <fmod = 1> (a, b)"),
        [floats(5e9, 1e20, -7.5, 3e38), floats(3, 7, np.inf, 1e-3)],
        [np.fmod(floats(5e9, 1e20, -7.5, 3e38), floats(3, 7, np.inf, 1e-3))],
    ),
    "halves to the even number": (
        (11, "float[n] x", "float y", "y = Round (x)"),
        [floats(0.5, 1.5, 2.5, -1.5, 0.49999997, 8388609)],
        [floats(0, 2, 2, -2, 0, 8388609)],
    ),
    "the first of many that are equal": (
        (11, "float[n, 160] x", "float v, int64 i", "v, i = TopK (x, fifty)"),
        [TIED],
        [TIED[:, FIRST], FIRST[None]],
    ),
    "the last of many that are equal": (
        (13, "float[n, 160] x", "int64 y", "y = ArgMax <axis = -1, select_last_index = 1> (x)"),
        [TIED],
        [np.array([[156]])],
    ),
    "places before the first": (
        (11, "int64[n] i", "float y", "y = OneHot (i, four, values)"),
        [np.array([0, -1, 4, -5])],
        [np.array([[2, -1, -1, -1], [-1, -1, -1, 2], [-1] * 4, [-1] * 4], "f4")],
    ),
    "softmax over a free axis and those after it": (
        (11, "float[n, 3] x", "float y", "y = LogSoftmax <axis = 0> (x)"),
        [np.zeros((2, 3), "f4")],
        [np.full((2, 3), -np.log(6), "f4")],
    ),
    "padding that is cut again": (
        (18, "float[2, 6] x", "float y", "y = Pad (x, cut, seven)"),
        [IMAGE],
        [np.full((1, 5), 7, "f4")],
    ),
    "padding of a free axis that is cut again": (
        (18, "float[n, 6] x", "float y", "y = Pad (x, cut, seven)"),
        [IMAGE],
        [np.full((1, 5), 7, "f4")],
    ),
    "steps of a length that is computed, none of them": (
        (11, "float a, float b, float c", "float y", "y = Range (a, b, c)"),
        [np.float32(5), np.float32(9), np.float32(-1.5)],
        [np.zeros(0, "f4")],
    ),
    "steps back of a length that is computed": (
        (11, "int64 a, int64 b, int64 c", "int64 y", "y = Range (a, b, c)"),
        [np.array(5), np.array(0), np.array(-2)],
        [np.array([5, 3, 1])],
    ),
    "a slice backwards beyond the start": (
        (13, "float[n, 6] x", "float y", "y = Slice (x, back, front, axes, twice)"),
        [IMAGE],
        [IMAGE[:, ::-2]],
    ),
    "indices in each image of its own, some before the first": (
        (13, "float[n, 3, 2] x, int64[n, 2, 1] i", "float y", "y = GatherND <batch_dims = 1> (x, i)"),
        [IMAGE.reshape(2, 3, 2), np.array([[[-1], [0]], [[1], [-3]]])],
        [np.array([[[4, 5], [0, 1]], [[8, 9], [6, 7]]], "f4")],
    ),
    "parts of which one is empty": (
        (13, "float[n, 6] x", "float a, float b, float c", "a, b, c = Split <axis = 1> (x, uneven)"),
        [IMAGE],
        [IMAGE[:, :2], IMAGE[:, :0], IMAGE[:, 2:]],
    ),
    "what a whole number loses in a narrow type": (
        (
            19,
            "int64[n] x",
            "int8 a, uint8 b, int32 c",
            "a = Cast <to = 3> (x) b = Cast <to = 2> (x) c = Cast <to = 6> (x)",
        ),
        [np.array([300, -129, 2**32 + 5])],
        [whole(44, 127, 5, dtype="i1"), whole(44, 127, 5, dtype="u1"), whole(300, -129, 5)],
    ),
    "a loop that ends before its count": (
        (17, "float[3] x", "float v, float all", LOOP),
        [floats(1, 2, -3)],
        [floats(4, 5, 0), np.array([[1, 4, 9], [2, 6, 6], [4, 10, 0]], "f4")],
    ),
    "a scan from the end": (
        (17, "float[2] start, float[2, n] x", "float h, float y", SCAN),
        [floats(4, 0), np.array([[1, 2, 3], [1, 0, 2]], "f4")],
        [floats(3.25, 1.5), np.array([[-1.25, -0.5, 1], [0.5, -1, 2]], "f4")],
    ),
    "branches of two lengths": (
        (16, "float[n] x, bool c", "float y", BRANCHES),
        [floats(1, -2), np.array(False)],
        [floats(-1, 2, -2, 4)],
    ),
}


def model(opset, inputs, outputs, lines):
    proto = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : {opset}]> graph ({inputs}) => ({outputs}) {{ {lines} }}'
    )
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    given = {value.name for value in proto.graph.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in STORED.items()
        if name in lines and name not in given
    )
    return proto


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_the_outcome_is_what_the_operator_s_text_says(case, target, tmp_path):
    stated, given, wanted = CASES[case]
    found = outputs_of(written(model(*stated), target), given, tmp_path)
    for mine, its in zip(found, wanted, strict=True):
        assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("target", "lines", "why"),
    [
        ("mindspore", "y = MatMul (x, t)", "of an empty axis"),
        ("mindspore", "y = Gemm (x, t)", "of an empty axis"),
        ("mindspore", "u = Cast <to = 13> (v) y = ReduceMax <axes = [0]> (u)", "of uint64"),
        ("pytorch", "u = Cast <to = 13> (v) y = ReduceMax <axes = [0]> (u)", "of uint64"),
    ],
)
def test_what_the_framework_would_make_up_is_refused(target, lines, why):
    proto = model(13, "float[2, 0] x, float[0, 3] t, float[2, 3] v", "float y", lines)
    with pytest.raises(ImportRefusedError, match=why):
        written(proto, target)
