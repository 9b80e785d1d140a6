"""Norms of channels that are not last."""

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
