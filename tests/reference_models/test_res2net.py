"""What is particular to Res2Net: the shortcut's pool at odd sizes, and the trained digits."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from triport.converters.environment import import_mindspore
from triport.converters.names import name_map, reference_dialect
from triport.parity.judge.comparison import compare
from triport.reference_models.spec import get_model

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
CHECKPOINT = DIGITS / "res2net_digits.ckpt"


def ceil_mode_pool(images):
    """Return what timm's shortcut computes: whole windows, and at the edge the part inside."""
    import torch

    pool = torch.nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
    return pool(torch.from_numpy(images)).numpy()


def same_pool_in_pytorch(images):
    import torch

    from triport.reference_models.layers_torch import avg_pool2d

    return avg_pool2d(2, 2, "same")(torch.from_numpy(images)).numpy()


def same_pool_in_mindspore(images):
    mindspore = import_mindspore()

    from triport.reference_models.layers_mindspore import avg_pool2d

    return avg_pool2d(2, 2, "same")(mindspore.Tensor(images)).asnumpy()


@pytest.mark.parametrize("same_pool", [same_pool_in_pytorch, same_pool_in_mindspore])
@pytest.mark.parametrize("size_px", [(56, 56), (57, 57), (7, 12), (1, 3)])
def test_shortcut_pools_of_both_publishers_are_one_function(same_pool, size_px):
    images = np.random.default_rng(0).standard_normal((2, 3, *size_px)).astype(np.float32)
    np.testing.assert_array_equal(same_pool(images), ceil_mode_pool(images))


@pytest.fixture(scope="module")
def digits():
    """Return the held-out images as the network's input, and their labels."""
    image = importlib.import_module("PIL.Image")
    paths = sorted((DIGITS / "val").glob("*/*.png"))
    pixels = np.stack([np.asarray(image.open(path)) for path in paths])
    inputs = ((pixels / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray(inputs), np.array([int(path.parent.name) for path in paths])


def mindspore_logits(inputs):
    mindspore = import_mindspore()
    net = get_model("res2net_digits").build_mindspore()
    mindspore.load_param_into_net(net, mindspore.load_checkpoint(str(CHECKPOINT)), strict_load=True)
    return net.set_train(False)(mindspore.Tensor(inputs)).asnumpy()


def pytorch_logits(inputs, dtype=np.float32):
    import torch

    mindspore = import_mindspore()
    spec = get_model("res2net_digits")
    source = mindspore.load_checkpoint(str(CHECKPOINT))
    names = name_map(spec, reference_dialect(spec, "mindspore"))
    net = spec.build_torch().eval()
    values = {ours: torch.from_numpy(source[theirs].asnumpy()) for ours, theirs in names.items()}
    net.load_state_dict({**net.state_dict(), **values})
    with torch.no_grad():
        images = torch.from_numpy(inputs.astype(dtype))
        return net.to(images.dtype)(images).numpy()


@pytest.mark.parametrize("logits_of", [mindspore_logits, pytorch_logits])
def test_trained_digits_reach_their_published_accuracy(logits_of, digits):
    inputs, labels = digits
    published = get_model("res2net_digits").weights[0].accuracies[0].top1_percent
    right = logits_of(inputs).argmax(axis=1) == labels
    assert 100 * right.mean() == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize("logits_of", [mindspore_logits, pytorch_logits])
def test_trained_digits_agree_with_float64(logits_of, digits):
    inputs, _ = digits
    found = compare(pytorch_logits(inputs, np.float64), logits_of(inputs), 5e-6)
    assert found.passed, f"needs {found.needed_tolerance:.2e}"


def test_shipped_digits_are_small():
    assert CHECKPOINT.stat().st_size <= 2 * 1024**2
    assert len(list((DIGITS / "val").glob("*/*.png"))) <= 300
