"""A torch.nn.Module to ONNX, by whichever of torch's exporters is proven right in float64."""
