"""A second process for MindSpore, which works while this one has PyTorch and ONNX Runtime.

`process.py` is this side of it and `serving.py` the other; `messages.py` is what they say to one another, and
`failures.py` what they say of what was raised. `work.py` is what a check asks of it ahead, and `deciding.py`
when there is one.
"""
