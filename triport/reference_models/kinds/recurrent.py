"""Recurrent layers. Their weights are blocks, one a gate, and the order of the gates is the framework's."""

from __future__ import annotations

from .fault import Fault, Leaves, block_changed, changed, reordered
from .kind import Inexact, Kind, Leaf, Summed

_LEAVES = (
    Leaf("weight_ih", "unit"),
    Leaf("weight_hh", "unit"),
    Leaf("bias_ih", "shift", optional=True),
    Leaf("bias_hh", "shift", optional=True),
)
_GATED = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_GIVEN = Summed(-1, {"weight_ih_l0": 1, "weight_ih_l0_reverse": 1})


def _hidden_bias_left_out(leaves: Leaves) -> None:
    leaves["bias_hh_l0"][...] = 0


def _new_gate_outside(leaves: Leaves) -> None:
    """Reset before the product, or after it (ONNX's linear_before_reset): where this bias is told it."""
    given, hidden = (leaves[name].reshape(3, -1) for name in ("bias_ih_l0", "bias_hh_l0"))
    given[2] += hidden[2]
    hidden[2] = 0


KINDS = (
    Kind(
        "lstm",
        "LSTM",
        torch=("torch.nn.LSTM", "torch.nn.LSTMCell"),
        mindspore=("mindspore.nn.LSTM", "mindspore.nn.LSTMCell"),
        onnx=("LSTM",),
        leaves=(*_LEAVES, Leaf("weight_hr", "unit", optional=True)),
        whole=True,
        gates={"pytorch": "ifgo", "mindspore": "ifgo", "onnx": "iofg"},
        inexact=Inexact(4),
        summed=_GIVEN,
        faults=(
            # ONNX's order read as PyTorch's
            Fault("gate order i, o, f, g", reordered((0, 3, 1, 2), *_GATED)),
            Fault("gates i and f exchanged", reordered((1, 0, 2, 3), *_GATED)),
            Fault("hidden bias left out", _hidden_bias_left_out),
            Fault("biases' forget gate one more", block_changed("bias_ih_l0", 1, 4, lambda b: b + 1)),
            Fault("one gate's hidden weight transposed", block_changed("weight_hh_l0", 2, 4, lambda w: w.T)),
        ),
    ),
    Kind(
        "gru",
        "GRU",
        torch=("torch.nn.GRU", "torch.nn.GRUCell"),
        mindspore=("mindspore.nn.GRU", "mindspore.nn.GRUCell"),
        onnx=("GRU",),
        leaves=_LEAVES,
        whole=True,
        gates={"pytorch": "rzn", "mindspore": "rzn", "onnx": "zrn"},
        inexact=Inexact(4),
        summed=_GIVEN,
        faults=(
            Fault("gate order z, r, n", reordered((1, 0, 2), *_GATED)),
            Fault("new gate's hidden bias outside the reset", _new_gate_outside),
            Fault("hidden bias left out", _hidden_bias_left_out),
        ),
    ),
    Kind(
        "rnn",
        "RNN",
        torch=("torch.nn.RNN", "torch.nn.RNNCell"),
        mindspore=("mindspore.nn.RNN", "mindspore.nn.RNNCell"),
        onnx=("RNN",),
        leaves=_LEAVES,
        whole=True,
        gates={"pytorch": "h", "mindspore": "h", "onnx": "h"},
        inexact=Inexact(4),
        summed=_GIVEN,
        faults=(
            Fault("ReLU for tanh", attributes={"mode": lambda _: "RNN_RELU"}),
            Fault("hidden weight transposed", changed("weight_hh_l0", lambda weight: weight.T)),
            Fault("hidden bias left out", _hidden_bias_left_out),
        ),
    ),
)
