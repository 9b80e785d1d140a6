"""Why a graph cannot be written as ONNX."""

from __future__ import annotations

from triport.reference_models.errors import TriportError

BATCH = "N"  # the free batch axis


class UnsupportedOperatorsError(TriportError):
    """Some of the graph's operators cannot be written as ONNX."""


class ConverterFaultError(UnsupportedOperatorsError):
    """A converter failed, which no layer is to blame for; what it raised is the cause."""


class TooLargeError(TriportError):
    """The graph states sizes that no machine has memory for."""


class FixedBatchError(TriportError):
    """The batch size with which the graph was traced is part of it."""
