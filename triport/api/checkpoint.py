"""`triport.open`, `triport.inspect` and `triport.diff`: what files hold, are, and differ in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .arguments import (
    ArgumentError,
    PathLike,
    Progress,
    SelectionOptions,
    path_or_none,
    quiet,
    selection_of,
)
from .checked import checked
from .sources import local_path

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self, Unpack

    from triport.converters.comparison import FilesComparison
    from triport.converters.formats import Tensor
    from triport.converters.inspection import Inspection


class OpenCheckpoint(Mapping[str, "StoredTensor"], os.PathLike[str]):
    """A checkpoint file that is open: its tensors by name, in the file's order, read when they are asked for.

    Where a function takes a path, it may be given instead.

    Attributes:
        path: the file.
        format: "ckpt", "pth", "safetensors" or "onnx".
        runtime: whose file it is: "mindspore", "pytorch" or "onnx".
        metadata: texts that the file carries.
        dropped: what the file holds beside its tensors, and why that is left out.
        notes: what was decided in reading it.
        integrity: what says that the file is undamaged, or that nothing does.
    """

    def __init__(self, path: PathLike, **options: Unpack[SelectionOptions]) -> None:
        from triport.converters.formats import open_checkpoint

        checkpoint = open_checkpoint(local_path(path), selection_of(**options))
        self.path = checkpoint.path
        self._selected = [name for name, value in options.items() if value]
        self.format = checkpoint.format
        self.runtime = checkpoint.runtime
        self.metadata = dict(checkpoint.metadata)
        self.dropped = tuple((one.name, one.reason) for one in checkpoint.dropped)
        self.notes = checkpoint.notes
        self.integrity = checkpoint.integrity
        self._tensors: Mapping[str, Tensor] | None = checkpoint.tensors

    def __getitem__(self, name: str) -> StoredTensor:
        return StoredTensor(self, name, self._open()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(self._open())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.format} checkpoint {self.path}>"

    def __fspath__(self) -> str:
        if self._selected:
            raise ArgumentError(
                f"{self.path}: was opened with {', '.join(self._selected)}; give its path, and these where "
                "the function takes them"
            )
        return self.path

    def close(self) -> None:
        """Let the file go; its tensors can no longer be read."""
        self._tensors = None

    def _open(self) -> Mapping[str, Tensor]:
        if self._tensors is None:
            raise ArgumentError(f"{self.path}: is closed; open it again to read its tensors")
        return self._tensors


class StoredTensor:
    """A tensor in an open checkpoint.

    Attributes:
        name: as the file has it.
        shape: the dimensions; () is a scalar.
        dtype: "float32", "bfloat16", "int64", ...
    """

    def __init__(self, checkpoint: OpenCheckpoint, name: str, tensor: Tensor) -> None:
        self.name = name
        self.shape = tensor.shape
        self.dtype = tensor.dtype
        self._checkpoint = checkpoint

    def numpy(self) -> np.ndarray:
        """Read the values from the file, as a new array; the others stay unread.

        Raises:
            triport.Error: the checkpoint was closed, or the file is damaged or was changed meanwhile.
        """
        return self._checkpoint._open()[self.name].numpy()

    def __repr__(self) -> str:
        return f"<{self.name} {self.dtype}{list(self.shape)}>"


@checked
def open(path: PathLike, **options: Unpack[SelectionOptions]) -> OpenCheckpoint:
    """Open a checkpoint of any format, without any framework and without running anything in it.

    Args:
        path: any .ckpt, .pth, .safetensors or .onnx, told by its content; or what `fetch` takes.
        **options: key, prefix and renames: which tensors are meant, where it holds more than one network.

    Returns:
        The tensors by name, each read when `numpy()` is called; also a context manager.

    Raises:
        triport.Error: there is no such file, or it is damaged or of no known format.

    Example:
        >>> import triport
        >>> with triport.open(triport.SHIPPED) as checkpoint:
        ...     first = next(iter(checkpoint.values()))
        ...     first, first.numpy().mean() != 0, len(checkpoint), checkpoint.runtime
        (<conv1.0.weight float32[8, 3, 3, 3]>, True, 187, 'mindspore')
    """
    return OpenCheckpoint(path, **options)


@checked
def inspect(
    path: PathLike,
    *,
    stats: bool = False,
    head: bool = True,
    names: PathLike | None = None,
    offline: bool = False,
    progress: Progress = quiet,
    **options: Unpack[SelectionOptions],
) -> Inspection:
    """Say what a checkpoint is: format, names, model, classes, tensors, and what is wrong with it.

    Args:
        path: the file, or what `fetch` takes.
        stats: whether to compute every tensor's range, mean, deviation, NaN and Inf.
        head: whether the last layer must be there; without it, it is left out.
        names: a NAMES.toml, one of whose two networks the file is of: no model is looked for.
        offline: whether only what was brought before may be used.
        progress: is told each step.
        **options: key, prefix and renames: which tensors are meant.

    Returns:
        What was found out. Its `passed` is False where there is any problem.

    Raises:
        triport.Error: there is no such file, or it cannot be read as any format.

    Example:
        >>> import triport
        >>> found = triport.inspect(triport.SHIPPED)
        >>> found.passed, found.num_parameters
        (True, 353724)
        >>> found.to_dict()["model"], found.to_dict()["dialect"]
        ('res2net_digits', 'mindcv')
    """
    from triport.converters.inspection import inspect_file

    file = local_path(path, progress, offline)
    return inspect_file(file, stats, selection_of(**options), head, path_or_none(names))


@checked
def diff(
    first: PathLike,
    second: PathLike,
    *,
    head: bool = True,
    offline: bool = False,
    progress: Progress = quiet,
    **options: Unpack[SelectionOptions],
) -> FilesComparison:
    """Say what differs between two checkpoints, across formats and dialects.

    Args:
        first: a checkpoint of any format, or what `fetch` takes.
        second: another one.
        head: whether the last layers are compared too.
        offline: whether only what was brought before may be used.
        progress: is told each step.
        **options: key, prefix and renames: which tensors of the first are meant.

    Returns:
        What differs, tensor by tensor, and in the graphs that both state. Its `passed` is True where
        nothing does.

    Raises:
        triport.Error: a file cannot be read.

    Example:
        >>> import triport
        >>> done = triport.convert(to="pytorch", output="digits.pth")
        >>> triport.diff(triport.SHIPPED, "digits.pth").passed
        True
    """
    from triport.converters.comparison import compare_files

    files = [local_path(one, progress, offline) for one in (first, second)]
    return compare_files(files[0], files[1], selection_of(**options), head)
