"""Training parity: loss, gradients, BatchNorm statistics and steps of SGD, MindSpore against PyTorch."""
