"""Modules of sequences as people write them, for `chain.py`; `INPUTS` has the shapes that each is given."""

# ruff: noqa: D101, D102, D103, E741, N806, N812, RUF059

import math

import torch
import torch.nn.functional as F
from torch import nn


def tel():
    return nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)


def tel_seq_first():
    return nn.TransformerEncoderLayer(32, 4, 64)


def tel_gelu_norm_first():
    return nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True)


def te():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 3)


class CausalTE(nn.Module):
    def __init__(self):
        super().__init__()
        self.te = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)

    def forward(self, x):
        m = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.te(x, mask=m, is_causal=True)


class PadTE(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(50, 32, padding_idx=0)
        self.te = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2, enable_nested_tensor=False
        )

    def forward(self, ids):
        return self.te(self.emb(ids), src_key_padding_mask=ids == 0)


class MHA(nn.Module):
    def __init__(self, bf=True):
        super().__init__()
        self.mha = nn.MultiheadAttention(32, 4, batch_first=bf)

    def forward(self, x):
        return self.mha(x, x, x)[0]


def mha():
    return MHA()


def mha_seq_first():
    return MHA(False)


class MHAW(nn.Module):
    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(32, 4, batch_first=True, kdim=16, vdim=16)

    def forward(self, q, kv):
        y, w = self.mha(q, kv, kv, need_weights=True)
        return (y, w)


class TDL(nn.Module):
    def __init__(self, bf=True):
        super().__init__()
        self.d = nn.TransformerDecoderLayer(32, 4, 64, batch_first=bf)

    def forward(self, tgt, memory):
        m = torch.triu(torch.full((tgt.shape[1], tgt.shape[1]), float("-inf")), 1)
        return self.d(tgt, memory, tgt_mask=m)


class TD(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, 64), 2)

    def forward(self, tgt, memory):
        return self.d(tgt, memory)


class Full(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Transformer(32, 4, 2, 2, 64, batch_first=True)

    def forward(self, a, b):
        return self.t(a, b)


class BertSelf(nn.Module):
    def __init__(self, d=32, h=4):
        super().__init__()
        self.h = h
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d)
        self.value = nn.Linear(d, d)
        self.dense = nn.Linear(d, d)
        self.LayerNorm = nn.LayerNorm(d, eps=1e-12)
        self.inter = nn.Linear(d, 4 * d)
        self.out = nn.Linear(4 * d, d)
        self.norm2 = nn.LayerNorm(d, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.h, -1).permute(0, 2, 1, 3)

    def forward(self, x, mask):
        q, k, v = (self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x)))
        a = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        a = self.dropout(a.softmax(-1))
        c = (a @ v).permute(0, 2, 1, 3).contiguous()
        c = c.view(c.shape[0], c.shape[1], -1)
        x = self.LayerNorm(self.dense(c) + x)
        return self.norm2(self.out(F.gelu(self.inter(x))) + x)


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.word = nn.Embedding(100, 32, padding_idx=0)
        self.pos = nn.Embedding(64, 32)
        self.tok = nn.Embedding(2, 32)
        self.norm = nn.LayerNorm(32, eps=1e-12)
        self.layers = nn.ModuleList([BertSelf() for _ in range(2)])
        self.pooler = nn.Linear(32, 32)
        self.cls = nn.Linear(32, 3)

    def forward(self, input_ids, attention_mask, token_type_ids):
        pos = torch.arange(input_ids.size(1), device=input_ids.device).unsqueeze(0)
        x = self.norm(self.word(input_ids) + self.pos(pos) + self.tok(token_type_ids))
        m = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for l in self.layers:
            x = l(x, m)
        return self.cls(torch.tanh(self.pooler(x[:, 0])))


