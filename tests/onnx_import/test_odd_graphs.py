"""Graphs that are right and seldom seen: as ONNX Runtime has them in both frameworks."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from triport.converters.onnx_import.operators import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.standard_normal((4, 4)).astype("f4"),
    "v": RANDOM.standard_normal((4, 5)).astype("f4"),
    "c": RANDOM.standard_normal(4).astype("f4"),
    "one": np.float32(1.1),
    "half": np.float32(0.5),
    "step": np.float32(-0.5),
    "none": np.array(0),
    "five": np.array(5),
    "always": np.array(True),
    "two": np.array(2),
    "pair": np.array([0.7, -1.3], "f4"),
    "start": np.array([0]),
    "same": np.ones(1, "f4"),
    "last": np.array([-1]),
    "first": np.array([1]),
    "places": np.array([[1, 1, -1], [0, 2, 2]]),
}
LOOP = """s1 = Mul (s, one) sf = Cast <to = 1> (i) on = Identity (going)"""
CASES = {
    "a weight in two orientations": (
        "float[n, 4] x",
        "float y",
        "a = MatMul (x, w) t = Transpose (w) b = MatMul (a, t) y = Gemm <transB = 1> (b, w, c)",
    ),
    "a weight that two operators keep in other shapes": (
        "float[n, 4] x",
        "float a, float y, float z",
        "a = MatMul (x, v) u = Mul (v, v) y = MatMul (x, u) t = Transpose (v) z = MatMul (y, t)",
    ),
    "a loop whose steps an input counts": (
        "float[n, 3] x, int64 m",
        "float y, float z",
        f"y, z = Loop (m, , x) <body = g (int64 i, bool going, float[n, 3] s)"
        f" => (bool on, float[n, 3] s1, float sf) {{ {LOOP} }}>",
    ),
    "a loop of no step": (
        "float[n, 3] x",
        "float y, float z",
        f"y, z = Loop (none, always, x) <body = g (int64 i, bool going, float[n, 3] s)"
        f" => (bool on, float[n, 3] s1, float sf) {{ {LOOP} }}>",
    ),
    "a branch within a loop": (
        "float[n, 3] x",
        "float y",
        """y = Loop (five, , x) <body = g (int64 i, bool going, float[n, 3] s) => (bool on, float[n, 3] s1) {
            even = Equal (i, none)
            s1 = If (even) <then_branch = t () => (float[n, 3] a) { a = Mul (s, one) },
                else_branch = e () => (float[n, 3] b) { b = Sub (s, x) }>
            on = Identity (going) }>""",
    ),
    "places of a pool, with a free batch": (
        "float[n, 3, 7, 6] x",
        "float y, int64 at",
        "y, at = MaxPool <kernel_shape = [3, 2], strides = [2, 2], pads = [1, 0, 1, 0]> (x)",
    ),
    "what was pooled put back, with a free batch": (
        "float[n, 3, 8, 8] x",
        "float y",
        """pooled, at = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)
        y = MaxUnpool <kernel_shape = [2, 2], strides = [2, 2]> (pooled, at)""",
    ),
    "scales of an image that are initializers, computed of its shape": (
        "float[n, 3, 4, 5] x",
        "float y",
        """all = Shape (x) high = Gather (all, two) size = Cast <to = 1> (high) more = Mul (size, half)
        whole = Floor (more) ratio = Div (whole, size) many = Unsqueeze (ratio, start)
        scales = Concat <axis = 0> (same, same, many, many)
        y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric"> (x, , scales)""",
    ),
    "scales of groups and not of channels": (
        "float[n, 6, 3] x",
        "float y",
        "y = GroupNormalization <num_groups = 2> (x, pair, pair)",
    ),
    "numbers up to a limit below the first": (
        "float from, float to",
        "float y",
        "y = Range (from, to, half)",
    ),
    "numbers down to a limit above the first": (
        "float from, float to",
        "float y",
        "y = Range (from, to, step)",
    ),
    "an image of another's size": (
        "float[n, 2, 8, 7] x, float[n, 2, h, k] t",
        "float y",
        """sizes = Shape (t)
        y = Resize <mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"> (x, , , sizes)""",
    ),
    "as many images as another has": (
        "float[n, 2, 8, 7] x, float[k, 2, 16, 14] more",
        "float y",
        """sizes = Shape (more)
        y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
            (x, , , sizes)""",
    ),
    "as many images as it has itself": (
        "float[n, 2, 8, 7] x, float[n, 2, 16, 14] other",
        "float y",
        """sizes = Shape (other)
        y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">
            (x, , , sizes)""",
    ),
    "padding that is computed": ("float[2, 3, 4] x, int64[6] p", "float y", "y = Pad (x, p)"),
    "edges that are computed": ("float[2, 3, 4] x, int64[6] p", "float y", 'y = Pad <mode = "edge"> (x, p)'),
    "what a mask keeps": ("float[n, 3] x, bool[n] kept", "float y", "y = Compress <axis = 0> (x, kept)"),
    "the largest of each place": (
        "float[2, 4] x, float[2, 3] u",
        "float y",
        'y = ScatterElements <axis = -1, reduction = "max"> (x, places, u)',
    ),
    "the product at each place": (
        "float[2, 4] x, float[2, 3] u",
        "float y",
        'y = ScatterElements <axis = -1, reduction = "mul"> (x, places, u)',
    ),
    "the largest whole numbers": (
        "int64[n, 9] x",
        "float y, int64 i",
        "top, i = TopK <axis = -1> (x, first) y = Cast <to = 1> (top)",
    ),
}
GIVEN = {
    "m": [np.array(3), np.array(0)],
    "from": [np.array(1.25, "f4"), np.array(-2, "f4")],
    "to": [np.array(-2, "f4"), np.array(1.25, "f4")],
    "t": [np.zeros((3, 2, 5, 9), "f4"), np.zeros((3, 2, 8, 1), "f4")],
    "more": [np.zeros((5, 2, 16, 14), "f4"), np.zeros((3, 2, 16, 14), "f4")],
    "p": [np.array([0, 1, 2, 0, 0, 1]), np.array([1, 0, -1, 0, 1, 3])],
}


