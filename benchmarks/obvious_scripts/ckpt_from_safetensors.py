"""What one would write by hand: a PyTorch ResNet's safetensors as a checkpoint for MindCV.

python ckpt_from_safetensors.py SOURCE.safetensors OUTPUT.ckpt
"""

import sys

import mindspore
from safetensors.numpy import load_file

NORM_LEAVES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}

state_dict = load_file(sys.argv[1])


def mindcv_name(name: str) -> str:
    """Return the MindCV name of a PyTorch parameter."""
    module, leaf = name.rsplit(".", 1)
    if f"{module}.running_mean" in state_dict:
        leaf = NORM_LEAVES[leaf]
    return f"{module}.{leaf}".replace("downsample", "down_sample").replace("fc.", "classifier.")


parameters = [
    {"name": mindcv_name(name), "data": mindspore.Tensor(value)} for name, value in state_dict.items()
]
mindspore.save_checkpoint(parameters, sys.argv[2])
