"""Source that was written from an ONNX graph, proven beside ONNX Runtime before it is kept."""
