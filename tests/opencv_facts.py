"""Records what OpenCV computes, as tests/data/opencv_resize.npz and tests/data/opencv_reading.npz.

    python tests/opencv_facts.py

The second has odd image files (tests/odd_images.py), their bytes, and the SHA-256 of the RGB pixels that
cv2.imread makes of each; nothing where it reads none.

Made with opencv-python-headless 4.11.0.86, which runs beside NumPy 1.26. OpenCV is no dependency:
the tests compare with what is recorded. Its x86 wheels hand bicubic resizing to Intel's IPP, which
rounds otherwise; "plain" is OpenCV's own code, as other builds and MindSpore have it.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parent
SIZES = [(75, 100, 51, 68), (100, 60, 85, 51), (64, 96, 32, 48), (64, 50, 32, 24), (57, 33, 100, 100)]
FLAGS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def main() -> None:
    """Write the file."""
    facts = {}
    for ipp in ("ipp", "plain"):
        cv2.ipp.setUseIPP(ipp == "ipp")
        for interpolation, flag in FLAGS.items():
            for height, width, new_height, new_width in SIZES:
                pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
                name = f"resize-{interpolation}-{ipp}-{height}-{width}-{new_height}-{new_width}"
                facts[name] = cv2.resize(pixels, (new_width, new_height), interpolation=flag)
    for path in sorted((ROOT.parent / "examples" / "photos").glob("val/*/*.JPEG"))[::9]:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        height, width = pixels.shape[:2]
        short = min(height, width)
        width, height = int(256 * width / short), int(256 * height / short)
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        left, top = (width - 224) // 2, (height - 224) // 2
        cut = np.ascontiguousarray(resized[top : top + 224, left : left + 224])
        facts[f"photo-{path.name}"] = np.frombuffer(hashlib.sha256(cut.tobytes()).digest(), np.uint8)
    np.savez_compressed(ROOT / "data" / "opencv_resize.npz", **facts)
    np.savez_compressed(ROOT / "data" / "opencv_reading.npz", **reading())


def reading() -> dict[str, np.ndarray]:
    """Return the bytes of odd image files, and the hash of what is read from each."""
    sys.path.insert(0, str(ROOT.parent))
    from tests.odd_images import MAKERS

    facts = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in MAKERS.items():
            path = Path(folder) / name
            path.write_bytes(make())
            facts[f"file-{name}"] = np.frombuffer(path.read_bytes(), np.uint8)
            pixels = cv2.imread(str(path))
            rgb = b"" if pixels is None else np.ascontiguousarray(pixels[:, :, ::-1]).tobytes()
            facts[f"read-{name}"] = np.frombuffer(hashlib.sha256(rgb).digest() if rgb else b"", np.uint8)
    return facts


if __name__ == "__main__":
    main()
