"""ONNX models that tests write and change."""

import onnx


def saved(path, model):
    """Write a model; return the path."""
    path.write_bytes(model.SerializeToString())
    return path


def copied(model):
    """Return a copy that may be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
