"""How near are the preprocessing profiles to the libraries that they stand for, and to each other?

python benchmarks/preprocessing.py

Decodes, resizes (256) and cuts (224) the 45 photographs with MindSpore's operators and, where it is
installed, with OpenCV, and compares grey levels with the profile's; then the profiles with PIL's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from triport.parity.imagenet.preprocess import preprocess_file
from triport.reference_models.spec import Preprocess

PIXELS = Preprocess(256, 224, "bilinear", (0.0, 0.0, 0.0), (1 / 255,) * 3, "pil")
PHOTOS = sorted((ROOT / "examples" / "photos").glob("val/*/*.JPEG"))
INTERPOLATIONS = ("bilinear", "bicubic")


def mindspore_pixels(path: Path, interpolation: str) -> np.ndarray:
    """Return (224, 224, 3) uint8 of MindSpore's operators."""
    from mindspore.dataset import transforms, vision

    inter = {"bilinear": vision.Inter.LINEAR, "bicubic": vision.Inter.BICUBIC}[interpolation]
    steps = [vision.Decode(), vision.Resize(256, inter), vision.CenterCrop(224)]
    return np.asarray(transforms.Compose(steps)(np.fromfile(path, np.uint8)))


def opencv_pixels(path: Path, interpolation: str) -> np.ndarray:
    """Return (224, 224, 3) uint8 of OpenCV."""
    import cv2

    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    height, width = pixels.shape[:2]
    size = (int(256 * width / min(height, width)), int(256 * height / min(height, width)))
    resized = cv2.resize(pixels, size, interpolation=getattr(cv2, f"INTER_{_OPENCV[interpolation]}"))
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    return resized[top : top + 224, left : left + 224]


_OPENCV = {"bilinear": "LINEAR", "bicubic": "CUBIC"}


def profile_pixels(library: str) -> Callable[[Path, str], np.ndarray]:
    """Return a function like the others, of the profile of a library."""

    def pixels(path: Path, interpolation: str) -> np.ndarray:
        profile = replace(PIXELS, library=library, interpolation=interpolation)
        return np.rint(preprocess_file(path, profile)).astype(np.uint8).transpose(1, 2, 0)

    return pixels


def main() -> None:
    """Print the table."""
    pairs = [
        ("mindspore", "MindSpore's operators", mindspore_pixels),
        ("opencv", "OpenCV", opencv_pixels),
        ("mindspore", "the pil profile", profile_pixels("pil")),
    ]
    table = Table("profile", "against", "interpolation", "values that differ", "by more than one", "at most")
    for library, name, other in pairs:
        for interpolation in INTERPOLATIONS:
            try:
                differences = np.concatenate(
                    [_difference(path, interpolation, library, other) for path in PHOTOS]
                )
            except ImportError as error:
                table.add_row(library, name, interpolation, f"not run: {error}", "", "")
                continue
            table.add_row(
                library,
                name,
                interpolation,
                f"{np.mean(differences > 0):.4%}",
                f"{np.mean(differences > 1):.4%}",
                f"{differences.max()} of 255",
            )
    Console(width=120).print(table)


def _difference(
    path: Path, interpolation: str, library: str, other: Callable[[Path, str], np.ndarray]
) -> np.ndarray:
    own = profile_pixels(library)(path, interpolation).astype(int)
    return np.abs(own - other(path, interpolation)).ravel()


if __name__ == "__main__":
    main()
