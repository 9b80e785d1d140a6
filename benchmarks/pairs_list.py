"""Derives which network is the counterpart of which: MindCV's in torchvision or timm, torchvision's in timm.

A counterpart has the same set of tensor shapes, axes of one aside ("shapes"), or else as many numbers in
all under a like name ("numbers"), or else only the name ("name": these two are expected to hold other
weights). Networks are built without initial values where their code allows it, PyTorch's on the meta
device.

    python benchmarks/pairs_list.py [--cache out/pairs_shapes.jsonl]

writes benchmarks/pairs_mindcv.txt and pairs_torch.txt; the cache holds what was built before.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.model_by_model import records_in
from benchmarks.pairs_networks import build, prepare
from benchmarks.pairs_peers import shapes_of

# how publishers spell the same name
SPELLINGS = (
    (r"^BiT_resnet(\d+)x3$", r"resnetv2_\1x3_bit"),
    (r"^BiT_resnet(\d+)$", r"resnetv2_\1x1_bit"),
    (r"^efficientnet_v2_", "efficientnetv2_"),
    (r"^mae_(\w)_(\d+)_(\d+)_finetune$", r"vit_\1_\2_\3"),
    (r"^mlp_mixer_(\w)_p(\d+)$", r"mixer_\1\2_224"),
    (r"^mobilenet_v(\d)_(small|large)_", r"mobilenetv\1_\2_"),
    (r"^mobilenet_v(\d)_(\d+)_\d+$", r"mobilenetv\1_\2"),
    (r"^nasnet_a_4x1056$", "nasnetalarge"),
    (r"^pnasnet$", "pnasnet5large"),
    (r"^rexnet_(\d)(\d)$", r"rexnet_\g<1>\g<2>0"),
    (r"^swin_tiny$", "swin_tiny_patch4_window7_224"),
    (r"^swinv2_(\w+)_window(\d+)$", r"swinv2_\1_window\2_256"),
    (r"^vit_b_", "vit_base_patch"),
    (r"^vit_l_", "vit_large_patch"),
    (r"^xception$", "legacy_xception"),
)
SIZES = {"xxsmall": "xxs", "xsmall": "xs"}
TOO_LARGE = "regnet_y_128gf"  # 644 million numbers, which this one cannot do without
LEAST_ALIKE = 0.75  # of the spelling, for networks that only hold as many numbers

# the file: whose networks, and where their counterparts are looked for
LISTS = {"mindcv": ("mindcv:", ("torchvision:", "timm:")), "torch": ("torchvision:", ("timm:",))}
HEAD = (
    "# Written by benchmarks/pairs_list.py: a network, its counterpart, what they have in common, and how\n"
    "# many millions of numbers it holds; the smallest first.\n"
)

Shapes = list[list[int]]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """One row of the list."""

    net: str
    by: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a network's tensors have to say of it: their shapes as a set, and how many numbers they hold."""

    signature: tuple
    numbers: int

    @classmethod
    def of(cls, shapes: Shapes) -> Known:
        """Return what these shapes say."""
        return cls(signature(shapes), sum(math.prod(one) for one in shapes))


def signature(shapes: Shapes) -> tuple:
    """Return the set of shapes without axes of one, each with how often it occurs."""
    return tuple(sorted(Counter(tuple(size for size in one if size != 1) for one in shapes).items()))


def spelled(name: str) -> str:
    """Return a name as most publishers would spell it, without what is not a letter or digit."""
    for pattern, other in SPELLINGS:
        name = re.sub(pattern, other, name)
    name = re.sub(r"[^a-z0-9]", "", name.lower())
    for long, short in SIZES.items():
        name = name.replace(long, short) if name.startswith("mobilevit") else name
    return name


def counterpart(name: str, known: Known, others: dict[str, Known]) -> Counterpart | None:
    """Return the network of another library that is most like one of MindCV's."""

    def alike(net: str) -> tuple[float, bool]:
        theirs = spelled(net.partition(":")[2])
        return difflib.SequenceMatcher(None, theirs, spelled(name)).ratio(), net.startswith("torchvision:")

    same = [net for net, theirs in others.items() if theirs.signature == known.signature]
    if same:
        return Counterpart(max(same, key=alike), "shapes")
    count = [net for net, theirs in others.items() if theirs.numbers == known.numbers]
    if count and alike(best := max(count, key=alike))[0] >= LEAST_ALIKE:
        return Counterpart(best, "numbers")
    named = [net for net in others if spelled(net.partition(":")[2]) == spelled(name)]
    return Counterpart(max(named, key=alike), "name") if named else None


def networks(cache: Path) -> Iterator[dict[str, Any]]:
    """Return each network's name and shapes, or why it does not build; what the cache holds comes first."""
    known = {record["net"]: record for record in records_in(cache)}
    yield from known.values()
    prepare()
    with cache.open("a") as lines:
        for net in _names():
            if net not in known:
                record = {"net": net, **_shapes(net)}
                lines.write(json.dumps(record) + "\n")
                lines.flush()
                yield record


def _names() -> list[str]:
    import mindcv
    import timm
    import torchvision

    every = torchvision.models.list_models(module=torchvision.models)
    return [
        *(f"mindcv:{name}" for name in mindcv.list_models()),
        *(f"torchvision:{name}" for name in every if name != TOO_LARGE),
        *(f"timm:{name}" for name in timm.list_models()),
    ]


def _shapes(net: str) -> dict[str, Any]:
    """Build a network without its initial values; some compute with these, and get them."""
    import torch
    from mindspore.nn.utils import no_init_parameters

    try:
        with torch.device("meta"), no_init_parameters():
            made = build(net)
    except Exception as error:  # whatever a network's own code raises
        if net.startswith("timm:"):  # the few that compute with their values are large
            return {"why": f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"}
        try:
            made = build(net)
        except Exception as error:
            return {"why": f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"}
    return {"shapes": [list(shape) for shape in shapes_of(made).values()]}


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path("out/pairs_shapes.jsonl"), metavar="FILE")
    options = parser.parse_args()
    options.cache.parent.mkdir(parents=True, exist_ok=True)
    records = [record for record in networks(options.cache) if "shapes" in record]
    built = {record["net"]: Known.of(record["shapes"]) for record in records}
    for section, (library, others) in LISTS.items():
        ours = {net: known for net, known in built.items() if net.startswith(library)}
        theirs = {net: known for net, known in built.items() if net.startswith(others)}
        text = "".join(f"{line}\n" for line in _lines(ours, theirs))
        Path(__file__).with_name(f"pairs_{section}.txt").write_text(HEAD + text)


def _lines(ours: dict[str, Known], theirs: dict[str, Known]) -> list[str]:
    rows = []
    for net, known in ours.items():
        found = counterpart(net.partition(":")[2], known, theirs)
        if found is not None:
            rows.append((known.numbers, net, found))
    return [
        f"{net} {found.net} {found.by} {count / 1e6:.1f}"
        for count, net, found in sorted(rows, key=lambda row: (row[0], row[1]))
    ]


if __name__ == "__main__":
    main()
