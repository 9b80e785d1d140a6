"""Graphs of MindSpore as ONNX files, proven beside MindSpore before they are kept."""
