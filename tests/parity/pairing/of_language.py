"""Blocks of language models, larger than what is tried in every way: attention and gates packed otherwise."""

import numpy as np
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, Tensors
from .torch_nets import net

WIDTH, HEADS, KEYS, LENGTH, INNER = 128, 8, 2, 16, 352
EACH = HEADS // KEYS
SIZES = HEADS * LENGTH, KEYS * LENGTH, KEYS * LENGTH


def block(queries, gates):
    """Attention and a gated layer; how q, k and v, and a gate and its value, are kept."""

    def attend(self, x):
        if queries == "by group":
            found = self.wqkv(x).unflatten(-1, (KEYS, EACH + 2, LENGTH))
            q, k, v = found[..., :EACH, :].flatten(2, 3), found[..., EACH, :], found[..., EACH + 1, :]
        else:
            packed = queries == "in a row"
            q, k, v = self.qkv(x).split(SIZES, -1) if packed else (self.q(x), self.k(x), self.v(x))
            q, k, v = (one.unflatten(-1, (-1, LENGTH)) for one in (q, k, v))
        q, k, v = (one.transpose(1, 2) for one in (q, k, v))
        k, v = (one.repeat_interleave(EACH, 1) for one in (k, v))
        return self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))

    def gated(self, x):
        if gates == "apart":
            gate, value = self.gate(x), self.value(x)
        elif gates == "interleaved":
            gate, value = self.both(x)[..., ::2], self.both(x)[..., 1::2]
        else:
            gate, value = self.both(x).chunk(2, -1)
        return self.down(F.silu(gate) * value)

    def forward(self, tokens):
        x = self.words(tokens)
        x = x + attend(self, self.norm1(x))
        return self.head(self.norm3(x + gated(self, self.norm2(x))))

    def build():
        dense = {"apart": {"v": SIZES[2], "k": SIZES[1], "q": SIZES[0]}}
        dense |= {"by group": {"wqkv": sum(SIZES)}, "in a row": {"qkv": sum(SIZES)}}
        sizes = dense[queries] | (
            {"value": INNER, "gate": INNER} if gates == "apart" else {"both": 2 * INNER}
        )
        return net(
            forward,
            **{f"norm{place}": nn.RMSNorm(WIDTH, eps=1e-6) for place in (3, 2, 1)},
            **{name: nn.Linear(WIDTH, size, bias=False) for name, size in sizes.items()},
            down=nn.Linear(INNER, WIDTH, bias=False),
            o=nn.Linear(SIZES[0], WIDTH, bias=False),
            head=nn.Linear(WIDTH, 300, bias=False),
            words=nn.Embedding(300, WIDTH),
        )

    return build


def apart(t: Tensors, queries, gates):
    """Return the tensors of a block in which nothing is packed."""
    found = {
        name: array for name, array in t.items() if name not in ("wqkv.weight", "qkv.weight", "both.weight")
    }
    if queries == "in a row":
        parts = np.split(t["qkv.weight"], np.cumsum(SIZES)[:-1])
        found |= {f"{name}.weight": part for name, part in zip("qkv", parts, strict=True)}
    elif queries == "by group":
        whole = t["wqkv.weight"].reshape(KEYS, EACH + 2, LENGTH, WIDTH)
        found |= {
            "q.weight": whole[:, :EACH].reshape(-1, WIDTH),
            "k.weight": whole[:, EACH].reshape(-1, WIDTH),
            "v.weight": whole[:, EACH + 1].reshape(-1, WIDTH),
        }
    if gates != "apart":
        both = t["both.weight"]
        gate, value = (both[::2], both[1::2]) if gates == "interleaved" else np.split(both, 2)
        found |= {"gate.weight": gate, "value.weight": value}
    return found


def packed(t: Tensors, queries, gates):
    """Return the tensors of a block, of those of one in which nothing is packed."""
    found = dict(t)
    if queries != "apart":
        q, k, v = (found.pop(f"{name}.weight") for name in "qkv")
        if queries == "in a row":
            found["qkv.weight"] = np.concatenate([q, k, v])
        else:
            parts = [one.reshape(KEYS, -1, LENGTH, WIDTH) for one in (q, k, v)]
            found["wqkv.weight"] = np.concatenate(parts, 1).reshape(-1, WIDTH)
    if gates != "apart":
        pair = found.pop("gate.weight"), found.pop("value.weight")
        together = np.stack(pair, 1).reshape(-1, WIDTH) if gates == "interleaved" else np.concatenate(pair)
        found["both.weight"] = together
    return found


def of_blocks(first, second):
    return Case(
        f"q, k and v {first[0]} and gates {first[1]}; {second[0]} and {second[1]}",
        block(*first),
        block(*second),
        ("2x9:int64:0..300",),
        lambda t: packed(apart(t, *first), *second),
    )


CASES = [
    of_blocks(("apart", "apart"), ("by group", "interleaved")),
    of_blocks(("in a row", "in a row"), ("by group", "interleaved")),
    of_blocks(("by group", "interleaved"), ("apart", "in a row")),
    of_blocks(("by group", "apart"), ("in a row", "interleaved")),
]
