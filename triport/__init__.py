"""triport: portable weights across MindSpore, PyTorch and ONNX, proven equal."""

__version__ = "0.1.0"
