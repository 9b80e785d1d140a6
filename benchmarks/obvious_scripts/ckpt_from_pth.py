"""What one would write by hand: a PyTorch ResNet or Res2Net (not v1b) state dict as a checkpoint for MindCV.

python ckpt_from_pth.py SOURCE.pth OUTPUT.ckpt
"""

import sys

import mindspore
import torch

NORM_LEAVES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}

state_dict = torch.load(sys.argv[1], map_location="cpu", weights_only=True)


def mindcv_name(name: str) -> str:
    """Return the MindCV name of a PyTorch parameter."""
    module, leaf = name.rsplit(".", 1)
    if f"{module}.running_mean" in state_dict:
        leaf = NORM_LEAVES[leaf]
    return f"{module}.{leaf}".replace("downsample", "down_sample").replace("fc.", "classifier.")


parameters = [
    {"name": mindcv_name(name), "data": mindspore.Tensor(value.numpy())}
    for name, value in state_dict.items()
    if not name.endswith("num_batches_tracked")
]
mindspore.save_checkpoint(parameters, sys.argv[2])