class GPTBlock(nn.Module):
    def __init__(self, d=32, h=4, n=64):
        super().__init__()
        self.ln_1 = nn.LayerNorm(d)
        self.ln_2 = nn.LayerNorm(d)
        self.c_attn = nn.Linear(d, 3 * d)
        self.c_proj = nn.Linear(d, d)
        self.fc = nn.Linear(d, 4 * d)
        self.proj = nn.Linear(4 * d, d)
        self.h = h
        self.register_buffer("bias", torch.tril(torch.ones(n, n)).view(1, 1, n, n))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(self.ln_1(x)).split(C, dim=2)
        q, k, v = (t.view(B, T, self.h, C // self.h).transpose(1, 2) for t in (q, k, v))
        a = q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.size(-1)))
        a = a.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = (F.softmax(a, -1) @ v).transpose(1, 2).contiguous().view(B, T, C)
        x = x + self.c_proj(y)
        return x + self.proj(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(100, 32)
        self.wpe = nn.Embedding(64, 32)
        self.h = nn.ModuleList([GPTBlock() for _ in range(3)])
        self.ln_f = nn.LayerNorm(32)
        self.lm_head = nn.Linear(32, 100, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, idx):
        pos = torch.arange(idx.shape[1])
        x = self.wte(idx) + self.wpe(pos)
        for b in self.h:
            x = b(x)
        return self.lm_head(self.ln_f(x))


class SDPA(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.o = nn.Linear(32, 32)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).reshape(B, T, 3, 4, 8).permute(2, 0, 3, 1, 4)
        return self.o(
            F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
        )


class RMS(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-06) * self.weight


class Llama(nn.Module):
    def __init__(self, d=32, h=4):
        super().__init__()
        self.h = h
        self.e = nn.Embedding(100, d)
        self.n1 = RMS(d)
        self.n2 = RMS(d)
        self.q = nn.Linear(d, d, bias=False)
        self.k = nn.Linear(d, d // 2, bias=False)
        self.v = nn.Linear(d, d // 2, bias=False)
        self.o = nn.Linear(d, d, bias=False)
        self.g = nn.Linear(d, 2 * d, bias=False)
        self.u = nn.Linear(d, 2 * d, bias=False)
        self.dn = nn.Linear(2 * d, d, bias=False)
        self.register_buffer("inv", 1.0 / 10000 ** (torch.arange(0, 8, 2) / 8.0))

    def rot(self, x, c, n):
        a, b = x.chunk(2, -1)
        return x * c + torch.cat((-b, a), -1) * n

    def forward(self, ids):
        x = self.e(ids)
        B, T, C = x.shape
        f = torch.outer(torch.arange(T).float(), self.inv)
        f = torch.cat((f, f), -1)
        c, n = (f.cos(), f.sin())
        y = self.n1(x)
        q = self.q(y).view(B, T, 4, 8).transpose(1, 2)
        k = self.k(y).view(B, T, 2, 8).transpose(1, 2)
        v = self.v(y).view(B, T, 2, 8).transpose(1, 2)
        q, k = (self.rot(q, c, n), self.rot(k, c, n))
        k, v = (k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
        x = x + self.o(
            F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
        )
        y = self.n2(x)
        return x + self.dn(F.silu(self.g(y)) * self.u(y))


class T5Rel(nn.Module):
    def __init__(self, d=32, h=4):
        super().__init__()
        self.h = h
        self.e = nn.Embedding(100, d)
        self.rel = nn.Embedding(32, h)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.o = nn.Linear(d, d, bias=False)
        self.n = RMS(d)

    def bucket(self, r):
        n = 16
        ret = (r > 0).long() * n
        r = r.abs()
        me = n // 2
        large = me + (torch.log(r.float() / me + 1e-06) / math.log(128 / me) * (n - me)).long()
        large = torch.min(large, torch.full_like(large, n - 1))
        return ret + torch.where(r < me, r, large)

    def forward(self, ids):
        x = self.e(ids)
        B, T, C = x.shape
        p = torch.arange(T)
        b = self.rel(self.bucket(p[None, :] - p[:, None])).permute(2, 0, 1).unsqueeze(0)
        q, k, v = self.qkv(self.n(x)).view(B, T, 3, self.h, -1).unbind(2)
        a = torch.einsum("bihd,bjhd->bhij", q, k) + b
        y = torch.einsum("bhij,bjhd->bihd", a.softmax(-1), v).reshape(B, T, C)
        return x + self.o(y)


class LSTMTag(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(60, 16)
        self.lstm = nn.LSTM(16, 24, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(48, 7)

    def forward(self, ids):
        y, _ = self.lstm(self.e(ids))
        return self.fc(y)


class LSTMLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        _, (h, c) = self.lstm(x)
        return self.fc(h[-1])


class GRUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 16, 2, batch_first=True)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(self.gru(x)[0][:, -1])


class GRUState(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 16)

    def forward(self, x, h):
        return self.gru(x, h)


class Seq2Attn(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 16, batch_first=True, bidirectional=True)
        self.a = nn.Linear(32, 1)
        self.fc = nn.Linear(32, 2)

    def forward(self, x):
        y, _ = self.gru(x)
        w = torch.softmax(self.a(torch.tanh(y)).squeeze(-1), 1)
        return self.fc(torch.bmm(w.unsqueeze(1), y).squeeze(1))


INPUTS = {
    "tel": ("2x10x32",),
    "tel_seq_first": ("10x2x32",),
    "tel_gelu_norm_first": ("2x10x32",),
    "te": ("2x10x32",),
    "CausalTE": ("2x10x32",),
    "PadTE": ("2x10:int64",),
    "mha": ("2x10x32",),
    "mha_seq_first": ("10x2x32",),
    "MHAW": ("2x10x32", "2x7x16"),
    "TDL": ("2x6x32", "2x9x32"),
    "TD": ("6x2x32", "9x2x32"),
    "Full": ("2x6x32", "2x5x32"),
    "Bert": ("2x10:int64", "2x10:int64", "2x10:int64"),
    "GPT": ("2x12:int64",),
    "SDPA": ("2x10x32",),
    "Llama": ("2x10:int64",),
    "T5Rel": ("2x10:int64",),
    "LSTMTag": ("2x9:int64",),
    "LSTMLast": ("2x9x8",),
    "GRUNet": ("2x9x8",),
    "GRUState": ("9x2x8", "1x2x16"),
    "Seq2Attn": ("2x9x8",),
}
