"""What one would write by hand: safetensors as a PyTorch state dict.

python pth_from_safetensors.py SOURCE.safetensors OUTPUT.pth
"""

import sys

import torch
from safetensors.torch import load_file

torch.save(load_file(sys.argv[1]), sys.argv[2])