def model(inputs, outputs, lines):
    proto = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 18]> graph ({inputs}) => ({outputs}) {{ {lines} }}'
    )
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in WEIGHTS.items()
        if any(name in node.input for graph in graphs_of(proto.graph) for node in graph.node)
    )
    return proto


def graphs_of(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


def drawn(value, draw):
    """Return what an input is given: one of GIVEN, or numbers of its type."""
    if value.name in GIVEN:
        return GIVEN[value.name][draw]
    shape = [dim.dim_value or 3 for dim in value.type.tensor_type.shape.dim]
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return (4 * RANDOM.standard_normal(shape)).astype(kind)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_it_computes_what_onnx_runtime_does(case, target, tmp_path):
    proto = model(*CASES[case])
    source, runtime = written(proto, target), UnoptimisedRuntime.of(proto.SerializeToString())
    for draw in range(2):
        feed = {value.name: drawn(value, draw) for value in proto.graph.input}
        found = outputs_of(source, list(feed.values()), tmp_path)
        for mine, its in zip(found, runtime.run(feed), strict=True):
            assert mine.shape == its.shape and mine.dtype == its.dtype
            assert np.allclose(mine, its, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", ["[1]", "[1, 2]"])
@pytest.mark.parametrize("op_type", ["ReduceMax", "ReduceMin"])
def test_the_end_of_the_numbers_is_the_largest_of_none(op_type, axes, tmp_path):
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        graph (float[2, 0, 4] x) => (float y) {{ y = {op_type} <axes = {axes}> (x) }}"""
    )
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    (found,) = outputs_of(written(proto), [np.zeros((2, 0, 4), "f4")], tmp_path)
    assert found.shape == (2, 1, 4 if axes == "[1]" else 1)
    assert (found == (-np.inf if op_type == "ReduceMax" else np.inf)).all()


@pytest.mark.parametrize(
    "nodes",
    [
        "b = Greater (x, none) y = Where (b, end, x)",
        "b = Greater (x, none) m = Where (b, x, end) y = Softmax <axis = 1> (m)",
        "y = Clip (x, end, none)",
        "y = Clip (x, none, other)",
        "y = Max (x, end)",
        "y = Min (x, end)",
        "y = Add (x, end)",
        "y = Mul (x, end)",
        "y = Div (end, x)",
        "b = Greater (x, end) y = Where (b, x, none)",
        "y = Pad (x, around, end)",
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_the_largest_number_of_float32_is_written_as_one_of_them(nodes, target, tmp_path):
    """Its shortest decimal, 3.4028235e+38, is beyond it; masks are made of it."""
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        graph (float[n, 4] x) => (float[n, 4] y) {{ {nodes} }}"""
    )
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    end = np.finfo("f4").max
    named = {"end": -end, "other": end, "none": np.float32(0), "around": np.array([0, 1, 0, 1])}
    for name, number in named.items():
        if name in {each for node in proto.graph.node for each in node.input}:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(number), name))
    x = np.array([[0.5, -2, 1, -0.25], [-3, -1, 4, 2]], "f4")
    (found,) = outputs_of(written(proto, target), [x], tmp_path)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x})
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_pixels_at_the_places_of_a_grid(mode, padding, corners, tmp_path):
    """Some places lie half-way between two pixels, others far outside."""
    proto = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 16]>
        graph (float[n, 2, 6, 5] x, float[n, a, b, 2] g) => (float[n, 2, a, b] y) {{
        y = GridSample <mode = "{mode}", padding_mode = "{padding}", align_corners = {corners}> (x, g) }}"""
    )
    x = RANDOM.standard_normal((2, 2, 6, 5)).astype("f4")
    grid = RANDOM.uniform(-3, 3, (2, 8, 9, 2)).astype("f4")
    grid[:, :, :5] = np.linspace(-1, 1, 5)[:, None]
    grid[:, :4, 5:] = np.linspace(-1, 1, 13)[4:8, None]
    (found,) = outputs_of(written(proto, "mindspore"), [x, grid], tmp_path)
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x, "g": grid})
    assert np.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_three_parts_that_are_put_together_again_with_a_fourth(target, tmp_path):
    """As torch.export writes the states of Mamba 2."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        graph (float[n, 2] x) => (float[n, 6] three, float[n, 8] four) {
        a = Neg (x) b = Exp (x) c = Tanh (x) three = Concat <axis = 1> (x, a, b) d = Abs (c)
        four = Concat <axis = 1> (x, a, b, d) }"""
    )
    x = RANDOM.standard_normal((3, 2)).astype("f4")
    wanted = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x})
    found = outputs_of(written(proto, target), [x], tmp_path)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, wanted, strict=True))
