"""Any ONNX graph to readable source: PyTorch or MindSpore, and the weights beside it.

- `reading.py` reads and checks a file;
- `fusing.py` finds layers in several nodes, `tree.py` and `scopes.py` the blocks;
- `translate.py` writes node after node by `operators/`, with functions of `pieces/` where need be;
- `windows.py` and `resizing.py` are what operators compute of their attributes;
- `classes.py` makes classes of the blocks: `members.py` is what a block holds, `runs.py` finds layers that
  run in turn, `equal_classes.py` makes one class of equal ones, `variables.py` names what they compute;
- `writer.py` writes the file, and `weights.py` the weights.

`parity/imported/` proves what was written.
"""
