"""Of two files that should be equal: do the weights differ, or the graph, and where?

Between two checkpoints names tell which tensor is which (`weights.py`). A foreign ONNX file, BatchNorm folded
and names meaningless, is read as a net of convolutions (`units.py`), which is matched with the model's
(`match.py`), and its folded weights beside those that it should have (`folded.py`).
"""
