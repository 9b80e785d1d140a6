"""Encoders, a decoder and taggers of text in PyTorch, as they are written where transformers is not used.

Source: BERT, https://arxiv.org/abs/1810.04805, with PyTorch's own nn.MultiheadAttention; GPT-2 as in
https://github.com/karpathy/nanoGPT (Linear where transformers has its transposed Conv1D); bidirectional
taggers, https://arxiv.org/abs/1508.01991.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WORDS, WIDTH, LAYERS, HEADS, TAGS = 98, 48, 2, 4, 11


class BertLayer(nn.Module):
    """Attention with q, k and v in one tensor, and the norm behind each sum."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, x, x, need_weights=False)[0])
        return self.norm2(x + self.fc2(functional.gelu(self.fc1(x))))


class Bert(nn.Module):
    """BERT without a task's head."""

    def __init__(self) -> None:
        super().__init__()
        self.pooler = nn.Linear(WIDTH, WIDTH)  # not in the order in which it is used
        self.tokens = nn.Embedding(WORDS, WIDTH)
        self.positions = nn.Parameter(torch.randn(1, 16, WIDTH))
        self.segments = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer() for _ in range(LAYERS))

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tokens(words) + self.positions[:, : words.shape[1]] + self.segments(torch.zeros_like(words))
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x)
        return x, torch.tanh(self.pooler(x[:, 0]))


class GPTBlock(nn.Module):
    """nanoGPT's block, with its attention in place."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        pieces = self.c_attn(self.ln_1(x)).split(WIDTH, dim=2)
        q, k, v = (one.view(batch, length, HEADS, -1).transpose(1, 2) for one in pieces)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.proj(functional.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    """GPT-2's body."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(WORDS, WIDTH)
        self.wpe = nn.Embedding(9, WIDTH)
        self.h = nn.ModuleList(GPTBlock() for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)

    def forward(self, words: Tensor) -> Tensor:
        x = self.wte(words) + self.wpe(torch.arange(words.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class Tagger(nn.Module):
    """Words, two bidirectional recurrent layers, a tag for each."""

    def __init__(self, recurrent: type) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 24)
        self.rnn = recurrent(24, 20, num_layers=2, bidirectional=True, batch_first=True)
        self.tags = nn.Linear(40, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        return self.tags(self.rnn(self.embed(words))[0])


class Encoder(nn.Module):
    """PyTorch's own encoder, with the norm before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(words)))


class ApartLayer(nn.Module):
    """The same layer with q, k and v of each head side by side, as Megatron keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.dense = nn.Linear(WIDTH, WIDTH)
        self.post_norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 2 * WIDTH)
        self.down = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        heads = self.query_key_value(self.input_norm(x)).view(batch, length, HEADS, 3 * WIDTH // HEADS)
        q, k, v = heads.transpose(1, 2).chunk(3, -1)
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        x = x + self.dense((weights @ v).transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.down(functional.gelu(self.up(self.post_norm(x))))


class EncoderApart(nn.Module):
    """The encoder of such layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ApartLayer() for _ in range(LAYERS))
        self.word_embeddings = nn.Embedding(WORDS, WIDTH)
        self.output = nn.Linear(WIDTH, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        x = self.word_embeddings(words)
        for layer in self.layers:
            x = layer(x)
        return self.output(x)


def bert() -> nn.Module:
    """Return BERT with packed attention."""
    return Bert()


def gpt() -> nn.Module:
    """Return nanoGPT's GPT-2."""
    return GPT()


def tagger() -> nn.Module:
    """Return a tagger of LSTMs."""
    return Tagger(nn.LSTM)


def gru_tagger() -> nn.Module:
    """Return a tagger of GRUs."""
    return Tagger(nn.GRU)


def encoder() -> nn.Module:
    """Return PyTorch's own encoder."""
    return Encoder()


def encoder_apart() -> nn.Module:
    """Return the same encoder as Megatron writes it."""
    return EncoderApart()
