"""Norms of channels that are not last, or that a layer of MindSpore's cannot be."""

from mindspore import Tensor, nn, ops


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of images (N, C, H, W)."""

    def construct(self, x: Tensor) -> Tensor:
        """Return images with their channels normalised."""
        return ops.transpose(super().construct(ops.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))


def layer_norm_2d(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Return images (N, C, H, W) with their channels normalised."""
    centred = x - ops.mean(x, (1,), True)
    scale = 1.0 / ops.sqrt(ops.mean(ops.square(centred), (1,), True) + eps)
    return centred * scale * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None, axes: tuple[int, ...], eps: float) -> Tensor:
    """Return x normalised over these axes, times the weight, plus the bias."""
    centred = x - ops.mean(x, axes, True)
    scale = 1.0 / ops.sqrt(ops.mean(ops.square(centred), axes, True) + eps)
    normal = centred * scale * weight
    return normal if bias is None else normal + bias
