"""What kernels of other libraries compute otherwise than PyTorch in float64, and PyTorch doing the same."""
