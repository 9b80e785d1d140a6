"""The pairs of the benchmark, by section and in the order in which they run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

SECTIONS = {
    "mindcv": "MindCV against torchvision and timm",
    "torch": "PyTorch against PyTorch: torchvision and timm",
    "others": "Networks that are not image classifiers",
    "mindspore": "MindSpore's tutorial, ModelZoo, mindyolo and mindocr against PyTorch",
    "mended": "Mended: the difference removed on one side",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two networks, and what is known before they run.

    Attributes:
        section: a key of SECTIONS.
        a: the first network, as `pairs_networks.build` takes it.
        b: the second.
        by: what they were found to have in common: tensor shapes, how many numbers, or a name.
        millions: how many millions of numbers the first holds.
        inputs: as `--input` takes them; none: images, of the smallest size that both take.
        mend: the key of what `pairs_mends.py` does to one of them.
    """

    section: str
    a: str
    b: str
    by: str = "shapes"
    millions: float = 0.0
    inputs: tuple[str, ...] = ()
    mend: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this pair from all others."""
        return (self.section, self.a, self.b)


def _listed(section: str) -> Iterator[Pair]:
    for line in (FOLDER / f"pairs_{section}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            a, b, by, millions = line.split()
            yield Pair(section, a, b, by, float(millions))


TOKENS = "2x9:int64:0..97"

# the two keep the same weights in other layouts
OTHERS = (
    Pair("others", "own_torch:text.bert", "transformers:bert", inputs=(TOKENS,)),
    Pair("others", "own_torch:text.gpt", "transformers:gpt2", inputs=(TOKENS,)),
    Pair("others", "own_torch:text.encoder", "own_torch:text.encoder_apart", inputs=(TOKENS,)),
    Pair("others", "own_mindspore:text.bert", "transformers:bert", inputs=(TOKENS,)),
    Pair("others", "own_mindspore:text.tagger", "own_torch:text.tagger", inputs=(TOKENS,)),
    Pair("others", "own_mindspore:text.gru_tagger", "own_torch:text.gru_tagger", inputs=(TOKENS,)),
    Pair("others", "own_mindspore:dense.unet", "own_torch:dense.unet", inputs=("2x3x64x64",)),
    Pair("others", "own_mindspore:dense.fpn", "own_torch:dense.fpn", inputs=("2x3x64x64",)),
    Pair("others", "own_mindspore:dense.autoencoder", "own_torch:dense.autoencoder", inputs=("2x3x32x32",)),
    Pair("others", "own_mindspore:sound.tcn", "own_torch:sound.tcn", inputs=("2x1x60",)),
    Pair("others", "own_mindspore:sound.conformer", "own_torch:sound.conformer", inputs=("2x12x40",)),
)

MINDSPORE = (
    Pair("mindspore", "own_mindspore:resnets.tutorial_resnet50", "torchvision:resnet50"),
    Pair("mindspore", "own_mindspore:resnets.tutorial_resnet18", "torchvision:resnet18"),
    Pair("mindspore", "own_mindspore:resnets.modelzoo_resnet50", "torchvision:resnet50"),
    Pair("mindspore", "mindyolo:yolov5n", "own_torch:yolo.yolov5n", inputs=("2x3x64x64",)),
    Pair("mindspore", "mindyolo:yolov8n", "own_torch:yolo.yolov8n", inputs=("2x3x64x64",)),
    Pair("mindspore", "mindocr:crnn_vgg7", "own_torch:ocr.crnn_vgg7", inputs=("2x3x32x100",)),
    Pair("mindspore", "mindocr:dbnet_resnet18", "own_torch:ocr.dbnet_resnet18", inputs=("2x3x64x64",)),
)


FAMILY = re.compile(
    r"(mobilenet_v\d|efficientnet_v2|shufflenet_v\d|regnet_[xy]|res2net|[a-z]+)", re.IGNORECASE
)


def in_order_of_running() -> list[Pair]:
    """Return every pair, of each section the smallest of each family first; pairs by name alone come last."""
    seen: Counter[str] = Counter()
    ranked = []
    for pair in all_pairs():
        family = FAMILY.match(pair.a.partition(":")[2])
        key = f"{pair.section} {family.group() if family else pair.a}"
        place = (list(SECTIONS).index(pair.section), pair.by == "name", seen[key], pair.millions)
        ranked.append((place, pair))
        seen[key] += 1
    return [pair for _, pair in sorted(ranked, key=lambda one: one[0])]


def all_pairs() -> list[Pair]:
    """Return every pair, section after section, each from small to large."""
    from benchmarks.pairs_mends import MENDED

    mended = (Pair("mended", a, b, mend=mend) for a, b, mend in MENDED)
    return [*_listed("mindcv"), *_listed("torch"), *OTHERS, *MINDSPORE, *mended]
