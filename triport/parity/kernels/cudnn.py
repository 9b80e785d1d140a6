"""Recurrent layers on a GPU without cuDNN, whose LSTM is a hundred times further off than PyTorch's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WITHOUT_CUDNN = (
    "{} ran in PyTorch's own kernels: cuDNN's are up to about 1e-5 off, which no other implementation is"
)


def recurrent_layers(torch: Any, net: Any) -> list[Any]:
    """Return the layers that PyTorch gives to cuDNN as a whole."""
    return [module for module in net.modules() if isinstance(module, torch.nn.RNNBase)]


@contextmanager
def without_cudnn(torch: Any, layers: list[Any]) -> Iterator[None]:
    """Let these layers run in PyTorch's own kernels, and everything else as it does."""
    cudnn = torch.backends.cudnn
    before = cudnn.enabled

    def off(*_: Any) -> None:
        cudnn.enabled = False

    def on(*_: Any) -> None:
        cudnn.enabled = before

    handles = [one.register_forward_pre_hook(off) for one in layers]
    handles += [one.register_forward_hook(on) for one in layers]
    try:
        yield
    finally:
        cudnn.enabled = before
        for handle in handles:
            handle.remove()
