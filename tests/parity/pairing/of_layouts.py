"""Pairs that store the same numbers otherwise: transposed, reshaped, packed, in another order."""

import numpy as np
import torch
from torch import nn

from .cases import Case, both, moved, renamed
from .torch_nets import chain, conv, net, p

HEADS, SIZE = 2, 8
# a softmax over keys does not see what is added to all of them
KEY_BIAS = frozenset({"k.bias"})


def attend(q, k, v):
    """Attention of two heads, whatever made q, k and v: (N, T, SIZE) each."""
    q, k, v = (one.unflatten(-1, (HEADS, -1)).transpose(1, 2) for one in (q, k, v))
    weights = torch.softmax(q @ k.transpose(-1, -2) / (SIZE // HEADS) ** 0.5, -1)
    return (weights @ v).transpose(1, 2).flatten(2)


def separate(bias=True, **names):
    """Three dense layers; `names` says what each is called, in their order of definition."""
    called = {"q": "q", "k": "k", "v": "v", **names}

    def forward(self, x):
        return self.proj(attend(*(getattr(self, called[one])(x) for one in "qkv")))

    parts = {called[one]: nn.Linear(SIZE, SIZE, bias=bias) for one in called}
    return lambda: net(forward, **parts, proj=nn.Linear(SIZE, SIZE))


def packed(order="qkv", per_head=False, bias=True):
    def forward(self, x):
        if per_head:
            pieces = [piece.flatten(2) for piece in self.qkv(x).unflatten(-1, (HEADS, 3, -1)).unbind(3)]
        else:
            pieces = self.qkv(x).chunk(3, -1)
        by_name = dict(zip(order, pieces, strict=True))
        return self.proj(attend(by_name["q"], by_name["k"], by_name["v"]))

    return lambda: net(
        forward,
        proj=nn.Linear(SIZE, SIZE),
        qkv=nn.Linear(SIZE, 3 * SIZE, bias=bias),
    )


def packing(order="qkv", per_head=False, leaves=("weight", "bias"), transpose=False):
    def pack(arrays):
        if per_head:
            arrays = [array.reshape(HEADS, 1, -1, *array.shape[1:]) for array in arrays]
            found = np.concatenate(arrays, 1)
            return found.reshape(-1, *found.shape[3:])
        return np.concatenate(arrays)

    def truth(tensors):
        found = {f"qkv.{leaf}": pack([tensors[f"{one}.{leaf}"] for one in order]) for leaf in leaves}
        if transpose:
            found["qkv.weight"] = found["qkv.weight"].T
        return found

    return both(truth, moved(proj="proj"))


def unpacking(order="qkv"):
    def truth(tensors):
        return {
            f"{one}.{leaf}": piece
            for leaf in ("weight", "bias")
            for one, piece in zip(order, np.split(tensors[f"qkv.{leaf}"], 3), strict=True)
        }

    return both(truth, moved(proj="proj"))


def pack_of(name, order="qkv", per_head=False, bias=True):
    leaves = ("weight", "bias") if bias else ("weight",)
    return Case(
        name,
        separate(bias),
        packed(order, per_head, bias),
        ("2x5x8",),
        packing(order, per_head, leaves),
        unproven=KEY_BIAS if bias else frozenset(),
    )


def transposed_dense(given, returned, outside):
    return lambda: net(
        lambda self, x: self.last(outside(x @ self.w + self.c)),
        last=nn.Linear(returned, 3),
        c=p(returned),
        w=p(given, returned),
    )


def flattened(channels, height, width, axes):
    def forward(self, x):
        x = torch.relu(self.conv(x)).permute(axes)
        return self.dense(x.flatten(1))

    return lambda: net(forward, conv=conv(3, channels), dense=nn.Linear(channels * height * width, 4))


def flatten_order(channels, height, width):
    def truth(tensors):
        weight = tensors["dense.weight"].reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        return {**tensors, "dense.weight": weight.reshape(4, -1)}

    return truth


def positioned(shape, token):
    def forward(self, x):
        x = x + self.position.reshape(1, 4, 6)
        first = self.token.reshape(1, 1, 6).expand(len(x), 1, 6)
        return self.norm(torch.cat([first, x], 1))

    return lambda: net(forward, position=p(*shape), token=p(*token), norm=nn.LayerNorm(6))


def patches_by_dense(self, x):
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * 4)
    return torch.tanh(self.patch(x)).mean(1)


def gelu_gated(forward, **parts):
    return lambda: net(forward, **parts, down=nn.Linear(10, 4))


def one_up(self, x):
    gate, up = self.up(x).chunk(2, -1)
    return self.down(torch.nn.functional.silu(gate) * up)


def two_up(self, x):
    return self.down(torch.nn.functional.silu(self.gate(x)) * self.value(x))


def of_multihead(self, x):
    return self.attention(x, x, x, need_weights=False)[0]


def conv1d_of_gpt2(self, x):
    q, k, v = (x @ self.w + self.c).chunk(3, -1)
    return attend(q, k, v) @ self.w2 + self.c2


def cross_forward(self, x, y):
    k, v = self.kv(y).chunk(2, -1)
    return self.proj(attend(self.q(x), k, v))


def cross_separate(self, x, y):
    return self.proj(attend(self.q(x), self.k(y), self.v(y)))


def packed_after(self, x):
    return self.proj(attend(*self.qkv(torch.tanh(self.first(x))).chunk(3, -1)))


def separate_after(self, x):
    x = torch.tanh(self.first(x))
    return self.proj(attend(self.q(x), self.k(x), self.v(x)))


PACKED_BIAS = frozenset({"qkv.bias"})

CASES = [
    Case(
        "a convolution of 1x1 and a dense layer",
        lambda: net(
            lambda self, x: self.fc(torch.relu(self.mix(x))).flatten(1),
            mix=conv(4, 6, 1),
            fc=conv(6, 5, 1),
        ),
        lambda: net(
            lambda self, x: self.b(torch.relu(self.a(x.flatten(1)))), b=nn.Linear(6, 5), a=nn.Linear(4, 6)
        ),
        ("3x4x1x1",),
        lambda t: {
            "a.weight": t["mix.weight"][:, :, 0, 0],
            "a.bias": t["mix.bias"],
            "b.weight": t["fc.weight"][:, :, 0, 0],
            "b.bias": t["fc.bias"],
        },
    ),
    Case(
        "weights of a product stored transposed",
        lambda: chain(one=nn.Linear(6, 8), act=nn.Tanh(), two=nn.Linear(8, 3)),
        transposed_dense(6, 8, torch.tanh),
        ("4x6",),
        lambda t: {
            "w": t["one.weight"].T,
            "c": t["one.bias"],
            "last.weight": t["two.weight"],
            "last.bias": t["two.bias"],
        },
    ),
    Case(
        "square weights of a product stored transposed",
        lambda: chain(one=nn.Linear(6, 6), act=nn.Tanh(), two=nn.Linear(6, 3)),
        transposed_dense(6, 6, torch.tanh),
        ("4x6",),
        lambda t: {
            "w": t["one.weight"].T,
            "c": t["one.bias"],
            "last.weight": t["two.weight"],
            "last.bias": t["two.bias"],
        },
    ),
    Case(
        "square weights of a product not transposed",
        lambda: net(lambda self, x: torch.tanh(x @ self.m.T) @ self.n, m=p(6, 6), n=p(6, 6)),
        lambda: net(lambda self, x: torch.tanh(x @ self.n.T) @ self.m, m=p(6, 6), n=p(6, 6)),
        ("4x6",),
        renamed(m="n", n="m"),
    ),
    Case(
        "a square weight used as it is and transposed",
        lambda: net(lambda self, x: torch.tanh(x @ self.m) @ self.m.T, m=p(6, 6)),
        lambda: net(lambda self, x: torch.tanh(x @ self.w.T) @ self.w, w=p(6, 6)),
        ("4x6",),
        lambda t: {"w": t["m"].T},
    ),
    Case(
        "flattened channels first and channels last",
        flattened(4, 2, 3, (0, 1, 2, 3)),
        flattened(4, 2, 3, (0, 2, 3, 1)),
        ("2x3x2x3",),
        flatten_order(4, 2, 3),
    ),
    Case(
        "flattened channels first and last, where all sizes are equal",
        flattened(3, 3, 3, (0, 1, 2, 3)),
        flattened(3, 3, 3, (0, 2, 3, 1)),
        ("2x3x3x3",),
        flatten_order(3, 3, 3),
    ),
    Case(
        "axes of one",
        positioned((1, 4, 6), (1, 1, 6)),
        positioned((4, 6), (6,)),
        ("2x4x6",),
        lambda t: {**moved(norm="norm")(t), "position": t["position"][0], "token": t["token"][0, 0]},
    ),
    Case(
        "patches by a convolution and by a dense layer",
        lambda: net(
            lambda self, x: torch.tanh(self.patch(x)).flatten(2).mean(2),
            patch=nn.Conv2d(3, 5, 2, 2),
        ),
        lambda: net(patches_by_dense, patch=nn.Linear(12, 5)),
        ("2x3x4x4",),
        lambda t: {"patch.weight": t["patch.weight"].reshape(5, 12), "patch.bias": t["patch.bias"]},
    ),
    pack_of("q, k and v apart and packed"),
    pack_of("q, k and v packed without a bias", bias=False),
    pack_of("q, k and v packed as k, q, v", "kqv"),
    pack_of("q, k and v packed as v, k, q", "vkq"),
    pack_of("q, k and v packed per head", per_head=True),
    pack_of("q, k and v packed per head as k, v, q", "kvq", per_head=True),
    Case(
        "packed q, k and v on the first side",
        packed(),
        separate(),
        ("2x5x8",),
        unpacking(),
        partly=PACKED_BIAS,
    ),
    Case(
        "packed q, k and v beside a layer whose bias the first side lacks",
        lambda: net(
            packed_after,
            first=nn.Linear(SIZE, SIZE, bias=False),
            qkv=nn.Linear(SIZE, 3 * SIZE),
            proj=nn.Linear(SIZE, SIZE),
        ),
        lambda: net(
            separate_after, **{name: nn.Linear(SIZE, SIZE) for name in ("v", "first", "k", "q", "proj")}
        ),
        ("2x5x8",),
        lambda t: {
            **unpacking()(t),
            "first.weight": t["first.weight"],
            "first.bias": np.zeros(SIZE, np.float32),
        },
        partly=PACKED_BIAS,
    ),
    Case(
        "packed on both sides in another order",
        packed("qkv"),
        packed("vqk"),
        ("2x5x8",),
        lambda t: both(moved(proj="proj"), lambda t: packing("vqk")(unpacking()(t)))(t),
        partly=PACKED_BIAS,
    ),
    Case(
        "packed per head on the second side alone",
        packed(),
        packed(per_head=True),
        ("2x5x8",),
        lambda t: packing(per_head=True)(unpacking()(t)),
        partly=PACKED_BIAS,
    ),
    Case(
        "q, k and v defined in another order under names that say nothing",
        separate(),
        separate(v="l0", q="l1", k="l2"),
        ("2x5x8",),
        moved(q="l1", k="l2", v="l0", proj="proj"),
        unproven=KEY_BIAS,
    ),
    Case(
        "attention of the framework and written out",
        lambda: net(of_multihead, attention=nn.MultiheadAttention(SIZE, HEADS, batch_first=True)),
        separate(),
        ("2x5x8",),
        lambda t: unpacking()(
            {
                "qkv.weight": t["attention.in_proj_weight"],
                "qkv.bias": t["attention.in_proj_bias"],
                "proj.weight": t["attention.out_proj.weight"],
                "proj.bias": t["attention.out_proj.bias"],
            }
        ),
        partly=frozenset({"attention.in_proj_bias"}),
    ),
    Case(
        "q, k and v packed and transposed, as GPT-2 keeps them",
        separate(),
        lambda: net(conv1d_of_gpt2, w2=p(SIZE, SIZE), w=p(SIZE, 3 * SIZE), c2=p(SIZE), c=p(3 * SIZE)),
        ("2x5x8",),
        lambda t: (
            lambda q: {
                "w": q["qkv.weight"].T,
                "c": q["qkv.bias"],
                "w2": q["proj.weight"].T,
                "c2": q["proj.bias"],
            }
        )(packing()(t)),
        unproven=KEY_BIAS,
    ),
    Case(
        "k and v packed beside q",
        lambda: net(cross_separate, **{name: nn.Linear(SIZE, SIZE) for name in ("q", "k", "v", "proj")}),
        lambda: net(
            cross_forward, kv=nn.Linear(SIZE, 2 * SIZE), proj=nn.Linear(SIZE, SIZE), q=nn.Linear(SIZE, SIZE)
        ),
        ("2x5x8", "2x4x8"),
        both(
            moved(q="q", proj="proj"),
            lambda t: {
                f"kv.{leaf}": np.concatenate([t[f"k.{leaf}"], t[f"v.{leaf}"]]) for leaf in ("weight", "bias")
            },
        ),
        unproven=KEY_BIAS,
    ),
    Case(
        "a gate and its value packed",
        gelu_gated(two_up, value=nn.Linear(6, 10), gate=nn.Linear(6, 10)),
        gelu_gated(one_up, up=nn.Linear(6, 20)),
        ("3x6",),
        both(
            moved(down="down"),
            lambda t: {
                f"up.{leaf}": np.concatenate([t[f"gate.{leaf}"], t[f"value.{leaf}"]])
                for leaf in ("weight", "bias")
            },
        ),
    ),
    Case(
        "a transposed convolution",
        lambda: chain(up=nn.ConvTranspose2d(4, 4, 2, 2), act=nn.ReLU(), last=conv(4, 4, 1)),
        lambda: chain(one=nn.ConvTranspose2d(4, 4, 2, 2), act=nn.ReLU(), two=conv(4, 4, 1)),
        ("2x4x3x3",),
        moved(up="one", last="two"),
    ),
    Case(
        "a square kernel and its neighbour of the same shape",
        lambda: chain(one=conv(3, 3), act=nn.Tanh(), two=conv(3, 3)),
        lambda: nn.Sequential(conv(3, 3), nn.Tanh(), conv(3, 3)),
        ("2x3x3x3",),
        moved(one="0", two="2"),
    ),
]
