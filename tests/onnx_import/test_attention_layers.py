"""PyTorch's own attention layers, as torch.onnx writes them, and parameters that a block holds itself."""

import io

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import outputs_of, written

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
WIDTH, HEADS = 8, 2


class Attention(torch.nn.Module):
    """Self-attention, with or without a mask of what comes later."""

    def __init__(self, batch_first, causal):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first)
        self.causal = causal

    def forward(self, x):
        mask = torch.full((5, 5), float("-inf")).triu(1) if self.causal else None
        return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]


def encoder(**options):
    layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True, **options)
    return torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def exported(module, x, free):
    """Return the ONNX model of a Module, and what it computes."""
    buffer = io.BytesIO()
    module.eval()
    with torch.no_grad():
        for tensor in module.parameters():  # equal ones are exported as one
            tensor.add_(torch.rand_like(tensor) * 0.1)
        expected = module(x).numpy()
    torch.onnx.export(
        module,
        (x,),
        buffer,
        opset_version=17,
        dynamo=False,
        do_constant_folding=False,
        input_names=["x"],
        dynamic_axes={"x": {free: "N"}},
    )
    return onnx.load_from_string(buffer.getvalue()), expected


CASES = [
    ("attention", lambda: Attention(True, False)),
    ("attention with a mask", lambda: Attention(True, True)),
    ("encoder", encoder),
    ("encoder, norm first, gelu", lambda: encoder(norm_first=True, activation="gelu")),
]


@pytest.mark.parametrize(("what", "made"), CASES, ids=[case[0] for case in CASES])
def test_attention_becomes_source_with_its_names(what, made, tmp_path):
    torch.manual_seed(0)
    module, x = made(), torch.randn(2, 5, WIDTH)
    proto, expected = exported(module, x, 0)
    source = written(proto)
    assert set(source.weights) >= set(module.state_dict())  # a mask is a constant beside them
    (found,) = outputs_of(source, [x.numpy()], tmp_path)
    assert np.allclose(found, expected, rtol=0, atol=2e-6)


def test_layers_in_a_row_are_one_class_in_mindspore_too(tmp_path):
    pytest.importorskip("mindspore")
    torch.manual_seed(0)
    module, x = encoder(), torch.randn(2, 5, WIDTH)
    proto, expected = exported(module, x, 0)
    source = written(proto, "mindspore")
    assert source.classes == 3
    assert set(source.weights) == set(module.state_dict())
    (found,) = outputs_of(source, [x.numpy()], tmp_path)
    assert np.allclose(found, expected, rtol=0, atol=2e-6)


def test_a_gamma_that_is_no_layers_keeps_its_name_in_mindspore(tmp_path):
    pytest.importorskip("mindspore")

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.LayerNorm(WIDTH)
            self.gamma = torch.nn.Parameter(torch.full((WIDTH,), 0.1) + torch.arange(WIDTH))

        def forward(self, x):
            return x + self.gamma * self.norm(x)

    module, x = Scaled(), torch.randn(2, 5, WIDTH)
    proto, expected = exported(module, x, 0)
    source = written(proto, "mindspore")
    assert set(source.weights) == {"gamma", "norm.weight", "norm.bias"}
    (found,) = outputs_of(source, [x.numpy()], tmp_path)
    assert np.allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("op_type", "reach", "exact"),
    [("Exp", (-30, 30), np.exp), ("Log", (0.9, 1.1), np.log), ("Log", (1e-9, 1e4), np.log)],
)
def test_exp_and_log_are_exact_in_mindspore_on_the_cpu(op_type, reach, exact, tmp_path):
    pytest.importorskip("mindspore")
    node = onnx.helper.make_node(op_type, ["x"], ["y"])
    kind = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, kind, ["N"]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "net", ends[:1], ends[1:])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    x = np.random.default_rng(0).uniform(*reach, 5000).astype("f")
    (found,) = outputs_of(written(proto, "mindspore"), [x], tmp_path)
    true = exact(x.astype("d"))
    assert np.max(np.abs(found - true) / np.abs(true)) < 2e-6
