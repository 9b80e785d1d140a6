"""The two files of a graph's source, `name.py` and `name.safetensors`: written, found again, and loaded."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import import_framework, uncollected
from triport.reference_models.scratch import scratch_folder

from .targets import Target
from .weights import write_weights
from .writer import MADE_BY_TRIPORT, Source

_COUNT = itertools.count()
_HEAD = 400  # bytes in which the first line ends


def write(folder: Path, source: Source) -> None:
    """Write source and weights into a folder that is there."""
    _write_text(folder, source)
    write_weights(folder / f"{source.name}.safetensors", source.weights, source.target)


def _write_text(folder: Path, source: Source) -> None:
    """Write the source into a folder that is there."""
    (folder / f"{source.name}.py").write_text(source.text, encoding="utf-8")


def source_in(folder: Path) -> Path | None:
    """Return the one file of source that triport wrote into a folder, None if it holds none or several.

    Nothing is run to find it: its first line says that triport wrote it.
    """
    found = [path for path in sorted(folder.glob("*.py")) if _is_written(path)]
    return found[0] if len(found) == 1 else None


def _is_written(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = file.read(_HEAD).partition(b"\n")[0]
    except OSError:
        return False
    return first.startswith(b'"""') and first.endswith(MADE_BY_TRIPORT.encode())


def load(folder: Path, name: str, target: Target) -> Any:
    """Return the network that `folder/name.py` builds: source that triport wrote just before for a framework.

    Raises:
        TriportError: the framework is not installed.
    """
    return _module(folder, name, target).build()


def _module(folder: Path, name: str, target: Target) -> Any:
    """Return the module of Python that `folder/name.py` is."""
    import_framework(target)  # MindSpore's convolutions take 75 times as long on CPUs where it was not asked
    module_name = f"_triport_imported_{next(_COUNT)}"
    spec = importlib.util.spec_from_file_location(module_name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    sys.modules[module_name] = module  # MindSpore's compiler looks a network's functions up there
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def built(source: Source) -> Any:
    """Return the network of a source that is not kept; MindSpore reads its text again when it compiles it."""
    folder = scratch_folder()
    if source.target == "mindspore" or not source.weights:
        write(folder, source)
        return load(folder, source.name, source.target)
    _write_text(folder, source)
    with uncollected():
        return _with_weights(_module(folder, source.name, source.target), source.weights)


def _with_weights(module: Any, weights: Mapping[str, np.ndarray]) -> Any:
    """Return the torch.nn.Module that a source builds, its weights copies of the arrays."""
    torch = import_framework("pytorch")
    with _without_values(torch):
        network = module.build(weights=False)
    tensors = {name: _tensor(array, torch) for name, array in weights.items()}
    network.load_state_dict(tensors, assign=True)
    return network


def _without_values(torch: Any) -> Any:
    """Return a context in which this thread's layers take no memory for weights, and draw none."""
    made = frozenset((torch.empty, torch.zeros, torch.ones, torch.full, torch.tensor))

    class WithoutValues(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = dict(kwargs or {})
            if getattr(function, "__module__", "") == "torch.nn.init":
                return args[0] if args else given["tensor"]
            if function in made and given.get("device") is None:
                given["device"] = "meta"
            return function(*args, **given)

    return WithoutValues()


def _tensor(array: np.ndarray, torch: Any) -> Any:
    """Return a copy of an array as a torch.Tensor."""
    if array.dtype.kind in "biufc" and array.flags.writeable and array.flags.fnc:
        # a matrix that was turned: PyTorch copies it in a third of NumPy's time
        return torch.from_numpy(array).clone(memory_format=torch.contiguous_format)
    copied = np.array(array, order="C")
    if copied.dtype.kind in "biufc":
        return torch.from_numpy(copied)
    raw = torch.from_numpy(copied.view(np.uint8 if copied.dtype.itemsize == 1 else np.int16))
    return raw.view(getattr(torch, str(copied.dtype)))  # bfloat16, and float8 of two kinds
