"""What one would write by hand: MindCV's ResNet or Res2Net (not v1b) checkpoint as a PyTorch state dict.

python pth_from_ckpt.py SOURCE.ckpt OUTPUT.pth
"""

import sys

import mindspore
import torch

LEAVES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def pytorch_name(name: str) -> str:
    """Return the PyTorch name of a MindCV parameter."""
    module, leaf = name.rsplit(".", 1)
    module = module.replace("down_sample", "downsample").replace("classifier", "fc")
    return f"{module}.{LEAVES.get(leaf, leaf)}"


parameters = mindspore.load_checkpoint(sys.argv[1])
state_dict = {pytorch_name(name): torch.from_numpy(value.asnumpy()) for name, value in parameters.items()}
torch.save(state_dict, sys.argv[2])
