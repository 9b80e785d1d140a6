"""The ONNX files of known models: made from either framework, sized, rounded, folded, written."""
