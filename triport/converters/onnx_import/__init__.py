"""Any ONNX graph to readable source: PyTorch or MindSpore, and the weights beside it.

`reading.py` reads and checks a file; `fusing.py` finds layers in several nodes; `tree.py` and `scopes.py` find
the blocks; `translate.py` writes node after node by `operators/`; `classes.py` makes classes of the blocks, and
`variables.py` names what they compute; `writer.py` writes the file. `parity/imported/` proves it.
"""
