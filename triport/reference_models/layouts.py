"""Which layers of a network own parameters: stored beside each family, made of its PyTorch definition.

`python docs/generate.py` builds every model on PyTorch's meta device and writes `<family>/layouts.txt`,
so that names and shapes are known without any framework. Models that share a layout share a section:

    ResNetConfig(block='basic', blocks=(2, 2, 2, 2), ...)
    ResNetConfig(block='basic', blocks=(2, 2, 2, 2), ..., stem_pool_padding='same', ...)
      conv1 conv 64,3,7,7
      bn1 norm 64 bias
      ...
      fc dense classes,512 bias

A configuration that is not stored is one that the definition itself is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["conv", "norm", "dense"]

FILE = "layouts.txt"
# stands for the number of outputs where a size is just that
CLASSES = "classes"
NOTICE = f"made by docs/generate.py: path, kind, shape of the weight ({CLASSES}: the number of outputs), bias"


class ParametricLayer(NamedTuple):
    """One layer that owns parameters.

    `path` is the PyTorch module path, which is canonical. `kind` is "conv", "norm" or "dense";
    `shape` is the weight's: (out, in / groups, height, width), (channels,), (out, in).
    """

    path: str
    kind: Kind
    shape: tuple[int, ...]
    bias: bool = False


def path_of(family: str) -> Path:
    """Return where a family's layouts are stored."""
    return Path(__file__).parent / family / FILE


@cache
def stored_layers(family: str, config: str, num_classes: int) -> tuple[ParametricLayer, ...] | None:
    """Return the layers that are stored for a configuration, by its `repr`; None where it is not there."""
    rows = _sections(family).get(config)
    return None if rows is None else tuple(_layer(row, num_classes) for row in rows.splitlines())


@cache
def _sections(family: str) -> dict[str, str]:
    """Return the rows of each configuration of a family, not yet taken apart."""
    try:
        text = path_of(family).read_text(encoding="utf-8")
    except FileNotFoundError:  # a new family: nothing was generated yet
        return {}
    found = {}
    for section in text.split("\n\n")[1:]:
        configs, _, rows = section.partition("\n  ")
        found.update(dict.fromkeys(configs.splitlines(), rows))
    return found


def _layer(row: str, num_classes: int) -> ParametricLayer:
    path, kind, sizes, *bias = row.split()
    shape = tuple(num_classes if size == CLASSES else int(size) for size in sizes.split(","))
    return ParametricLayer(path, kind, shape, bool(bias))  # type: ignore[arg-type]


def text_of(layouts: Iterable[tuple[Any, str]]) -> str:
    """Return a family's file.

    Args:
        layouts: each configuration with the rows that `rows_of` makes of its layers.
    """
    configs: dict[str, dict[str, None]] = {}
    for config, rows in layouts:
        configs.setdefault(rows, {})[repr(config)] = None
    sections = ("\n".join(names) + rows for rows, names in configs.items())
    return "\n\n".join((NOTICE, *sections)) + "\n"


def rows_of(layers: Mapping[int, tuple[ParametricLayer, ...]]) -> str:
    """Return the rows of one layout.

    Args:
        layers: the network's layers by number of outputs, for two or more numbers of them.

    Raises:
        ValueError: something else than a size that is the number of outputs depends on it.
    """
    first, *others = layers
    lines = []
    for index, layer in enumerate(layers[first]):
        sizes = [
            CLASSES if any(_size(layers[n], index, axis) != size for n in others) else str(size)
            for axis, size in enumerate(layer.shape)
        ]
        lines.append(f"\n  {layer.path} {layer.kind} {','.join(sizes)}{' bias' if layer.bias else ''}")
    rows = "".join(lines)
    for num_classes, expected in layers.items():
        if tuple(_layer(row, num_classes) for row in lines) != expected:
            raise ValueError(
                f"with {num_classes} outputs the layers differ by more than sizes that are {num_classes}"
            )
    return rows


def _size(layers: tuple[ParametricLayer, ...], index: int, axis: int) -> int | None:
    """Return one size, None where there is no such layer or axis."""
    shape = layers[index].shape if index < len(layers) else ()
    return shape[axis] if axis < len(shape) else None
