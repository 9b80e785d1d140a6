"""Pairs whose packed tensors have their rows otherwise: by groups, interleaved, in stacks of experts."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, both, moved
from .torch_nets import net, p

WIDTH, HEAD = 8, 2
TOKENS = (f"2x5x{WIDTH}",)


def grouped(groups, each):
    """Attention of `groups` keys and values, each shared by `each` heads of the query."""

    def attend(q, k, v):
        q, k, v = (one.unflatten(-1, (-1, HEAD)).transpose(1, 2) for one in (q, k, v))
        k, v = (one.repeat_interleave(each, 1) for one in (k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def apart(self, x):
        return self.out(attend(self.q(x), self.k(x), self.v(x)))

    def by_group(self, x):
        found = self.wqkv(x).unflatten(-1, (groups, each + 2, HEAD))
        q, k, v = found[..., :each, :], found[..., each, :], found[..., each + 1, :]
        return self.out(attend(q.flatten(2), k.flatten(2), v.flatten(2)))

    def in_a_row(self, x):
        sizes = [groups * each * HEAD, groups * HEAD, groups * HEAD]
        return self.out(attend(*self.qkv(x).split(sizes, -1)))

    return apart, by_group, in_a_row


def of_groups(groups, each, bias):
    apart, by_group, in_a_row = grouped(groups, each)
    wide, narrow = groups * each * HEAD, groups * HEAD
    out = nn.Linear(wide, WIDTH, bias=False)

    def separate():
        parts = {"v": narrow, "k": narrow, "q": wide}
        return net(
            apart, out=out, **{name: nn.Linear(WIDTH, size, bias=bias) for name, size in parts.items()}
        )

    def packed(forward, name):
        return lambda: net(
            forward,
            out=nn.Linear(wide, WIDTH, bias=False),
            **{name: nn.Linear(WIDTH, wide + 2 * narrow, bias=bias)},
        )

    return separate, packed(by_group, "wqkv"), packed(in_a_row, "qkv")


def by_groups(groups, each, leaves):
    """Return the map from q, k and v apart to groups of queries, each with its key and value."""

    def pack(q, k, v):
        q = q.reshape(groups, each, HEAD, *q.shape[1:])
        k, v = (one.reshape(groups, 1, HEAD, *one.shape[1:]) for one in (k, v))
        found = np.concatenate([q, k, v], 1)
        return found.reshape(-1, *found.shape[3:])

    return both(
        moved(out="out"),
        lambda t: {f"wqkv.{leaf}": pack(*(t[f"{name}.{leaf}"] for name in "qkv")) for leaf in leaves},
    )


def from_a_row(groups, each, leaves):
    wide, narrow = groups * each * HEAD, groups * HEAD

    def apart(t):
        found = dict(t)
        for leaf in leaves:
            parts = np.split(t[f"qkv.{leaf}"], [wide, wide + narrow])
            found |= {f"{name}.{leaf}": part for name, part in zip("qkv", parts, strict=True)}
        return found

    return lambda t: by_groups(groups, each, leaves)(apart(t))


def gated(kind, given=6, inner=10, bias=False):
    """A gate and its value: apart, or packed one after the other, or row by row."""

    def forward(self, x):
        if kind == "apart":
            gate, value = self.gate(x), self.value(x)
        elif kind == "interleaved":
            gate, value = self.both(x)[..., 0::2], self.both(x)[..., 1::2]
        elif kind == "interleaved, value first":
            value, gate = self.both(x)[..., 0::2], self.both(x)[..., 1::2]
        else:
            first, second = self.both(x).chunk(2, -1)
            gate, value = (first, second) if kind == "gate first" else (second, first)
        return self.down(F.silu(gate) * value)

    sizes = {"value": inner, "gate": inner} if kind == "apart" else {"both": 2 * inner}
    layers = {name: nn.Linear(given, size, bias=bias) for name, size in sizes.items()}
    return lambda: net(forward, down=nn.Linear(inner, 4), **layers)


def joined(kind, leaves=("weight",)):
    """Return the map from a gate and its value apart to one of the packed kinds."""

    def pack(gate, value):
        if kind.startswith("interleaved"):
            pair = (value, gate) if kind.endswith("value first") else (gate, value)
            return np.stack(pair, 1).reshape(-1, *gate.shape[1:])
        return np.concatenate((gate, value) if kind == "gate first" else (value, gate))

    return both(
        moved(down="down"),
        lambda t: {f"both.{leaf}": pack(t[f"gate.{leaf}"], t[f"value.{leaf}"]) for leaf in leaves},
    )


def between(kind, other):
    """Return the map from one packed kind to another."""

    def apart(t):
        one = t["both.weight"]
        gate, value = np.split(one, 2) if kind == "gate first" else np.split(one, 2)[::-1]
        return {**t, "gate.weight": gate, "value.weight": value}

    return lambda t: joined(other)(apart(t))


def of_gate(kind, bias=False, given=6, inner=10):
    leaves = ("weight", "bias") if bias else ("weight",)
    return Case(
        f"a gate and its value, packed: {kind}, of {given} and {inner}" + ", with biases" * bias,
        gated("apart", given, inner, bias),
        gated(kind, given, inner, bias),
        (f"3x{given}",),
        joined(kind, leaves),
    )


class Expert(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.w1 = nn.Linear(width, inner, bias=False)
        self.w3 = nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


def experts_apart(self, x):
    found = torch.stack([one(x) for one in self.experts], 1)
    return self.head((torch.softmax(self.router(x), -1)[..., None] * found).sum(1))


def experts_stacked(self, x):
    gate, value = torch.einsum("nd,edf->nef", x, self.gate_up).chunk(2, -1)
    found = torch.einsum("nef,efd->ned", F.silu(gate) * value, self.down)
    return self.head((torch.softmax(self.router(x), -1)[..., None] * found).sum(1))


def experts(count, width, inner):
    apart = lambda: net(  # noqa: E731
        experts_apart,
        head=nn.Linear(width, 3),
        experts=nn.ModuleList(Expert(width, inner) for _ in range(count)),
        router=nn.Linear(width, count, bias=False),
    )
    stacked = lambda: net(  # noqa: E731
        experts_stacked,
        down=p(count, inner, width),
        gate_up=p(count, width, 2 * inner),
        router=nn.Linear(width, count, bias=False),
        head=nn.Linear(width, 3),
    )

    def truth(t):
        each = [
            [t[f"experts.{place}.{name}.weight"].T for name in ("w1", "w3", "w2")] for place in range(count)
        ]
        return {
            **moved(head="head", router="router")(t),
            "gate_up": np.stack([np.concatenate([one, three], 1) for one, three, _ in each]),
            "down": np.stack([two for _, _, two in each]),
        }

    return Case(
        f"{count} experts apart, and in stacks in which gate and value are packed, of {width} and {inner}",
        apart,
        stacked,
        (f"4x{width}",),
        truth,
    )


def beit(kind):
    """Attention whose keys have no bias: of the packed weight, or three tensors beside it."""

    def forward(self, x):
        if kind == "apart":
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
            found = F.linear(x, self.qkv.weight, bias)
        elif kind == "packed":
            found = self.qkv(x)
        else:
            found = torch.cat([self.q(x), self.k(x), self.v(x)], -1)
        q, k, v = (one.unflatten(-1, (2, -1)).transpose(1, 2) for one in found.chunk(3, -1))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def build():
        parts = {"proj": nn.Linear(WIDTH, WIDTH)}
        if kind == "layers":
            parts |= {name: nn.Linear(WIDTH, WIDTH, bias=name != "k") for name in "vkq"}
        else:
            parts["qkv"] = nn.Linear(WIDTH, 3 * WIDTH, bias=kind == "packed")
        if kind == "apart":
            parts |= {"v_bias": p(WIDTH), "q_bias": p(WIDTH)}
        return net(forward, **parts)

    return build


def with_key_bias(t):
    q, v = (t["q_bias"], t["v_bias"]) if "q_bias" in t else (t["q.bias"], t["v.bias"])
    weight = t["qkv.weight"] if "qkv.weight" in t else np.concatenate([t[f"{n}.weight"] for n in "qkv"])
    return {
        **moved(proj="proj")(t),
        "qkv.weight": weight,
        "qkv.bias": np.concatenate([q, np.zeros_like(q), v]),
    }


LEAVES = ("weight", "bias")
SEPARATE, BY_GROUP, IN_A_ROW = of_groups(2, 2, False)
WIDER = of_groups(2, 3, True)
KEY = frozenset({"k.bias"})

CASES = [
    Case(
        "queries apart, and packed by groups that share a key",
        SEPARATE,
        BY_GROUP,
        TOKENS,
        by_groups(2, 2, ("weight",)),
    ),
    Case(
        "queries packed in a row, and by groups that share a key",
        IN_A_ROW,
        BY_GROUP,
        TOKENS,
        from_a_row(2, 2, ("weight",)),
    ),
    Case(
        "queries apart, and packed by groups of three that share a key, with biases",
        WIDER[0],
        WIDER[1],
        TOKENS,
        by_groups(2, 3, LEAVES),
        unproven=KEY,
    ),
    *(of_gate(kind) for kind in ("gate first", "value first", "interleaved", "interleaved, value first")),
    of_gate("interleaved", bias=True),
    of_gate("interleaved", given=8, inner=8),
    Case(
        "a gate before its value, and interleaved with it",
        gated("gate first"),
        gated("interleaved"),
        ("3x6",),
        between("gate first", "interleaved"),
    ),
    Case(
        "a value before its gate, and interleaved with it",
        gated("value first"),
        gated("interleaved"),
        ("3x6",),
        between("value first", "interleaved"),
    ),
    experts(3, 6, 5),
    experts(2, 6, 6),
    Case(
        "biases of queries and values beside the packed weight, and one packed bias",
        beit("apart"),
        beit("packed"),
        TOKENS,
        with_key_bias,
    ),
    Case(
        "a key without a bias beside a query and a value with one, and one packed bias",
        beit("layers"),
        beit("packed"),
        TOKENS,
        with_key_bias,
    ),
    Case(
        "one packed bias, and biases of queries and values beside the packed weight",
        beit("packed"),
        beit("apart"),
        TOKENS,
        lambda t: {
            **{name: array for name, array in t.items() if name != "qkv.bias"},
            "q_bias": t["qkv.bias"][:WIDTH],
            "v_bias": t["qkv.bias"][2 * WIDTH :],
        },
        given=lambda t: {**t, "qkv.bias": np.where(np.repeat([1, 0, 1], WIDTH), t["qkv.bias"], 0)},
    ),
    Case(
        "biases of queries and values beside the packed weight, and layers of which the key's has none",
        beit("apart"),
        beit("layers"),
        TOKENS,
        lambda t: {
            **moved(proj="proj")(t),
            **{f"{n}.weight": part for n, part in zip("qkv", np.split(t["qkv.weight"], 3), strict=True)},
            "q.bias": t["q_bias"],
            "v.bias": t["v_bias"],
        },
    ),
]
