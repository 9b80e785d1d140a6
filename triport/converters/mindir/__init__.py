"""MindIR, the graph that MindSpore exports, to ONNX: one file per operator family."""
