"""Boxes."""

import mindspore
import numpy as np
from mindspore import Tensor


def non_max_suppression(
    boxes: Tensor, scores: Tensor, most: int, overlap: float, threshold: float | None, centres: bool
) -> Tensor:
    """Return (image, class, box) of the best boxes that overlap no better one by more than `overlap`.

    How many these are is known only once they are found, so that NumPy finds them; nothing is trained by it.
    """
    corners, values = boxes.asnumpy(), scores.asnumpy()
    if centres:
        middle, half = corners[..., :2], corners[..., 2:] / 2
        corners = np.concatenate((middle - half, middle + half), axis=-1)
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    area = np.prod(high - low, axis=-1)
    found = []
    for image in range(values.shape[0]):
        for kind in range(values.shape[1]):
            kept: list[int] = []
            for box in np.argsort(-values[image, kind], kind="stable").tolist():
                if len(kept) >= most or (threshold is not None and values[image, kind, box] <= threshold):
                    break
                sides = np.minimum(high[image, box], high[image, kept]) - np.maximum(
                    low[image, box], low[image, kept]
                )
                shared = np.prod(np.maximum(sides, 0), axis=-1)
                union = area[image, box] + area[image, kept] - shared
                if not np.any((shared > 0) & (shared > overlap * union)):
                    kept.append(box)
            found += [(image, kind, box) for box in kept]
    return Tensor(np.array(found, np.int64).reshape(-1, 3), dtype=mindspore.int64)
