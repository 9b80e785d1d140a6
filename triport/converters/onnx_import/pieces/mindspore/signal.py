"""Signals."""

import mindspore
from mindspore import Tensor, ops


def complex_from_parts(x: Tensor) -> Tensor:
    """Return numbers whose last axis holds real and imaginary parts, or real ones alone."""
    return ops.Complex()(x[..., 0], x[..., 1]) if x.shape[-1] == 2 else x[..., 0]


def dft(x: Tensor, length: int | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    """Transform along an axis; the last one holds real and imaginary parts, or real ones alone."""
    axis, is_real = axis % x.ndim, x.shape[-1] == 1
    values = complex_from_parts(x)
    if inverse and onesided:
        return ops.unsqueeze(ops.irfft(values, length, axis), -1)
    if inverse:
        found = ops.ifft(values, length, axis)
    elif onesided and is_real:
        found = ops.rfft(values, length, axis)
    else:
        found = ops.fft(values, length, axis)
        found = ops.narrow(found, axis, 0, found.shape[axis] // 2 + 1) if onesided else found
    return ops.view_as_real(found)


def stft(x: Tensor, step: int, window: Tensor | None, length: int | None, onesided: bool) -> Tensor:
    """Transform frames of a signal (batch, time, parts)."""
    if length is None:
        assert window is not None
        length = window.shape[0]
    starts = range(0, x.shape[1] - length + 1, step)
    places = mindspore.Tensor([list(range(start, start + length)) for start in starts])
    frames = ops.gather(x, places, 1)
    frames = frames if window is None else frames * window.reshape(1, 1, -1, 1)
    found = ops.fft(complex_from_parts(frames), None, -1)
    return ops.view_as_real(found[..., : length // 2 + 1] if onesided else found)
