"""The Cells of kernel_alarms.py: ordinary small networks, each around a kernel of MindSpore's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VECTOR, ROWS, IMAGE, STEPS = (3, 12), (37, 12), (2, 3, 9, 7), (2, 11, 8)


@dataclass(frozen=True, slots=True)
class SmallCell:
    """A Cell by its source: `layers` are what `self.l` is, `body` computes `h` of `x`."""

    name: str
    layers: str
    body: str
    shape: tuple[int, ...] = VECTOR

    def source(self) -> str:
        """Return the source of a file with the class Small."""
        return (
            "from mindspore import nn, ops\n\n\nclass Small(nn.Cell):\n    def __init__(self):\n"
            f"        super().__init__()\n        self.l = nn.CellList([{self.layers}])\n\n"
            f"    def construct(self, x):\n        l = self.l\n        {self.body}\n        return h\n"
        )


LAYERS = (
    *("Sigmoid", "Tanh", "GELU", "SiLU", "Mish", "HSwish", "ELU", "SeLU", "CELU", "Softmax", "LogSoftmax"),
    *("LogSigmoid", "Softsign", "FastGelu"),
)
FUNCTIONS = {
    "exp": "ops.exp(-ops.abs(h))",
    "exp of both signs": "ops.exp(h)",
    "softplus": "ops.softplus(h)",
    "erf": "ops.erf(h)",
    "log": "ops.log(1 + h * h)",
    "log1p": "ops.log1p(h * h)",
    "pow": "ops.pow(ops.abs(h) + 0.1, 2.5)",
    "rsqrt": "ops.rsqrt(h * h + 0.1)",
    "atan2": "ops.atan2(h, h + 0.3)",
    "cumsum": "ops.cumsum(h, 1)",
    "glu": "ops.glu(ops.concat((h, h * 0.5), -1))",
    "logsumexp": "h - ops.logsumexp(h, -1, True)",
    "norm": "h / ops.norm(h, dim=-1, keepdim=True)",
    "expm1": "ops.expm1(h)",
    "sin": "ops.sin(3 * h)",
    "L2 normalisation": "ops.L2Normalize(axis=1)(h)",
    "softmin": "ops.softmin(h)",
    "logaddexp": "ops.logaddexp(h, h * 0.5)",
    "tanhshrink": "ops.tanhshrink(h)",
}
DEEP = ("Sigmoid", "SiLU", "Mish", "ELU", "Softmax")
MIXED = ("GELU", "Tanh", "Sigmoid", "ELU", "LogSoftmax", "Mish", "SiLU", "CELU", "SeLU")


def _cells() -> Iterator[SmallCell]:
    for name in LAYERS:
        yield SmallCell(name, f"nn.Dense(12, 16), nn.{name}(), nn.Dense(16, 5)", "h = l[2](l[1](l[0](x)))")
        yield SmallCell(f"{name}, last", f"nn.Dense(12, 16), nn.{name}()", "h = l[1](l[0](x))", ROWS)
    for name, function in FUNCTIONS.items():
        body = f"h = l[0](x); h = l[1]({function})"
        yield SmallCell(name, "nn.Dense(12, 16), nn.Dense(16, 5)", body)
    for names in (*((name,) * 5 for name in DEEP), MIXED):
        layers = ", ".join(f"nn.Dense(16, 16), nn.{name}()" for name in names)
        body = "h = x" + "".join(f"; h = l[{index}](h)" for index in range(2 * len(names)))
        yield SmallCell(f"deep, {names[0] if len(set(names)) == 1 else 'mixed'}", layers, body, (5, 16))
    yield SmallCell("log-softmax of three", "nn.Dense(12, 3), nn.LogSoftmax()", "h = l[1](l[0](x))", ROWS)
    yield SmallCell("softmax of axis 1", "nn.Dense(12, 16)", "h = ops.softmax(l[0](x), 1)", (3, 37, 12))
    yield SmallCell(
        "attention",
        "nn.Dense(16, 48), nn.Dense(16, 6)",
        "q, k, v = ops.split(l[0](x), 16, -1); "
        "p = ops.softmax(ops.matmul(q, k.swapaxes(-1, -2)) * 0.25, -1); h = l[1](ops.matmul(p, v))",
        (2, 9, 16),
    )
    norm = "nn.Dense(64, 512), nn.LayerNorm((512,)), nn.Dense(512, 5)"
    yield SmallCell("layer norm of a large mean", norm, "h = l[2](l[1](l[0](x) + 100))", (3, 64))
    for name, function in (
        ("long sum", "h.sum(-1, keepdims=True) + h * 0.01"),
        ("long cumsum", "ops.cumsum(h, 1)"),
        ("long softmax", "ops.softmax(h, -1)"),
    ):
        body = f"h = l[0](x); h = l[1]({function})"
        yield SmallCell(name, "nn.Dense(64, 1024), nn.Dense(1024, 5)", body, (3, 64))
    for kind in ("LSTM", "GRU", "RNN"):
        layers = f"nn.{kind}(8, 12, 2, batch_first=True), nn.Dense(12, 4)"
        yield SmallCell(kind, layers, "h = l[1](l[0](x)[0])", STEPS)
        layers = f"nn.{kind}(8, 12, batch_first=True, bidirectional=True), nn.Dense(24, 4)"
        yield SmallCell(f"{kind}, both ways", layers, "h = l[1](l[0](x)[0])", STEPS)
    for mode, corners in (("bilinear", True), ("bilinear", False), ("bicubic", False), ("bicubic", True)):
        body = f"h = ops.interpolate(l[0](x), size=(17, 13), mode='{mode}', align_corners={corners})"
        yield SmallCell(f"{mode}{', corners' * corners}", "nn.Conv2d(3, 4, 3)", body, IMAGE)
    yield SmallCell(
        "grid sample",
        "nn.Conv2d(3, 4, 3, pad_mode='same'), nn.Conv2d(3, 2, 3, pad_mode='same')",
        "h = ops.grid_sample(l[0](x), ops.tanh(l[1](x)).transpose(0, 2, 3, 1), align_corners=True)",
        IMAGE,
    )
    group = "nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 4, 3)"
    yield SmallCell("group norm", group, "h = l[3](l[2](l[1](l[0](x))))", (2, 3, 12, 11))
    squeezed = "nn.Conv2d(3, 8, 3, pad_mode='same'), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 3)"
    body = "h = l[0](x); h = l[2](h * ops.sigmoid(l[1](h.mean((2, 3), True))))"
    yield SmallCell("squeeze and excitation", squeezed, body, (2, 3, 12, 11))


CELLS = tuple(_cells())
