"""What exporters write in pieces, or under another tensor's name, is read as what it was."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from tests.onnx_import.test_readable_sizes_and_blocks import RANDOM, checked, model
from triport.converters.onnx_import.facts import Facts
from triport.converters.onnx_import.shapes import inferred
from triport.converters.onnx_import.targets import TARGETS
from triport.converters.onnx_import.written import built, load, write


def numbers(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


ATTENTION = """net (float[N, 2, 5, 16] q, float[N, 2, 5, 16] k, float[N, 2, 5, 8] v) => (%s) {
    a = Mul (q, s) t = Transpose <perm = [0, 1, 3, 2]> (k) b = Mul (t, s) c = MatMul (a, b)
    w = Softmax <axis = %d> (c) y = MatMul (w, v)
}"""
OUTPUT = "float[N, 2, 5, 8] y"


@pytest.mark.parametrize(
    ("outputs", "axis", "scale", "expected"),
    [
        (OUTPUT, -1, 16**-0.25, "return F.scaled_dot_product_attention(q, k, v)"),
        (OUTPUT, 3, 1.0, "return F.scaled_dot_product_attention(q, k, v, scale=1.0)"),
        (OUTPUT, -2, 0.5, ".softmax(dim=-2) @ v"),
        (f"{OUTPUT}, float[N, 2, 5, 5] w", -1, 0.5, "= weights @ v"),
    ],
)
def test_attention_in_pieces_is_pytorchs_own(outputs, axis, scale, expected, tmp_path):
    proto = model(ATTENTION % (outputs, axis), s=np.array(scale, "f4"))
    text = checked(proto, "pytorch", tmp_path, *(numbers(3, 2, 5, n) for n in (16, 16, 8)))
    assert ("scaled_dot_product" in text) == ("scaled_dot_product" in expected)
    assert expected in text or "softmax(dim" in text


def test_a_tensor_that_was_stored_once_has_its_own_name_again(tmp_path):
    """As TorchScript's exporter stores the zeros of two biases; other equal tensors stay shared."""
    proto = model(
        """net (float[N, 4] x) => (float[N, 4] z) {
            bias = Identity (one_bias) again = Identity (one_weight)
            a = MatMul (x, one_weight) b = Add (one_bias, a) c = Relu (b)
            d = MatMul (c, again) z = Add (bias, d)
        }""",
        one_bias=np.zeros(4, "f4"),
        one_weight=numbers(4, 4),
    )
    names = {"one_bias": "one.bias", "one_weight": "one.weight", "bias": "two.bias", "again": "two.weight"}
    for each in proto.graph.initializer:
        each.name = names[each.name]
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    checked(proto, "pytorch", tmp_path, numbers(3, 4))
    source = written(proto, "pytorch")
    assert "two.bias" in source.weights and source.origins["two.bias"] == "one.bias"
    assert "two.weight" not in source.weights


@pytest.mark.parametrize("target", TARGETS)
def test_a_norm_of_an_axis_of_open_size_is_a_layer(target, tmp_path):
    text = (
        """net (float[N, K] x) => (float[N, K] y) { y = LayerNormalization <axis = -1> (x, weight, bias) }"""
    )
    proto = model(text, weight=numbers(6), bias=numbers(6))
    assert "nn.LayerNorm(" in checked(proto, target, tmp_path, numbers(3, 6))


def test_a_free_axis_is_itself_and_never_negative():
    proto = model(
        """net (float[N, M, 4] x) => (bool[3] same, bool[3] negative) {
            shape = Shape (x) same = Equal (shape, shape) negative = Equal (shape, minus)
        }""",
        minus=np.array([-1, 3, -1]),
    )
    facts = Facts(proto.graph, 17)
    assert list(facts.value("same")) == [True, True, True]
    assert list(facts.value("negative")) == [False, None, False]


