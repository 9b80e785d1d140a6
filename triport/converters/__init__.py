"""Moving weights and graphs between MindSpore, PyTorch and ONNX."""
