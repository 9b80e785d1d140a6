"""Makes the oracles where the publishers' libraries are installed: MindCV, torchvision, timm.

python tests/make_oracles.py [--check] [ORACLE ...]

An oracle is what a publisher's own implementation computes with the weights and the input of
`oracle_weights.py`; `<publisher>-<name>` is `name` in the publisher's library. A new one is a row in
`oracle_weights.MODELS`. With --check nothing is written: what is computed is compared with the stored file,
names and shapes exactly and logits by their largest difference, and the exit code is 1 where it is more than
the tests allow. A library that is not installed is an error, and no oracle is passed over.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
# read when MindSpore loads
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

from tests.oracle_weights import FOLDER, MODELS, NOISE_FACTOR, TOLERANCE, input_batch, parameter_value

Contents = dict[str, np.ndarray]

# The scales of the norms lie here, so that neither deep nor thin networks drown or explode.
SCALE_RANGE = (0.5, 1.0)
SCALE_RANGES = dict.fromkeys(
    ("mindcv-inception_v4", "timm-inception_v4", "timm-efficientnet_lite0", "timm-tf_efficientnet_lite0"),
    (0.75, 1.25),
)
INPUT_SIZE_PX = 224
INPUT_SIZES_PX = {"mindcv-inception_v4": 299, "timm-inception_v4": 299}
NUM_CLASSES = 1000


def made(oracle: str) -> Contents:
    """Return what the file of an oracle holds."""
    publisher, name = oracle.split("-", 1)
    size_px = INPUT_SIZES_PX.get(oracle, INPUT_SIZE_PX)
    scale = SCALE_RANGES.get(oracle, SCALE_RANGE)
    compute = _by_mindcv if publisher == "mindcv" else _by_pytorch
    found = compute(publisher, name, input_batch(size_px), scale)
    return {**found, "input_size": np.array(size_px), "scale": np.array(scale)}


def _by_mindcv(publisher: str, name: str, batch: np.ndarray, scale: tuple[float, float]) -> Contents:
    import mindspore
    from mindcv.models import create_model

    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    net = create_model(name, num_classes=NUM_CLASSES)
    parameters = list(net.get_parameters())
    shapes = {one.name: tuple(one.shape) for one in parameters}
    for one in parameters:
        one.set_data(mindspore.Tensor(parameter_value(one.name, shapes[one.name], False, scale)))
    logits = net.set_train(False)(mindspore.Tensor(batch)).asnumpy()
    return {**_named(shapes, []), "logits": logits}


def _by_pytorch(publisher: str, name: str, batch: np.ndarray, scale: tuple[float, float]) -> Contents:
    import torch

    net = _pytorch_net(publisher, name).eval()
    norms = {
        f"{path}.weight"
        for path, module in net.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    }
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    net.load_state_dict(
        {
            key: torch.from_numpy(np.asarray(parameter_value(key, shape, key in norms, scale)))
            for key, shape in shapes.items()
        }
    )
    with torch.inference_mode():
        logits = net(torch.from_numpy(batch)).numpy()
        logits64 = net.double()(torch.from_numpy(batch).double()).numpy()
    in_order = [key for key in shapes if key in norms]
    return {**_named(shapes, in_order), "logits": logits, "logits64": logits64}


def _pytorch_net(publisher: str, name: str) -> Any:
    if publisher == "timm":
        import timm

        return timm.create_model(name, pretrained=False)
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def _named(shapes: dict[str, tuple[int, ...]], norms: list[str]) -> Contents:
    texts = ["x".join(map(str, shape)) for shape in shapes.values()]
    return {
        "names": np.array(list(shapes)),
        "shapes": np.array(texts),
        "norm_weights": np.array(norms, dtype=str),
    }


def difference(stored: Contents, found: Contents) -> tuple[list[str], float, float]:
    """Return which facts differ, how far the logits are apart, and how far they may be."""
    facts = [
        key
        for key in ("names", "shapes", "input_size", "scale")
        if stored[key].shape != found[key].shape or (stored[key] != found[key]).any()
    ]
    if set(stored["norm_weights"].tolist()) != set(found["norm_weights"].tolist()):
        facts.append("norm_weights")
    largest = np.abs(stored["logits"]).max()
    apart = float(np.abs(stored["logits"] - found["logits"]).max() / largest)
    noise = (
        float(np.abs(stored["logits64"] - stored["logits"]).max() / largest) if "logits64" in stored else 0.0
    )
    return facts, apart, max(TOLERANCE, NOISE_FACTOR * noise)


def main() -> int:
    """Make or check the oracles that the command line names, all of them where it names none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored files, write nothing")
    parser.add_argument("oracles", nargs="*", metavar="ORACLE", help=", ".join(MODELS))
    options = parser.parse_args()
    unknown = sorted(set(options.oracles) - set(MODELS))
    if unknown:
        parser.error(
            f"no oracle is called {', '.join(unknown)}: add a row to MODELS in tests/oracle_weights.py"
        )
    bad = 0
    for oracle in options.oracles or MODELS:
        found, path = made(oracle), FOLDER / f"{oracle}.npz"
        if not options.check:
            np.savez_compressed(path, **found)  # type: ignore[arg-type]
            print(f"wrote {path.name}", flush=True)
            continue
        with np.load(path) as file:
            facts, apart, allowed = difference(dict(file), found)
        bad += bool(facts) or not apart <= allowed
        same = "bit-equal" if apart == 0 else f"{apart:.2e} apart, {allowed:.1e} allowed"
        print(f"{oracle}: logits {same}" + "".join(f"; {fact} differ" for fact in facts), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
