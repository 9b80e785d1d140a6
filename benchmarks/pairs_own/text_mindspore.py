"""BERT and taggers of text in MindSpore.

Source: ModelZoo's official/nlp/Bert/src/bert_model.py for the names (`query_layer`, `layernorm`,
`embedding_lookup`); MindSpore's tutorial of sequence labelling for the tagger.
"""

from __future__ import annotations

import mindspore
from mindspore import Tensor, nn, ops

WORDS, WIDTH, LAYERS, HEADS, TAGS = 98, 48, 2, 4, 11


class BertAttention(nn.Cell):
    """Attention with q, k and v apart."""

    def __init__(self) -> None:
        super().__init__()
        self.query_layer = nn.Dense(WIDTH, WIDTH)
        self.key_layer = nn.Dense(WIDTH, WIDTH)
        self.value_layer = nn.Dense(WIDTH, WIDTH)

    def construct(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        shape = (batch, length, HEADS, WIDTH // HEADS)
        q = self.query_layer(x).reshape(shape).transpose(0, 2, 1, 3)
        k = self.key_layer(x).reshape(shape).transpose(0, 2, 3, 1)
        v = self.value_layer(x).reshape(shape).transpose(0, 2, 1, 3)
        weights = ops.softmax(ops.matmul(q, k) / (WIDTH // HEADS) ** 0.5, -1)
        return ops.matmul(weights, v).transpose(0, 2, 1, 3).reshape((batch, length, WIDTH))


class BertOutput(nn.Cell):
    """A dense layer, the sum with what came in, and its norm."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Dense(inputs, WIDTH)
        self.layernorm = nn.LayerNorm((WIDTH,), epsilon=1e-12)

    def construct(self, hidden: Tensor, x: Tensor) -> Tensor:
        return self.layernorm(self.dense(hidden) + x)


class BertLayer(nn.Cell):
    """One layer of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = BertAttention()
        self.attention_output = BertOutput(WIDTH)
        self.intermediate = nn.Dense(WIDTH, 4 * WIDTH)
        self.output = BertOutput(4 * WIDTH)
        self.gelu = nn.GELU(approximate=False)

    def construct(self, x: Tensor) -> Tensor:
        x = self.attention_output(self.attention(x), x)
        return self.output(self.gelu(self.intermediate(x)), x)


class Bert(nn.Cell):
    """BERT without a task's head."""

    def __init__(self) -> None:
        super().__init__()
        self.bert_embedding_lookup = nn.Embedding(WORDS, WIDTH)
        self.token_type_embedding = nn.Embedding(2, WIDTH)
        self.full_position_embedding = nn.Embedding(16, WIDTH)
        self.layernorm = nn.LayerNorm((WIDTH,), epsilon=1e-12)
        self.bert_encoder = nn.CellList([BertLayer() for _ in range(LAYERS)])
        self.dense = nn.Dense(WIDTH, WIDTH)

    def construct(self, words: Tensor) -> tuple[Tensor, Tensor]:
        places = ops.arange(words.shape[1])
        x = self.bert_embedding_lookup(words) + self.full_position_embedding(places)
        x = self.layernorm(x + self.token_type_embedding(ops.zeros_like(words)))
        for layer in self.bert_encoder:
            x = layer(x)
        return x, ops.tanh(self.dense(x[:, 0]))


class Tagger(nn.Cell):
    """Words, two bidirectional recurrent layers, a tag for each."""

    def __init__(self, recurrent: type) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 24)
        self.lstm = recurrent(24, 20, num_layers=2, bidirectional=True, batch_first=True)
        self.hidden2tag = nn.Dense(40, TAGS)

    def construct(self, words: Tensor) -> Tensor:
        return self.hidden2tag(self.lstm(self.embedding(words))[0])


def bert() -> nn.Cell:
    """Return BERT."""
    return Bert()


def tagger() -> nn.Cell:
    """Return a tagger of LSTMs."""
    mindspore.set_seed(0)
    return Tagger(nn.LSTM)


def gru_tagger() -> nn.Cell:
    """Return a tagger of GRUs."""
    mindspore.set_seed(0)
    return Tagger(nn.GRU)