def test_sizes_of_many_reshapes_are_found_in_one_pass(monkeypatch):
    """Each is made of the size of what the one before has shaped; onnx is asked for the whole graph twice."""
    steps = "".join(
        f"s{i} = Shape (x{i}) n{i} = Gather (s{i}, zero) u{i} = Unsqueeze (n{i}, zeros) "
        f"c{i} = Concat <axis = 0> (u{i}, rest) x{i + 1} = Reshape (x{i}, c{i}) "
        for i in range(20)
    )
    proto = model(
        f"net (float[N, 2, 6] x0) => (float[A, B, C] x20) {{ {steps} }}",
        zero=np.array(0),
        zeros=np.array([0]),
        rest=np.array([-1, 3]),
    )
    asked, whole = [], onnx.shape_inference.infer_shapes
    monkeypatch.setattr(
        onnx.shape_inference, "infer_shapes", lambda *given, **kept: asked.append(1) or whole(*given, **kept)
    )
    last = inferred(proto, is_sorted=True).graph.value_info
    shapes = {each.name: each.type.tensor_type.shape.dim for each in last}
    assert [dim.dim_param or dim.dim_value for dim in shapes["x19"]] == ["N", 4, 3]
    assert len(asked) == 2


def test_a_network_in_memory_draws_no_weights():
    torch = pytest.importorskip("torch")
    weight = RANDOM.standard_normal((4, 3)).astype(np.float32)
    source = written(model("net (float[N, 4] x) => (float[N, 3] y) { y = Gemm (x, w) }", w=weight), "pytorch")
    assert "nn.Linear(4, 3" in source.text
    before = torch.get_rng_state()
    network = built(source)
    assert before.equal(torch.get_rng_state())
    (kept,) = network.parameters()
    assert kept.requires_grad and np.array_equal(kept.detach().numpy(), weight.T)


@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "bfloat16"])
def test_a_network_in_memory_has_the_weights_of_the_files(kind, tmp_path):
    import ml_dtypes

    dtype = np.dtype(ml_dtypes.bfloat16) if kind == "bfloat16" else np.dtype(kind)
    name = {"f4": "float", "f8": "double", "i8": "int64", "bfloat16": "bfloat16"}[kind]
    proto = model(
        f"net ({name}[N, 4] x) => ({name}[N, 4] y) {{ y = Add (x, shift) }}",
        shift=(10 * RANDOM.standard_normal((3, 4))).astype(dtype),
    )
    source = written(proto, "pytorch")
    write(tmp_path, source)
    kept, made = (net.state_dict() for net in (load(tmp_path, source.name, "pytorch"), built(source)))
    assert kept and kept.keys() == made.keys()
    assert all(kept[each].equal(made[each]) and kept[each].dtype == made[each].dtype for each in kept)
    assert not any(each.is_meta for each in made.values())


@pytest.mark.parametrize("target", TARGETS)
def test_a_size_that_a_reshape_keeps_in_each_block_is_the_arguments(target, tmp_path):
    blocks = "".join(
        f"a{i} = MatMul (x{i}, w{i}) b{i} = Reshape (a{i}, in{i}) "
        f"c{i} = Transpose <perm = [0, 2, 1, 3]> (b{i}) "
        f"d{i} = Relu (c{i}) e{i} = Transpose <perm = [0, 2, 1, 3]> (d{i}) f{i} = Reshape (e{i}, out{i}) "
        f"y{i} = MatMul (f{i}, v{i}) "
        for i in range(2)
    )
    proto = model(
        f"net (float[2, 6, 4] x0) => (float[2, 3, 4] y1) {{ {blocks} }}".replace(
            "y0 = MatMul (f0, v0) ", "y0 = MatMul (f0, v0) x1 = Slice (y0, zero, three, one) "
        ),
        **{f"w{i}": numbers(4, 4) for i in range(2)},
        **{f"v{i}": numbers(4, 4) for i in range(2)},
        **{f"in{i}": np.array([2, size, 2, 2]) for i, size in enumerate((6, 3))},
        **{f"out{i}": np.array([2, size, 4]) for i, size in enumerate((6, 3))},
        zero=np.array([0]),
        three=np.array([3]),
        one=np.array([1]),
    )
    names = {
        f"{old}{i}": f"blocks.{i}.{new}.weight" for i in range(2) for old, new in (("w", "fc"), ("v", "out"))
    }
    for each in proto.graph.initializer:
        each.name = names.get(each.name, each.name)
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    text = checked(proto, target, tmp_path, numbers(2, 6, 4))
    assert "blocks.0` and 1 more" in text and "x.shape[1], 2, 2)" in text and "self.size" not in text
