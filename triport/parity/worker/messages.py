"""What the two processes say to one another: a few words as JSON, then arrays as they lie in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from triport.reference_models.network import Arrays

# kinds of dtype whose text says all of them: the others are a library's own
PLAIN_KINDS = "biuf"


def is_plain(arrays: Arrays) -> bool:
    """Whether these arrays can be sent."""
    return all(array.dtype.kind in PLAIN_KINDS for array in arrays.values())


def send(connection: Connection, words: Mapping[str, Any], arrays: Arrays) -> None:
    """Send a message; arrays are not copied unless they lie in pieces.

    Raises:
        OSError: the other side has closed the connection.
    """
    described = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    connection.send_bytes(json.dumps({**words, "arrays": described}).encode())
    for array in arrays.values():
        if array.size:
            connection.send_bytes(_bytes_of(np.ascontiguousarray(array)))


def receive(connection: Connection) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Wait for a message, and return its words and arrays.

    Raises:
        EOFError, OSError: the other side has closed the connection.
    """
    words = json.loads(connection.recv_bytes())
    arrays = {}
    for name, dtype, shape in words.pop("arrays"):
        arrays[name] = np.empty(shape, dtype)
        if arrays[name].size:
            connection.recv_bytes_into(_bytes_of(arrays[name]))
    return words, arrays


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
