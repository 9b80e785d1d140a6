"""Pairs that keep the same numbers in another form: flattened, turned, in other gates, together or apart."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, both, moved
from .torch_nets import chain, conv, net, p

IMAGE = ("2x3x4x5",)


def flattened(axes, channels, height, width):
    def forward(self, x):
        return self.dense(torch.relu(self.conv(x)).permute(axes).flatten(1))

    return lambda: net(forward, conv=conv(3, channels), dense=nn.Linear(channels * height * width, 4))


def flattening(axes, channels, height, width):
    def turned(weight):
        found = weight.reshape(-1, channels, height, width).transpose(axes)
        return found.reshape(weight.shape)

    return lambda t: {**t, "dense.weight": turned(t["dense.weight"])}


def of_flattening(name, axes, channels, height, width):
    return Case(
        name,
        flattened((0, 1, 2, 3), channels, height, width),
        flattened(axes, channels, height, width),
        (f"2x3x{height}x{width}",),
        flattening(axes, channels, height, width),
    )


def normed_as_image(axes, sizes):
    """A LayerNorm of all axes of an image but the first, in this order of axes."""
    back = tuple(np.argsort(axes))
    shape = tuple(sizes[axis - 1] for axis in axes[1:])

    def forward(self, x):
        x = self.norm(self.conv(x).permute(axes)).permute(back)
        return self.last(torch.relu(x))

    return lambda: net(forward, last=conv(sizes[0], 2), norm=nn.LayerNorm(shape), conv=conv(3, sizes[0]))


def norm_turned(axes):
    order = tuple(axis - 1 for axis in axes[1:])
    return lambda t: {
        name: array.transpose(order) if name.startswith("norm") else array for name, array in t.items()
    }


def of_image_norm(name, axes, sizes):
    return Case(
        name,
        normed_as_image((0, 1, 2, 3), sizes),
        normed_as_image(axes, sizes),
        (f"2x3x{sizes[1]}x{sizes[2]}",),
        norm_turned(axes),
    )


def instances(self, x):
    return self.last(torch.relu(self.norm(self.conv(x))))


def instances_written_out(self, x):
    mean, variance = (one.reshape(1, -1, 1, 1) for one in (self.m, self.v))
    x = (self.conv(x) - mean) / torch.sqrt(variance + 1e-5)
    return self.last(torch.relu(x * self.g.reshape(1, -1, 1, 1) + self.o.reshape(1, -1, 1, 1)))


def with_instances():
    norm = nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
    return net(instances, conv=conv(3, 6), norm=norm, last=conv(6, 2))


def of_keras(self, x):
    """A GRU as Keras keeps it: kernels from the left, gates z r h, its two biases in one tensor."""
    state = x.new_zeros(len(x), 5)
    found = []
    for step in x.unbind(1):
        given = (step @ self.kernel + self.bias[0]).chunk(3, -1)
        again = (state @ self.recurrent + self.bias[1]).chunk(3, -1)
        update, reset = (torch.sigmoid(given[place] + again[place]) for place in (0, 1))
        new = torch.tanh(given[2] + reset * again[2])
        state = (1 - update) * new + update * state
        found.append(state)
    return self.head(torch.stack(found, 1))


def keras():
    return net(of_keras, head=nn.Linear(5, 2), bias=p(2, 15), recurrent=p(5, 15), kernel=p(3, 15))


def gru():
    return net(
        lambda self, x: self.head(self.rnn(x)[0]), rnn=nn.GRU(3, 5, batch_first=True), head=nn.Linear(5, 2)
    )


def as_keras(t):
    def zrh(array):
        reset, update, new = np.split(array, 3)
        return np.concatenate([update, reset, new])

    return {
        **moved(head="head")(t),
        "kernel": zrh(t["rnn.weight_ih_l0"]).T,
        "recurrent": zrh(t["rnn.weight_hh_l0"]).T,
        "bias": np.stack([zrh(t["rnn.bias_ih_l0"]), zrh(t["rnn.bias_hh_l0"])]),
    }


def normed(affine):
    return lambda: chain(
        one=conv(3, 4, bias=False), norm=nn.BatchNorm2d(4, affine=affine), act=nn.ReLU(), two=conv(4, 2)
    )


def positioned(kind):
    """Tokens behind one that is learned, and where each stands: kept together, or apart for that one."""

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), 1, 6), self.patch(x)], 1)
        if kind == "together":
            where = self.position
        elif kind == "apart":
            where = torch.cat([self.of_token, self.of_patches], 1)
        else:
            where = torch.cat([self.of_token.reshape(1, 1, 6), self.of_patches.weight[None]], 1)
        return self.head(torch.tanh(self.norm(x + where)))

    parts = {"patch": nn.Linear(5, 6), "norm": nn.LayerNorm(6), "head": nn.Linear(6, 3)}
    if kind == "together":
        parts |= {"token": p(1, 1, 6), "position": p(1, 8, 6)}
    elif kind == "apart":
        parts |= {"of_patches": p(1, 7, 6), "of_token": p(1, 1, 6), "token": p(1, 1, 6)}
    else:
        parts |= {"of_patches": nn.Embedding(7, 6), "of_token": p(6), "token": p(1, 1, 6)}
    return lambda: net(forward, **parts)


ALIKE = moved(patch="patch", norm="norm", head="head", token="token")
APART = both(ALIKE, lambda t: {"of_token": t["position"][:, :1], "of_patches": t["position"][:, 1:]})


def together(t):
    return {**ALIKE(t), "position": np.concatenate([t["of_token"], t["of_patches"]], 1)}


def words(tied):
    def forward(self, tokens):
        x = torch.tanh(self.mix(self.words(tokens)))
        return self.out(x)

    def build():
        made = net(forward, words=nn.Embedding(11, 6), mix=nn.Linear(6, 6), out=nn.Linear(6, 11, bias=False))
        if tied:
            made.out.weight = made.words.weight
        return made

    return build


def looked_up(size, width):
    return lambda: net(
        lambda self, tokens: self.head(torch.tanh(self.words(tokens))),
        words=nn.Embedding(size, width),
        head=nn.Linear(width, 3),
    )


def looked_up_in_columns(size, width):
    return lambda: net(
        lambda self, tokens: self.head(torch.tanh(self.table.T[tokens])),
        head=nn.Linear(width, 3),
        table=p(width, size),
    )


def of_lookup(size, width):
    return Case(
        f"an embedding of {size} by {width}, and its transpose",
        looked_up(size, width),
        looked_up_in_columns(size, width),
        ("2x5:int64:0..6",),
        lambda t: {**moved(head="head")(t), "table": t["words.weight"].T},
    )


def lines(kind):
    """Three layers of tokens: dense, convolutions of 1, or of 1x1."""

    def forward(self, x):
        for layer in (self.one, self.two, self.three):
            if kind == "dense":
                x = torch.tanh(layer(x))
            elif kind == "lines":
                x = torch.tanh(layer(x.transpose(1, 2))).transpose(1, 2)
            else:
                x = torch.tanh(layer(x.transpose(1, 2)[..., None]))[..., 0].transpose(1, 2)
        return x

    layer = {
        "dense": nn.Linear,
        "lines": lambda given, returned: nn.Conv1d(given, returned, 1),
        "images": lambda given, returned: nn.Conv2d(given, returned, 1),
    }[kind]
    return lambda: net(forward, **{name: layer(6, 6) for name in ("three", "one", "two")})


def of_lines(kind, other):
    ones = {"dense": (), "lines": (1,), "images": (1, 1)}
    return Case(
        f"layers of one element: {kind} and {other}",
        lines(kind),
        lines(other),
        ("2x5x6",),
        lambda t: {
            name: array.reshape(6, 6, *ones[other]) if name.endswith("weight") else array
            for name, array in t.items()
        },
    )


def depthwise(turned):
    """Each channel twice, the copies of a channel together or apart, and a norm of groups behind."""

    def forward(self, x):
        x = torch.tanh(self.deep(x))
        if turned:
            x = x.unflatten(1, (4, 2)).transpose(1, 2).flatten(1, 2)
        return self.last(torch.relu(self.norm(x)))

    return lambda: net(forward, deep=conv(4, 8, groups=4), norm=nn.GroupNorm(8, 8), last=conv(8, 3))


def dealt_channels(t):
    def deal(array, axis):
        sizes = (*array.shape[:axis], 4, 2, *array.shape[axis + 1 :])
        return np.swapaxes(array.reshape(sizes), axis, axis + 1).reshape(array.shape)

    return {
        **moved(deep="deep")(t),
        **{f"norm.{leaf}": deal(t[f"norm.{leaf}"], 0) for leaf in ("weight", "bias")},
        "last.weight": deal(t["last.weight"], 1),
        "last.bias": t["last.bias"],
    }


def grouped_norm(turned):
    """A norm of groups that are neighbours, or of every fourth channel."""

    def forward(self, x):
        x = self.conv(x)
        if turned:
            x = x.unflatten(1, (4, 2)).transpose(1, 2).flatten(1, 2)
        return self.last(torch.relu(self.norm(x)))

    return lambda: net(forward, conv=conv(3, 8), norm=nn.GroupNorm(2, 8), last=conv(8, 3))


def dealt_outputs(t):
    return {
        name: array.reshape(2, 4, *array.shape[1:]).swapaxes(0, 1).reshape(array.shape)
        if name.startswith("conv")
        else array
        for name, array in t.items()
    }


def multiplied_apart(self, x):
    q, k, v = (x @ one for one in (self.wq, self.wk, self.wv))
    return self.out(F.scaled_dot_product_attention(q, k, v))


def multiplied_packed(self, x):
    return self.out(F.scaled_dot_product_attention(*(x @ self.w).chunk(3, -1)))


def up(module, kernel):
    return lambda: chain(one=module, act=nn.ReLU(), two=nn.Conv2d(4, 4, kernel))


CASES = [
    of_flattening("flattened with width and height exchanged", (0, 1, 3, 2), 4, 2, 3),
    of_flattening("flattened with width and height exchanged, which are equal", (0, 1, 3, 2), 4, 3, 3),
    of_flattening("flattened with width before height before channels", (0, 3, 2, 1), 4, 2, 3),
    of_image_norm("a norm of whole images, channels first and last", (0, 2, 3, 1), (4, 3, 5)),
    of_image_norm("a norm of whole images, height and width exchanged", (0, 1, 3, 2), (4, 3, 5)),
    of_image_norm("a norm of whole images that are square, channels first and last", (0, 2, 3, 1), (4, 3, 3)),
    of_image_norm(
        "a norm of whole images that are square, height and width exchanged", (0, 1, 3, 2), (4, 3, 3)
    ),
    of_image_norm(
        "a norm of whole images, all sizes equal, channels first and last", (0, 2, 3, 1), (3, 3, 3)
    ),
    Case(
        "instance norm with running statistics, and written out",
        with_instances,
        lambda: net(instances_written_out, **{n: p(6) for n in "ogvm"}, last=conv(6, 2), conv=conv(3, 6)),
        IMAGE,
        lambda t: {
            **moved(conv="conv", last="last")(t),
            **dict(
                zip(
                    "gomv",
                    (t[f"norm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")),
                    strict=True,
                )
            ),
        },
    ),
    Case(
        "instance norm with running statistics, and a BatchNorm",
        with_instances,
        lambda: net(instances, conv=conv(3, 6), norm=nn.BatchNorm2d(6), last=conv(6, 2)),
        IMAGE,
        dict,
    ),
    Case("a GRU and one with both biases in one tensor, as Keras keeps it", gru, keras, ("2x4x3",), as_keras),
    Case(
        "a BatchNorm without factors and one with ones and zeros",
        normed(False),
        normed(True),
        IMAGE,
        lambda t: {**t, "norm.weight": np.ones(4, np.float32), "norm.bias": np.zeros(4, np.float32)},
    ),
    Case(
        "a BatchNorm with ones and zeros and one without factors",
        normed(True),
        normed(False),
        IMAGE,
        lambda t: {n: array for n, array in t.items() if n not in ("norm.weight", "norm.bias")},
        given=lambda t: {**t, "norm.weight": np.ones(4), "norm.bias": np.zeros(4)},
    ),
    Case(
        "places of a token and of patches together and apart",
        positioned("together"),
        positioned("apart"),
        ("2x7x5",),
        APART,
    ),
    Case(
        "places of a token and of patches apart and together",
        positioned("apart"),
        positioned("together"),
        ("2x7x5",),
        together,
        symmetric=frozenset({"token", "of_token"}),
    ),
    Case(
        "places of a token and of patches together, and apart in a vector and a table",
        positioned("together"),
        positioned("table"),
        ("2x7x5",),
        both(ALIKE, lambda t: {"of_token": t["position"][0, 0], "of_patches.weight": t["position"][0, 1:]}),
    ),
    Case(
        "weights tied on the second side alone",
        words(False),
        words(True),
        ("2x5:int64:0..11",),
        lambda t: {**t, "out.weight": t["words.weight"]},
        given=lambda t: {**t, "out.weight": t["words.weight"]},
    ),
    of_lookup(11, 6),
    of_lookup(6, 6),
    of_lines("dense", "lines"),
    of_lines("images", "dense"),
    of_lines("lines", "images"),
    Case(
        "channels of a depthwise convolution with a multiplier, together and dealt out",
        depthwise(False),
        depthwise(True),
        ("2x4x5x5",),
        dealt_channels,
    ),
    Case(
        "groups of channels that are neighbours and that are not",
        grouped_norm(False),
        grouped_norm(True),
        IMAGE,
        dealt_outputs,
    ),
    Case(
        "matrices that are multiplied from the right, apart and packed",
        lambda: net(multiplied_apart, out=nn.Linear(8, 8), wv=p(8, 8), wk=p(8, 8), wq=p(8, 8)),
        lambda: net(multiplied_packed, w=p(8, 24), out=nn.Linear(8, 8)),
        ("2x5x8",),
        lambda t: {**moved(out="out")(t), "w": np.concatenate([t["wq"], t["wk"], t["wv"]], 1)},
    ),
    Case(
        "a transposed convolution and a convolution of zeros between",
        up(nn.ConvTranspose2d(4, 4, 2, 2), 1),
        lambda: net(
            lambda self, x: self.two(torch.relu(F.conv_transpose2d(x, self.k.transpose(0, 1), self.b, 2))),
            two=conv(4, 4, 1),
            b=p(4),
            k=p(4, 4, 2, 2),
        ),
        ("2x4x3x3",),
        lambda t: {**moved(two="two")(t), "k": t["one.weight"].swapaxes(0, 1), "b": t["one.bias"]},
    ),
]
