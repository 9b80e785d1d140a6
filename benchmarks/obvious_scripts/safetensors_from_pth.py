"""What one would write by hand: a PyTorch state dict as safetensors.

python safetensors_from_pth.py SOURCE.pth OUTPUT.safetensors
"""

import sys

import torch
from safetensors.torch import save_file

state_dict = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
save_file(state_dict, sys.argv[2], {"format": "pt"})
