"""Layers of transformers: attention, embeddings, parameters that are a module's own."""

from __future__ import annotations

from typing import Any

from .fault import Fault, Leaves, block_changed, changed, reordered, rolled
from .kind import Inexact, Kind, Leaf, Summed

_ONE_WIDTH = "in_proj_weight"


def _one_width(attention: Any) -> bool:
    """Whether queries, keys and values are of one width, so that their weights are one tensor."""
    return attention.in_proj_weight is not None


def _unscaled(leaves: Leaves) -> None:
    """Queries twice as large: a scale of 2 / sqrt(d), as for heads of a quarter of the width."""
    for name in ("in_proj_weight", "in_proj_bias"):
        if name in leaves:
            leaves[name].reshape(3, -1)[0] *= 2


KINDS = (
    Kind(
        "attention",
        "attention",
        torch=("torch.nn.MultiheadAttention",),
        mindspore=("mindspore.nn.MultiheadAttention",),
        onnx=("Attention", "MultiHeadAttention"),
        leaves=(
            Leaf("in_proj_weight", "unit", optional=True),
            Leaf("q_proj_weight", "unit", optional=True),
            Leaf("k_proj_weight", "unit", optional=True),
            Leaf("v_proj_weight", "unit", optional=True),
            Leaf("in_proj_bias", "shift", fresh=0.0, optional=True),
            Leaf("bias_k", "shift", optional=True),
            Leaf("bias_v", "shift", optional=True),
        ),
        whole=True,
        inexact=Inexact(4, of="output"),
        summed=Summed(-1, {_ONE_WIDTH: 1}, inputs=("query", "key", "value"), where=_one_width),
        faults=(
            Fault("scale twice as large", _unscaled, where=_one_width),
            Fault("queries and keys exchanged", reordered((1, 0, 2), "in_proj"), where=_one_width),
            Fault("values before keys", reordered((0, 2, 1), "in_proj"), where=_one_width),
            Fault(
                "another number of heads",
                attributes={"num_heads": lambda n: n // 2, "head_dim": lambda n: n * 2},
                where=lambda attention: attention.num_heads % 2 == 0,
            ),
            Fault("bias left out", changed("in_proj_bias", lambda bias: 0 * bias)),
            Fault("values' bias left out", block_changed("in_proj_bias", 2, 3, lambda bias: 0 * bias)),
        ),
    ),
    Kind(
        "embedding",
        "embedding",
        torch=("torch.nn.Embedding", "torch.nn.EmbeddingBag"),
        mindspore=("mindspore.nn.Embedding", "mindspore.nn.EmbeddingExt", "mindspore.mint.nn.Embedding"),
        onnx=("Gather",),
        leaves=(Leaf("weight", "embedding", "embedding_table"),),
        faults=(
            Fault("indices off by one", changed("weight", rolled)),
            Fault("two features exchanged", changed("weight", lambda w: w[:, [1, 0, *range(2, w.shape[1])]])),
            Fault("rounded to float16", changed("weight", lambda weight: weight.astype("float16"))),
        ),
    ),
)
