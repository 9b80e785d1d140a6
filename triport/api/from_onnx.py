"""`triport.from_onnx`: any ONNX graph as a network in both frameworks, and its source."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.converters.onnx_import.targets import TARGETS, Target
from triport.reference_models.network import Input, Network

from .arguments import ArgumentError, PathLike, Progress, quiet
from .checked import checked

if TYPE_CHECKING:
    import mindspore
    import torch

    from triport.converters.onnx_import.writer import Source
    from triport.parity.imported.result import ImportedSource


@dataclass(frozen=True, slots=True)
class OnnxNetwork(os.PathLike[str]):
    """An ONNX file as a network: what goes in and comes out, and its source in both frameworks.

    Source is written when it is first asked for, and compared with ONNX Runtime before it is given away.
    Where a function takes a path or a NET, it may be given instead.

    Attributes:
        path: the ONNX file.
        network: named inputs and outputs, and what runs it in each runtime.
        check: whether source is compared.
        progress: is told each step.
    """

    path: Path
    network: Network = field(init=False)
    check: bool = True
    progress: Progress = quiet
    _sources: dict[str, tuple[Source, ImportedSource | None]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Read the file's inputs and outputs."""
        from triport.converters.networks.imported import of_graph

        object.__setattr__(self, "network", of_graph(self.path, self._build))

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.network.name

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What goes in."""
        return self.network.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """What comes out, by name."""
        return self.network.outputs

    def source(self, to: Target) -> str:
        """Return the text of the source for "pytorch" or "mindspore".

        Raises:
            triport.Error: a node has no translation, or the source differs from ONNX Runtime.
        """
        return self._written(to)[0].text

    def proof(self, to: Target) -> ImportedSource | None:
        """Return how the source was compared with ONNX Runtime; None if it was not to be."""
        return self._written(to)[1]

    def torch(self) -> torch.nn.Module:
        """Return the network as a torch.nn.Module with the file's weights, in evaluation mode.

        Raises:
            triport.Error: as of `source`, or PyTorch is not installed.

        Example:
            >>> import triport
            >>> done = triport.convert(output="digits.onnx", to="onnx")
            >>> net = triport.from_onnx("digits.onnx").torch()
            >>> tuple(net.fc.weight.shape)
            (10, 256)
        """
        found: torch.nn.Module = self._build("pytorch")
        return found

    def mindspore(self) -> mindspore.nn.Cell:
        """Return the network as a mindspore.nn.Cell with the file's weights, in evaluation mode.

        Raises:
            triport.Error: as of `source`, or MindSpore is not installed.
        """
        found: mindspore.nn.Cell = self._build("mindspore")
        return found

    def _build(self, target: Target) -> Any:
        from triport.converters.onnx_import.written import built

        return built(self._written(target)[0])

    def _written(self, target: Target) -> tuple[Source, ImportedSource | None]:
        if target not in TARGETS:
            raise ArgumentError(f"{target!r}: source is written for {' or '.join(TARGETS)}")
        if target not in self._sources:
            self._sources[target] = self._write(target)
        return self._sources[target]

    def _write(self, target: Target) -> tuple[Source, ImportedSource | None]:
        from triport.converters.networks.imported import written_source
        from triport.converters.onnx_import.asked import module_name
        from triport.parity.imported.convert import imported

        if not self.check:
            return written_source(self.path, target, module_name(self.path)), None
        source, done = imported(self.path, target, module_name(self.path), self.progress)
        if not done.is_equal:
            found = "differs from" if done.is_different else "is not proven equal to"
            raise ArgumentError(
                "\n".join([f"{self.path}: the source for {target} {found} ONNX Runtime", *done.lines()])
            )
        return source, done


@checked
def from_onnx(path: PathLike, *, check: bool = True, progress: Progress = quiet) -> OnnxNetwork:
    """Return the network of an ONNX file, whatever graph it is.

    Args:
        path: the file.
        check: compare source with ONNX Runtime before it is given away.
        progress: is told each step.

    Returns:
        The network: `.torch()`, `.mindspore()`, `.source("pytorch")`.

    Raises:
        triport.Error: the file is no ONNX graph.
    """
    return OnnxNetwork(Path(path), check=check, progress=progress)
