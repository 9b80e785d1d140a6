"""The small trained model as a PyTorch state dict, and what a conversion must deliver of it."""

from __future__ import annotations

import functools
import importlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.convert import SHIPPED, read_parameters
from triport.converters.formats import open_checkpoint

HEAD = "fc.weight"


@functools.cache
def digits() -> Mapping[str, np.ndarray]:
    """Return its parameters and buffers under PyTorch's names, float32, without counters."""
    return {name: np.ascontiguousarray(array) for name, array in read_parameters(SHIPPED).parameters.items()}


def state_dict(**changed: Any) -> OrderedDict[str, Any]:
    """Return it as tensors of torch; `changed` has others, the dots of names written as two underscores."""
    torch = importlib.import_module("torch")
    state = OrderedDict((name, torch.from_numpy(array.copy())) for name, array in digits().items())
    state.update({name.replace("__", "."): value for name, value in changed.items()})
    return state


def assert_delivers(run_cli: Any, source: Path, expected: Mapping[str, np.ndarray] | None = None) -> str:
    """Convert a file and compare every value with what is right; return what the command said."""
    output = source.with_name("converted.safetensors")
    result = run_cli("convert", source, "--to", "pytorch", "-o", output)
    assert result.exit_code == 0, result.output
    found = open_checkpoint(output).tensors
    for name, array in (expected or digits()).items():
        assert found[name].shape == array.shape
        assert b"".join(found[name].chunks()) == array.tobytes(), name
    return str(result.output)


def assert_refused(run_cli: Any, source: Path, *expected: str) -> str:
    """Convert a file that must be refused, with these words in one printable message; return the message."""
    before = sorted(source.parent.iterdir())
    result = run_cli("convert", source, "--to", "pytorch", "-o", source.with_name("converted.safetensors"))
    assert result.exit_code == 2, result.output
    message = str(result.output)
    assert len(message) < 4000
    assert all(character.isprintable() or character == "\n" for character in message)
    for words in expected:
        assert words in message
    assert sorted(source.parent.iterdir()) == before
    return message
