"""Modules of signals, vectors and rows of numbers, for `chain.py`; `INPUTS` has what each is given."""

# ruff: noqa: D101, D102, N812

import torch
import torch.nn.functional as F
from torch import nn


class TCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList([nn.Conv1d(4 if i == 0 else 8, 8, 3, dilation=2**i) for i in range(3)])
        self.bn = nn.BatchNorm1d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        for i, c in enumerate(self.c):
            x = F.relu(c(F.pad(x, (2 * 2**i, 0))))
        return self.fc(self.bn(x).mean(-1))


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.i = nn.Conv1d(1, 8, 1)
        self.f = nn.Conv1d(8, 16, 2, dilation=2, padding=2)
        self.o = nn.Conv1d(8, 1, 1)

    def forward(self, x):
        y = self.f(self.i(x))[..., : x.shape[-1]]
        a, b = y.chunk(2, 1)
        return self.o(torch.tanh(a) * torch.sigmoid(b))


class AE1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Conv1d(1, 8, 4, 2, 1)
        self.d = nn.ConvTranspose1d(8, 1, 4, 2, 1)

    def forward(self, x):
        return self.d(F.leaky_relu(self.e(x), 0.2))


class TopK(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(16, 32)

    def forward(self, x):
        v, i = self.f(x).topk(5, dim=-1)
        return (v.softmax(-1), i)


class Cum(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 8)

    def forward(self, x):
        y = torch.cumsum(self.f(x), 1)
        return torch.where(y > 0, y, torch.zeros_like(y)).clamp(max=3)


class MLPMix(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = nn.LayerNorm(8)
        self.a = nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Dropout(0.1), nn.Linear(24, 12))
        self.b = nn.Sequential(nn.Linear(8, 16), nn.Hardswish(), nn.Linear(16, 8))

    def forward(self, x):
        x = x + self.a(self.n(x).transpose(1, 2)).transpose(1, 2)
        return x + self.b(x)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Linear(16, 8)
        self.d = nn.Linear(4, 16)

    def forward(self, x):
        mu, lv = self.e(x).chunk(2, -1)
        return (
            self.d(mu),
            mu,
            torch.exp(0.5 * lv).clamp(0.001, 10),
            F.softplus(lv),
            F.normalize(mu, dim=-1),
            torch.logsumexp(lv, -1),
        )


class LinAttn(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k = (F.elu(q) + 1, F.elu(k) + 1)
        kv = torch.einsum("bnd,bne->bde", k, v)
        z = 1 / (torch.einsum("bnd,bd->bn", q, k.sum(1)) + 1e-06)
        return torch.einsum("bnd,bde,bn->bne", q, kv, z)


class Var(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 8)
        self.prelu = nn.PReLU(8)

    def forward(self, x):
        y = self.prelu(self.f(x).transpose(1, 2)).transpose(1, 2)
        return (
            (y - y.mean(1, keepdim=True)) / (y.std(1, keepdim=True) + 1e-05),
            y.var(-1, unbiased=False),
            y.norm(dim=-1),
            y.flip(1),
            y.argmax(-1),
            torch.cat([y.amin(1), y.amax(1)], -1),
        )


class Scatter(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 8)

    def forward(self, x, i):
        y = self.f(x)
        z = torch.zeros(x.shape[0], 5, 8).scatter_add(1, i.unsqueeze(-1).expand(-1, -1, 8), y)
        return (z, F.one_hot(i, 5).float() @ z)


class EmbBag(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(40, 8)
        self.f = nn.Linear(8, 3)

    def forward(self, ids):
        m = (ids != 0).unsqueeze(-1).float()
        x = (self.e(ids) * m).sum(1) / m.sum(1).clamp(min=1)
        return F.log_softmax(self.f(x), -1)


INPUTS = {
    "TCN": ("2x4x32",),
    "WaveNet": ("2x1x32",),
    "AE1d": ("2x1x32",),
    "TopK": ("2x16",),
    "Cum": ("2x6x8",),
    "MLPMix": ("2x12x8",),
    "VAE": ("2x16",),
    "LinAttn": ("2x10x16",),
    "Var": ("2x6x8",),
    "Scatter": ("2x6x8", "2x6:int64"),
    "EmbBag": ("2x10:int64",),
}
