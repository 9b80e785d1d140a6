"""Modules of images as people write them, for `chain.py`; `INPUTS` has what each is given."""

# ruff: noqa: B905, D101, D102, D103, N806, N812, RUF059

import torch
import torch.nn.functional as F
from torch import nn


class DCGAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(16, 32, 4, 1, 0, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(True),
            nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(True),
            nn.ConvTranspose2d(16, 3, 3, 2, 1, output_padding=1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z)


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(
            nn.Conv2d(i, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
            nn.Conv2d(o, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self, bil=True):
        super().__init__()
        self.inc = DoubleConv(3, 8)
        self.d1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
        self.d2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(16, 16))
        self.up = (
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            if bil
            else nn.ConvTranspose2d(16, 16, 2, 2)
        )
        self.u1 = DoubleConv(32, 8)
        self.u2 = DoubleConv(16, 8)
        self.up2 = (
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            if bil
            else nn.ConvTranspose2d(8, 8, 2, 2)
        )
        self.outc = nn.Conv2d(8, 2, 1)

    def cat(self, a, b):
        dy = b.size(2) - a.size(2)
        dx = b.size(3) - a.size(3)
        return torch.cat([b, F.pad(a, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])], 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.d1(a)
        c = self.d2(b)
        y = self.u1(self.cat(self.up(c), b))
        return self.outc(self.u2(self.cat(self.up2(y), a)))


def unet_t():
    return UNet(False)


class GNBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1 = nn.GroupNorm(4, 16)
        self.c1 = nn.Conv2d(16, 16, 3, padding=1)
        self.t = nn.Linear(8, 16)
        self.n2 = nn.GroupNorm(4, 16)
        self.c2 = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x, t):
        h = self.c1(F.silu(self.n1(x))) + self.t(F.silu(t))[:, :, None, None]
        return x + self.c2(F.silu(self.n2(h)))


class INStyle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
        self.n = nn.InstanceNorm2d(8, affine=True)
        self.n2 = nn.InstanceNorm2d(8)
        self.p = nn.ReflectionPad2d(1)
        self.o = nn.Conv2d(8, 3, 3)

    def forward(self, x):
        return self.o(
            self.p(
                F.relu(
                    self.n2(F.interpolate(F.relu(self.n(self.c(self.p(x)))), scale_factor=2, mode="nearest"))
                )
            )
        )


class ESPCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 12, 3, padding=1)
        self.ps = nn.PixelShuffle(2)
        self.un = nn.PixelUnshuffle(2)
        self.o = nn.Conv2d(12, 3, 1)

    def forward(self, x):
        return self.o(self.un(self.ps(self.c(x)))) + F.interpolate(x, scale_factor=1.0)


