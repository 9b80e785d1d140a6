"""What the two processes say to one another: a few words as JSON, then arrays as they lie in memory."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from triport.reference_models.network import Arrays

# kinds of dtype whose text says all of them: the others are a library's own
PLAIN_KINDS = "biuf"
_LENGTH = struct.Struct("!Q")
# of what one call fills, as the system has it (IOV_MAX)
_MOST_AT_ONCE = 1024


def is_plain(arrays: Arrays) -> bool:
    """Whether these arrays can be sent."""
    return all(array.dtype.kind in PLAIN_KINDS for array in arrays.values())


def send(connection: socket.socket, words: Mapping[str, Any], arrays: Arrays) -> None:
    """Send a message; arrays are not copied unless they lie in pieces.

    Raises:
        OSError: the other side has closed the connection.
    """
    described = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    text = json.dumps({**words, "arrays": described}).encode()
    connection.sendall(_LENGTH.pack(len(text)) + text)
    for array in arrays.values():
        if array.size:
            connection.sendall(_bytes_of(np.ascontiguousarray(array)))


def receive(connection: socket.socket) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Wait for a message, and return its words and arrays.

    Raises:
        EOFError, OSError: the other side has closed the connection.
    """
    length = bytearray(_LENGTH.size)
    _fill(connection, [memoryview(length)])
    text = bytearray(_LENGTH.unpack(length)[0])
    _fill(connection, [memoryview(text)])
    words = json.loads(text)
    arrays = {name: np.empty(shape, dtype) for name, dtype, shape in words.pop("arrays")}
    _fill(connection, [_bytes_of(array) for array in arrays.values() if array.size])
    return words, arrays


def _fill(connection: socket.socket, places: list[memoryview]) -> None:
    """Read what fills these places, many of them in one call.

    The thread that reads competes with one that imports MindSpore, and waits for it after each call: with a
    call for each piece of each array, the process that sends would wait for seconds.
    """
    while places:
        count = connection.recvmsg_into(places[:_MOST_AT_ONCE], 0, socket.MSG_WAITALL)[0]
        if not count:
            raise EOFError("the other side has closed the connection")
        while places and count >= len(places[0]):
            count -= len(places[0])
            del places[0]
        if count:
            places[0] = places[0][count:]


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
