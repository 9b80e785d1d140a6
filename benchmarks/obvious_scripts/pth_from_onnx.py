"""What one would write by hand: the initializers of an ONNX file as a PyTorch state dict.

python pth_from_onnx.py SOURCE.onnx OUTPUT.pth
"""

import sys

import onnx
import torch
from onnx import numpy_helper

model = onnx.load(sys.argv[1])
state_dict = {
    tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer
}
torch.save(state_dict, sys.argv[2])
