"""The networks of the pairs: LIBRARY:NAME is built, and the smallest image is found that both of a pair take.

`own_torch` and `own_mindspore` are networks of the benchmark's own (benchmarks/pairs_own): tutorials, the
ModelZoo's and others that no package here holds in both frameworks. All others are the packages' own.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BATCH_SIZE = 2
SEED = 0
# smaller ones leave kernels without a pixel for some of their weights, which then cannot be proven
SMALLEST_PX = 64
SIZES_PX = (64, 96, 128, 160, 192, 224, 240, 256, 288, 299, 331, 384, 448, 512)
# names that begin so: kernels of 7 x 7 in the last stage, or convolutions that do not pad
LARGER = {
    "cmt": 160,
    "convnext": 224,
    "edgenext": 256,
    "googlenet": 128,
    "halonet": 256,
    "inception": 299,
    "nasnet": 224,
    "pnasnet": 331,
    "xception": 224,
}

Feed = dict[str, np.ndarray]


def prepare() -> None:
    """Set what the frameworks read when they load."""
    from triport.converters import environment

    os.environ.setdefault("GLOG_v", "4")
    environment.import_mindspore()
    _define_torchvision_operators()


def _define_torchvision_operators() -> None:
    """Let torchvision be imported without its compiled operators, which no network here computes with."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    _KEPT.append(library)  # its operators go with it


_KEPT: list[Any] = []


def build(net: str, configurations: Path | None = None) -> Any:
    """Build a network with its own initial values, for inference."""
    library, _, name = net.partition(":")
    made = _LIBRARIES[library](name, configurations)
    return made.set_train(False) if hasattr(made, "set_train") else made.eval()


def _mindcv(name: str, configurations: Path | None) -> Any:
    import mindcv

    return mindcv.create_model(name)


def _timm(name: str, configurations: Path | None) -> Any:
    import timm

    return timm.create_model(name, pretrained=False)


def _torchvision(name: str, configurations: Path | None) -> Any:
    import torchvision

    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if name.startswith(("fcn", "deeplab", "lraspp")):
        options = {"weights_backbone": None}
    return torchvision.models.get_model(name, weights=None, **options)


def _mindyolo(name: str, configurations: Path | None) -> Any:
    return _package_network("mindyolo", name).build(configurations)


def _mindocr(name: str, configurations: Path | None) -> Any:
    return _package_network("mindocr", name).build(configurations)


def _package_network(package: str, name: str) -> Any:
    from benchmarks.zoo_packages_networks import NETWORKS, allow_missing

    allow_missing()
    (found,) = (one for one in NETWORKS if (one.package, one.name) == (package, name))
    return found


def _transformers(name: str, configurations: Path | None) -> Any:
    return importlib.import_module("benchmarks.pairs_transformers").NETWORKS[name]()


def _own(framework: str) -> Callable[[str, Path | None], Any]:
    def make(name: str, configurations: Path | None) -> Any:
        file, _, factory = name.partition(".")
        return getattr(importlib.import_module(f"benchmarks.pairs_own.{file}_{framework}"), factory)()

    return make


_LIBRARIES: Mapping[str, Callable[[str, Path | None], Any]] = {
    "mindcv": _mindcv,
    "mindocr": _mindocr,
    "mindyolo": _mindyolo,
    "own_mindspore": _own("mindspore"),
    "own_torch": _own("torch"),
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}


def is_cell(net: Any) -> bool:
    """Return whether a network is MindSpore's."""
    return hasattr(net, "set_train")


def run(net: Any, feed: Feed, double: bool = False) -> list[np.ndarray]:
    """Return a network's outputs as arrays, flat; `double` runs a Module in float64."""
    import torch

    if is_cell(net):
        import mindspore

        return _arrays(net(*(mindspore.Tensor(value) for value in feed.values())))
    net = net.double() if double else net.float()
    tensors = [torch.from_numpy(value) for value in feed.values()]
    if double:
        tensors = [one.double() if one.is_floating_point() else one for one in tensors]
    with torch.no_grad():
        return _arrays(net(*tensors))


def _arrays(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        return [array for one in outputs for array in _arrays(one)]
    if outputs is None:
        return []
    return [outputs.asnumpy() if hasattr(outputs, "asnumpy") else outputs.detach().numpy()]


def image_spec(size_px: int) -> str:
    """Return what --input says of a batch of images."""
    return f"{BATCH_SIZE}x3x{size_px}x{size_px}"


def feed_of(specs: Sequence[str]) -> Feed:
    """Return seeded values for inputs as --input describes them."""
    from triport.converters.networks.input_specs import parse_input

    rng = np.random.default_rng(SEED)
    feed = {}
    for place, text in enumerate(specs):
        spec = parse_input(text)
        if spec.values is None:
            value = rng.standard_normal(spec.shape)
        else:
            value = rng.integers(spec.values.low, spec.values.high, spec.shape, endpoint=True)
        feed[f"input_{place}"] = value.astype(spec.dtype)
    return feed


def smallest_size_px(names: tuple[str, str], nets: tuple[Any, Any]) -> int:
    """Return the smallest image that both networks take; PyTorch's, which fails faster, comes first."""
    plain = [name.partition(":")[2] for name in names]
    wanted = max((px for part, px in LARGER.items() for name in plain if name.startswith(part)), default=0)
    why = ""
    for size_px in (px for px in SIZES_PX if px >= max(wanted, SMALLEST_PX)):
        try:
            for net in sorted(nets, key=is_cell):
                run(net, feed_of([image_spec(size_px)]))
        except Exception as error:  # whatever a network raises at a size that it does not take
            why = f"{size_px} px: {type(error).__name__}: {error}"
            continue
        return size_px
    raise ValueError(f"no image size that both networks take; {why}")
