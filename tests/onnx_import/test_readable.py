"""What a person would have written, and the same numbers: rules that put several nodes together."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from tests.onnx_import.test_exporters import make
from tests.onnx_import.test_exporters import value as stated
from triport.converters.onnx_import.operators import TARGETS
from triport.parity.imported.judge import UnoptimisedRuntime

# graph, weights by shape, what the source says in PyTorch, what it does not say
CASES = {
    "a roll of two axes": (
        "float[n, 8, 6, 5] x",
        """a = Slice (x, three, end, one) b = Slice (x, zero, three, one) r = Concat <axis = 1> (a, b)
        c = Slice (r, three, end, two) d = Slice (r, zero, three, two) y = Concat <axis = 2> (c, d)""",
        ["torch.roll(x, (-3, -3), dims=(1, 2))"],
        ["cat"],
    ),
    "the ends of an axis, not all of it": (
        "float[n, 8, 6, 5] x",
        "a = Slice (x, three, end, one) b = Slice (x, zero, two, one) y = Concat <axis = 1> (a, b)",
        ["torch.cat"],
        ["roll"],
    ),
    "the ends of a free axis, which may be shorter": (
        "float[n, k, 6] x",
        "a = Slice (x, three, end, one) b = Slice (x, zero, three, one) y = Concat <axis = 1> (a, b)",
        ["torch.cat"],
        ["roll"],
    ),
    "queries, keys and values": (
        "float[3, n, 4, 5] x",
        """q0, k0, v0 = Split <axis = 0> (x, ones) q = Squeeze (q0, zero) k = Squeeze (k0, zero)
        v = Squeeze (v0, zero) t = Transpose <perm = [0, 2, 1]> (k) s = MatMul (q, t)
        w = Softmax <axis = -1> (s) y = MatMul (w, v)""",
        ["q, k, v = x.unbind(0)"],
        ["squeeze", "chunk"],
    ),
    "places that are read one by one": (
        "float[n, 2, 4] x",
        "a = Gather <axis = 1> (x, i1) b = Gather <axis = 1> (x, i0) y = Sub (a, b)",
        ["part, part2 = x.unbind(1)", "part2 - part"],
        ["[:, 0]"],
    ),
    "a number that is cast to what it meets": (
        "float[n, 4] x",
        """c = Constant <value_float = 0.0625> () l = CastLike (c, x) r = Sqrt (l) y = Mul (x, r)""",
        ["x * 0.25"],
        ["sqrt"],
    ),
    "a norm of channels": (
        "float[n, 4, 3, 5] x",
        """a = Transpose <perm = [0, 2, 3, 1]> (x) b = LayerNormalization (a, w4, b4)
        y = Transpose <perm = [0, 3, 1, 2]> (b)""",
        ["LayerNorm2d(4)"],
        ["self.norm(x.permute"],
    ),
    "ever more of the same tensors": (
        "float[n, 4] x",
        """a = MatMul (x, w44) ca = Concat <axis = 1> (x, a) b = MatMul (ca, w84)
        cb = Concat <axis = 1> (x, a, b) c = MatMul (cb, w124) y = Concat <axis = 1> (x, a, b, c)""",
        ["torch.cat([x"],
        ["x2, x3"],
    ),
    "more of the same tensors, the last of which others read too": (
        "float[n, 4] x",
        """a = MatMul (x, w44) ca = Concat <axis = 1> (x, a) b = MatMul (ca, w84) r = Relu (b)
        cb = Concat <axis = 1> (x, a, b) c = MatMul (cb, w124) s = Add (c, r) y = Concat <axis = 1> (s, b)""",
        ["torch.cat"],
        [],
    ),
    "channels that are last between transposes": (
        "float[n, 4, 6, 5] x",
        """a = Transpose <perm = [0, 2, 3, 1]> (x) m = ReduceMean <axes = [1, 2], keepdims = 1> (a)
        b = Transpose <perm = [0, 3, 1, 2]> (m) c = Relu (b) d = Transpose <perm = [0, 2, 3, 1]> (c)
        e = Mul (a, d) f = Sigmoid (e) g = Transpose <perm = [0, 3, 1, 2]> (f) y = Relu (g)""",
        ["x.mean(dim=(2, 3), keepdim=True)"],
        ["permute", "transpose"],
    ),
    "channels that are last in the end": (
        "float[n, 4, 6, 5] x",
        """a = Transpose <perm = [0, 2, 3, 1]> (x) b = Relu (a)
        m = ReduceMean <axes = [1, 2], keepdims = 1> (b) y = Mul (b, m)""",
        ["permute(0, 2, 3, 1)"],
        [],
    ),
    "places that are never negative": (
        "float[n, 9, 4] x",
        """m = ReduceMax <axes = [2], keepdims = 0> (x) top, i = TopK <axis = 1> (m, three)
        j = Unsqueeze (i, two) y = GatherElements <axis = 1> (x, j)""",
        ["torch.gather(x, 1, top.unsqueeze(2))"],
        ["where"],
    ),
    "places that may be negative": (
        "float[n, 9, 4] x",
        """m = ReduceMax <axes = [2], keepdims = 0> (x) top, i = TopK <axis = 1> (m, three)
        k = Sub (i, three) j = Unsqueeze (k, two) y = GatherElements <axis = 1> (x, j)""",
        ["where"],
        [],
    ),
    "shapes and orders that follow one another": (
        "float[n, 4, 6] x",
        """a = Reshape (x, s1) b = Reshape (a, s2) c = Transpose <perm = [0, 2, 1]> (b)
        d = Transpose <perm = [0, 2, 1]> (c) e = Unsqueeze (d, one) f = Squeeze (e, one) y = Relu (f)""",
        ["F.relu(x.reshape(-1, 3, 8))"],
        ["squeeze", "transpose", "permute"],
    ),
}
WEIGHTS = {
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "three": np.array([3]),
    "end": np.array([2**63 - 1]),
    "ones": np.array([1, 1, 1]),
    "i0": np.array(0),
    "i1": np.array(1),
    "s1": np.array([-1, 2, 12]),
    "s2": np.array([-1, 3, 8]),
}
RANDOM = np.random.default_rng(0)
WEIGHTS |= {name: RANDOM.standard_normal(4).astype("f4") for name in ("w4", "b4")}
WEIGHTS |= {f"w{n}4": RANDOM.standard_normal((n, 4)).astype("f4") for n in (4, 8, 12)}


def graph(inputs, lines, weights=None, outputs="float y", opset=17):
    """Return a model of a text, with those weights that it reads."""
    proto = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> graph ({inputs}) => ({outputs}) {{ {lines} }}'
    )
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in (WEIGHTS if weights is None else weights).items()
        if name in read
    )
    return proto


def check(proto, source, folder, *given):
    """Compare a source with ONNX Runtime."""
    feed = {value.name: x for value, x in zip(proto.graph.input, given, strict=True)}
    found = outputs_of(source, list(given), folder)
    for mine, its in zip(found, UnoptimisedRuntime.of(proto.SerializeToString()).run(feed), strict=True):
        assert mine.shape == its.shape and mine.dtype == its.dtype
        assert np.allclose(mine, its, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_nodes_are_put_together(case, target, tmp_path):
    inputs, lines, says, says_not = CASES[case]
    proto = graph(inputs, lines)
    source = written(proto, target)
    body = source.text.partition("def build")[0].partition("def read_weights")[0]
    if target == "pytorch":
        assert all(word in body for word in says), body
        assert not any(word in body for word in says_not), body
    shape = [dim.dim_value or 2 for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    check(proto, source, tmp_path, RANDOM.standard_normal(shape).astype("f4"))


def dense_layers(count):
    """Return the nodes and weights of a block of DenseNet, as torch.onnx writes them."""
    nodes, weights, made = [], {}, ["x"]
    make = onnx.helper.make_node
    for i in range(count):
        scope = f"block.layer{i + 1}"
        read = made[0] if i == 0 else f"cat{i}"
        if i:
            nodes.append(make("Concat", list(made), [read], f"/block/layer{i + 1}/Concat", axis=1))
        weights[f"{scope}.conv.weight"] = RANDOM.standard_normal((2, 4 + 2 * i, 1, 1)).astype("f4")
        nodes.append(
            make("Conv", [read, f"{scope}.conv.weight"], [f"c{i}"], f"/block/layer{i + 1}/conv/Conv")
        )
        nodes.append(make("Relu", [f"c{i}"], [f"r{i}"], f"/block/layer{i + 1}/Relu"))
        made.append(f"r{i}")
    nodes.append(make("Concat", made, ["y"], "/block/Concat", axis=1))
    return nodes, weights


@pytest.mark.parametrize("target", TARGETS)
def test_a_dense_block_is_a_loop_over_layers(target, tmp_path):
    nodes, weights = dense_layers(5)
    proto = graph("float[n, 4, 3, 3] x", "y = Relu (x)")
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in weights.items())
    source = written(proto, target)
    assert 'OrderedDict([(f"layer{i + 1}", Layer(4 + 2 * i)) for i in range(5)])' in source.text
    assert set(source.weights) == set(weights)
    check(proto, source, tmp_path, RANDOM.standard_normal((2, 4, 3, 3)).astype("f4"))


@pytest.mark.parametrize("target", TARGETS)
def test_numbers_of_an_exporter_are_no_names(target, tmp_path):
    make, nodes, weights, last = onnx.helper.make_node, [], {}, "x"
    for i in range(3):
        weights[f"blocks.{i}.conv.weight"] = RANDOM.standard_normal((4, 4, 1, 1)).astype("f4")
        weights[f"onnx::Mul_{37 + i}"] = RANDOM.standard_normal((1, 4, 1, 1)).astype("f4")
        conv, mul = f"/blocks/blocks.{i}/conv/Conv", f"/blocks/blocks.{i}/Mul"
        nodes.append(make("Conv", [last, f"blocks.{i}.conv.weight"], [f"c{i}"], conv))
        nodes.append(make("Mul", [f"c{i}", f"onnx::Mul_{37 + i}"], [f"m{i}"], mul))
        last = f"m{i}"
    nodes.append(make("Relu", [last], ["y"]))
    proto = graph("float[n, 4, 3, 3] x", "y = Relu (x)")
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in weights.items())
    source = written(proto, target)
    assert {f"blocks.{i}.scale" for i in range(3)} <= set(source.weights)
    assert "[Block() for _ in range(3)]" in source.text
    assert source.renamed["onnx::Mul_38"] == "blocks.1.scale"
    check(proto, source, tmp_path, RANDOM.standard_normal((2, 4, 3, 3)).astype("f4"))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("target", TARGETS)
def test_quantised_layers_hold_their_scales(target, kind, per_channel, tmp_path):
    shape = {"Conv": (6, 4, 3, 3), "Gemm": (6, 4), "MatMul": (4, 6)}[kind]
    axis = 1 if kind == "MatMul" else 0
    count = 6 if per_channel else 1
    scale = RANDOM.uniform(0.01, 0.02, count).astype("f4")
    weights = {
        "layer.weight_quantized": RANDOM.integers(-127, 127, shape).astype("i1"),
        "ws": scale if per_channel else scale[0],
        "wz": np.zeros(count, "i1") if per_channel else np.int8(0),
        "bq": RANDOM.integers(-900, 900, 6).astype("i4"),
        "bs": scale / 64 if per_channel else np.float32(scale[0] / 64),
        "bz": np.zeros(count, "i4") if per_channel else np.int32(0),
        "s": np.float32(0.02),
        "z": np.uint8(117),
    }
    given = {"Conv": "<pads = [1, 1, 1, 1]>", "Gemm": "<transB = 1>", "MatMul": ""}[kind]
    bias = "" if kind == "MatMul" else ", b"
    lines = f"""q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z)
        w = DequantizeLinear <axis = {axis}> (weight, ws, wz)
        b = DequantizeLinear <axis = 0> (bq, bs, bz)
        y = {kind} {given} (d, w{bias})"""
    proto = graph(
        "float[n, 4, 5, 5] x" if kind == "Conv" else "float[n, 4] x", lines, weights | {"weight": np.zeros(0)}
    )
    for node in proto.graph.node:
        node.input[:] = ["layer.weight_quantized" if n == "weight" else n for n in node.input]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items())
    if kind == "MatMul":
        del proto.graph.node[3]
    source = written(proto, target)
    name = "QuantizedConv2d(4, 6, 3, padding=1" if kind == "Conv" else "QuantizedLinear(4, 6"
    assert f"self.layer = {name}" in source.text and "self.quantize = FakeQuantize(" in source.text
    assert ("per_channel=True)" in source.text) == per_channel
    leaf = "weight" if target == "pytorch" else "weight_quantized"  # a leaf is free in MindSpore
    assert source.weights[f"layer.{leaf}"].dtype == np.int8
    x = RANDOM.standard_normal((2, 4, 5, 5) if kind == "Conv" else (2, 4)).astype("f4")
    check(proto, source, tmp_path, 2 * x)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_a_recurrent_layer_begins_with_zeros_by_itself(target, both, tmp_path):
    d = 2 if both else 1
    weights = {
        "w": RANDOM.standard_normal((d, 12, 4)).astype("f4"),
        "r": RANDOM.standard_normal((d, 12, 3)).astype("f4"),
        "b": RANDOM.standard_normal((d, 24)).astype("f4"),
        "h0": np.zeros((d, 1, 3), "f4"),
        "sizes": np.array([d, 2, 3]),
        "flat": np.array([0, 0, -1]),
        "one": np.array([1]),
    }
    after = (
        "t = Transpose <perm = [0, 2, 1, 3]> (s) f = Reshape (t, flat)" if both else "f = Squeeze (s, one)"
    )
    kind = "bidirectional" if both else "forward"
    lines = f"""h = Expand (h0, sizes)
        s, last, cell = LSTM <hidden_size = 3, direction = "{kind}"> (x, w, r, b, , h, h)
        {after} y = Relu (f)"""
    proto = graph("float[5, 2, 4] x", lines, weights, "float y, float last")
    source = written(proto, target)
    if target == "pytorch":
        assert (
            "self.lstm(x)" in source.text and "unflatten" not in source.text and "expand" not in source.text
        )
    check(proto, source, tmp_path, RANDOM.standard_normal((5, 2, 4)).astype("f4"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_name_that_the_author_gave_is_that_of_the_state_dict(target, tmp_path):
    names = ("mixing", "p.fc.weight", "onnx::Mul_7", "q.fc.weight")
    weights = {name: RANDOM.standard_normal((80, 80)).astype("f4") / 8 for name in "wfvg"}
    lines = "a = Mul (x, w) b = MatMul (a, f) c = Exp (b) d = Mul (c, v) e = MatMul (d, g) y = Relu (e)"
    proto = graph("float[n, 80, 80] x", lines, weights)
    scopes = ("/p/Mul", "/p/fc/MatMul", "/p/Exp", "/q/Mul", "/q/fc/MatMul", "/q/Relu")
    for node, scope in zip(proto.graph.node, scopes, strict=True):
        node.name = scope
    for tensor, place, name in zip(proto.graph.initializer, (0, 1, 3, 4), names, strict=True):
        tensor.name = proto.graph.node[place].input[1] = name
    source = written(proto, target)
    assert "mixing" in source.weights
    assert "q.scale" in source.weights
    check(proto, source, tmp_path, RANDOM.standard_normal((3, 80, 80)).astype("f4") / 8)


def masked():
    """Return a causal mask as torch.export writes it: true and a mask, two numbers, a number expanded."""
    nodes = [
        make("And", ["yes", "m"], ["kept"]),
        make("Where", ["kept", "zero", "least"], ["added"]),
        make("Shape", ["m"], ["size"]),
        make("Concat", ["three", "size"], ["sizes"], axis=0),
        make("Expand", ["zero", "sizes"], ["zeros"]),
        make("Add", ["added", "zeros"], ["y"]),
    ]
    arrays = {"yes": True, "zero": np.float32(0), "least": np.finfo("f4").min, "three": [3]}
    constants = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    given = [onnx.helper.make_tensor_value_info("m", onnx.TensorProto.BOOL, ["N"])]
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "net", given, [stated("y", 3, "N")], constants), ir_version=8
    )


def test_a_mask_of_two_numbers_is_chosen_from_numbers(tmp_path):
    source = written(masked())
    assert "torch.where(m, 0.0, -3.4028234663852886e+38)" in source.text
    assert "torch.full((3, m.shape[0]), 0.0, dtype=torch.float32, device=m.device)" in source.text
    mask = np.array([True, False])
    (found,) = outputs_of(source, [mask], tmp_path)
    np.testing.assert_array_equal(
        found, np.where(mask, 0, np.finfo("f4").min).astype("f4")[None].repeat(3, 0)
    )
