"""Networks of the package transformers, small ones of its own classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

WORDS = 98
WIDTH = 48
LAYERS = 2
HEADS = 4


def _bert() -> Any:
    from transformers import BertConfig, BertModel

    settings = BertConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=16,
        attn_implementation="eager",
    )
    return BertModel(settings)


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2Model

    settings = GPT2Config(
        vocab_size=WORDS,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=9,
        use_cache=False,
        attn_implementation="eager",
    )
    return GPT2Model(settings)


NETWORKS: Mapping[str, Callable[[], Any]] = {"bert": _bert, "gpt2": _gpt2}
