"""Any ONNX graph to readable source: PyTorch or MindSpore, and the weights beside it.

- `reading.py` reads and checks a file;
- `fusing.py` finds layers in several nodes, `tree.py` and `scopes.py` the blocks;
- `translate.py` writes node after node by `operators/`, with functions of `pieces/` where need be;
- `classes.py` makes classes of the blocks, `variables.py` names what they compute;
- `writer.py` writes the file, and `weights.py` the weights.

`parity/imported/` proves what was written.
"""
