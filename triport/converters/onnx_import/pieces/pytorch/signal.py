"""Signals."""

import math

import torch
from torch import Tensor


def dft(x: Tensor, length: int | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    """Transform along an axis; the last one holds real and imaginary parts, or real ones alone."""
    axis = axis % x.dim()
    values = torch.view_as_complex(x.contiguous()) if x.shape[-1] == 2 else x[..., 0]
    if inverse and onesided:
        return torch.fft.irfft(values, length, axis).unsqueeze(-1)
    if inverse:
        found = torch.fft.ifft(values, length, axis)
    elif onesided and not values.is_complex():
        found = torch.fft.rfft(values, length, axis)
    else:
        found = torch.fft.fft(values, length, axis)
        found = found.narrow(axis, 0, found.shape[axis] // 2 + 1) if onesided else found
    return torch.view_as_real(found.resolve_conj())


def stft(x: Tensor, step: int, window: Tensor | None, length: int | None, onesided: bool) -> Tensor:
    """Transform frames of a signal (batch, time, parts)."""
    if length is None:
        assert window is not None
        length = window.shape[0]
    values = torch.view_as_complex(x.contiguous()) if x.shape[-1] == 2 else x.reshape(x.shape[0], -1)
    frames = values.unfold(1, length, step)
    frames = frames if window is None else frames * window
    found = torch.fft.fft(frames, dim=-1)
    return torch.view_as_real(found[..., : length // 2 + 1] if onesided else found)


def mel_weights(bands: int, length: int, rate: int, low: float, high: float) -> Tensor:
    """Return the weight of each mel band in each bin of a spectrum."""
    bins = length // 2 + 1
    edges = [2595 * math.log10(1 + f / 700) for f in (low, high)]
    step = (edges[1] - edges[0]) / (bands + 2)
    hertz = [700 * (10 ** ((edges[0] + i * step) / 2595) - 1) for i in range(bands + 2)]
    places = [int((length + 1) * f // rate) for f in hertz]
    weights = torch.zeros(bins, bands)
    for band in range(bands):
        lower, centre, upper = places[band : band + 3]
        if centre == lower:
            weights[centre, band] = 1
        for i in range(lower, centre + 1 if centre > lower else lower):
            weights[i, band] = (i - lower) / (centre - lower)
        for i in range(centre, upper if upper > centre else centre):
            weights[i, band] = (upper - i) / (upper - centre)
    return weights
