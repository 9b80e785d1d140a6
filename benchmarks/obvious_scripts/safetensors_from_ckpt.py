"""What one would write by hand: MindCV's ResNet or Res2Net (not v1b) checkpoint as PyTorch safetensors.

python safetensors_from_ckpt.py SOURCE.ckpt OUTPUT.safetensors
"""

import sys

import mindspore
from safetensors.numpy import save_file

LEAVES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def pytorch_name(name: str) -> str:
    """Return the PyTorch name of a MindCV parameter."""
    module, leaf = name.rsplit(".", 1)
    module = module.replace("down_sample", "downsample").replace("classifier", "fc")
    return f"{module}.{LEAVES.get(leaf, leaf)}"


parameters = mindspore.load_checkpoint(sys.argv[1])
save_file({pytorch_name(name): value.asnumpy() for name, value in parameters.items()}, sys.argv[2])