class Bicubic(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return F.interpolate(self.c(x), scale_factor=2, mode="bicubic", align_corners=False) + F.interpolate(
            x, size=(32, 32), mode="bilinear", align_corners=False
        )


class STN(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc = nn.Linear(3 * 16 * 16, 6)
        self.c = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        th = self.loc(x.flatten(1)).view(-1, 2, 3) * 0.01 + torch.eye(2, 3)
        g = F.affine_grid(th, list(x.shape), align_corners=False)
        return self.c(F.grid_sample(x, g, align_corners=False))


class Warp(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x, grid):
        return F.grid_sample(self.c(x), grid, mode="bilinear", padding_mode="border", align_corners=True)


class SE(nn.Module):
    def __init__(self):
        super().__init__()
        self.f1 = nn.Conv2d(8, 2, 1)
        self.f2 = nn.Conv2d(2, 8, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.f2(F.relu(self.f1(x.mean((2, 3), keepdim=True)))))


class CBAM(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(8, 2), nn.ReLU(), nn.Linear(2, 8))
        self.c = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x):
        a = self.mlp(F.adaptive_avg_pool2d(x, 1).flatten(1)) + self.mlp(
            F.adaptive_max_pool2d(x, 1).flatten(1)
        )
        x = x * torch.sigmoid(a)[:, :, None, None]
        m = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return x * torch.sigmoid(self.c(m))


class PPM(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList([nn.Conv2d(8, 2, 1) for _ in range(3)])

    def forward(self, x):
        o = [x]
        for n, c in zip((1, 2, 4), self.c):
            o.append(
                F.interpolate(
                    c(F.adaptive_avg_pool2d(x, n)), size=x.shape[2:], mode="bilinear", align_corners=False
                )
            )
        return torch.cat(o, 1)


class Unfold(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Linear(27, 16)

    def forward(self, x):
        return self.p(F.unfold(x, 3, padding=1, stride=2).transpose(1, 2))


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(8, 8, 3, padding=1, groups=2)

    def forward(self, x):
        B, C, H, W = x.shape
        a, b = x.chunk(2, 1)
        y = torch.cat([self.c(x), a], 1)
        y = y.view(B, 2, 6, H, W).transpose(1, 2).reshape(B, 12, H, W)
        return torch.split(y, [4, 8], 1)


class Yolo(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 18, 3, 2, 1)
        self.register_buffer(
            "anchors", torch.tensor([[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]).view(1, 3, 1, 1, 2)
        )

    def forward(self, x):
        y = self.c(x)
        B, _, H, W = y.shape
        y = y.view(B, 3, 6, H, W).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        gy, gx = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
        g = torch.stack((gx, gy), 2).view(1, 1, H, W, 2).float()
        xy = (y[..., :2] * 2 - 0.5 + g) * 8
        wh = (y[..., 2:4] * 2) ** 2 * self.anchors
        return torch.cat((xy, wh, y[..., 4:]), -1).view(B, -1, 6)


class FCOS(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, 2, 1)
        self.cls = nn.Conv2d(8, 4, 3, padding=1)
        self.box = nn.Conv2d(8, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        f = F.relu(self.c(x))
        c = self.cls(f).flatten(2).permute(0, 2, 1).sigmoid()
        b = F.relu(self.box(f) * self.scale).flatten(2).permute(0, 2, 1)
        sc, i = c.max(-1)
        t, k = sc.topk(10, 1)
        return (torch.gather(b, 1, k.unsqueeze(-1).expand(-1, -1, 4)), t, torch.gather(i, 1, k))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 8, 8)
        self.cls = nn.Parameter(torch.randn(1, 1, 32))
        self.pos = nn.Parameter(torch.randn(1, 5, 32))
        self.enc = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True, activation="gelu"),
            2,
            enable_nested_tensor=False,
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.enc(x)[:, 0])


class Swin(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.p = nn.Linear(16, 16)
        self.bias = nn.Parameter(torch.randn(49, 2))
        c = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        r = (c[:, :, None] - c[:, None, :]).permute(1, 2, 0) + 3
        self.register_buffer("idx", r[..., 0] * 7 + r[..., 1])

    def forward(self, x):
        B, H, W, C = x.shape
        x = torch.roll(x, (-2, -2), (1, 2))
        w = x.view(B, H // 4, 4, W // 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, C)
        q, k, v = self.qkv(w).reshape(-1, 16, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        a = q * 8 ** (-0.5) @ k.transpose(-2, -1) + self.bias[self.idx.view(-1)].view(16, 16, 2).permute(
            2, 0, 1
        )
        o = (
            self.p((a.softmax(-1) @ v).transpose(1, 2).reshape(-1, 16, C))
            .view(B, H // 4, W // 4, 4, 4, C)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(B, H, W, C)
        )
        return torch.roll(o, (2, 2), (1, 2))


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.dw = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.n = nn.LayerNorm(8, eps=1e-06)
        self.p1 = nn.Linear(8, 32)
        self.p2 = nn.Linear(32, 8)
        self.gamma = nn.Parameter(0.1 * torch.ones(8))

    def forward(self, x):
        return x + (self.gamma * self.p2(F.gelu(self.p1(self.n(self.dw(x).permute(0, 2, 3, 1)))))).permute(
            0, 3, 1, 2
        )


class Conv3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv3d(1, 4, 3, padding=1)
        self.b = nn.BatchNorm3d(4)
        self.f = nn.Linear(4, 2)

    def forward(self, x):
        return self.f(F.adaptive_avg_pool3d(F.max_pool3d(F.elu(self.b(self.c(x))), 2), 1).flatten(1))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 7 * 7, 8)
        )

    def forward(self, a, b):
        a, b = (self.f(a), self.f(b))
        return (F.cosine_similarity(a, b), F.pairwise_distance(a, b), (a - b).abs().sum(-1))


INPUTS = {
    "DCGAN": ("2x16x1x1",),
    "UNet": ("2x3x32x32",),
    "unet_t": ("2x3x32x32",),
    "GNBlock": ("2x16x8x8", "2x8"),
    "INStyle": ("2x3x16x16",),
    "ESPCN": ("2x3x16x16",),
    "Bicubic": ("2x3x16x16",),
    "STN": ("2x3x16x16",),
    "Warp": ("2x3x16x16", "2x8x8x2"),
    "SE": ("2x8x8x8",),
    "CBAM": ("2x8x8x8",),
    "PPM": ("2x8x16x16",),
    "Unfold": ("2x3x16x16",),
    "Shuffle": ("2x8x8x8",),
    "Yolo": ("2x3x32x32",),
    "FCOS": ("2x3x32x32",),
    "ViT": ("2x3x16x16",),
    "Swin": ("2x8x8x16",),
    "ConvNeXt": ("2x8x16x16",),
    "Conv3d": ("2x1x8x8x8",),
    "Siamese": ("2x1x16x16", "2x1x16x16"),
}
