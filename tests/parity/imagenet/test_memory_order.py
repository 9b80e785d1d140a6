"""`evaluate` in PyTorch: triport's own definitions have images as a CPU convolves them fastest."""

import numpy as np
import torch

from triport import convert
from triport.parity.imagenet.subject import open_subject

IMAGES = np.random.default_rng(0).standard_normal((3, 3, 32, 32)).astype(np.float32)
PROFILE = "resize=32,crop=32,interpolation=bilinear,library=pil,mean=0.5/0.5/0.5,std=0.5/0.5/0.5"


class Viewed(torch.nn.Module):
    """A classifier that counts on the order of its own convolution's output in memory."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.head = torch.nn.Linear(4 * 32 * 32, 5)

    def forward(self, x):
        x = self.conv(x)
        return self.head(x.view(x.shape[0], -1))


def test_a_model_of_ours_computes_in_channels_last(tmp_path):
    checkpoint = tmp_path / "digits.pth"
    convert(None, to="pytorch", output=checkpoint)
    runner = open_subject(checkpoint, runtime="pytorch", profile=PROFILE).runner
    met = []
    convolutions = [module for module in runner._net.modules() if isinstance(module, torch.nn.Conv2d)]
    for module in convolutions:
        module.register_forward_hook(lambda _, given, made: met.append(made))
    (image,) = (one.name for one in runner.network.inputs)
    (found,) = runner.run({image: IMAGES}).values()
    assert len(met) == len(convolutions)
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in met)
    assert runner.versions()["memory"] == "channels last"
    with torch.inference_mode():
        plain = runner._net.to(memory_format=torch.contiguous_format)(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


def test_a_module_of_the_users_keeps_the_order_that_its_code_counts_on():
    found = open_subject(Viewed(), profile=PROFILE)
    assert "memory" not in found.runner.versions()
    assert found.num_classes == 5
