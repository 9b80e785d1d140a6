"""`triport.pair`: which parameters of one network are which of another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arguments import ArgumentError, PathLike, Progress, path_or_none, quiet
from .checked import checked

if TYPE_CHECKING:
    from triport.parity.pairing.result import PairResult


@checked
def pair(
    a: Any,
    b: Any,
    *,
    inputs: Sequence[str],
    output: PathLike | None = None,
    scaffold: PathLike | None = None,
    progress: Progress = quiet,
) -> PairResult:
    """Derive which parameters of one network are which of another, and prove it by numbers.

    Names, and the order in which anything is defined, decide nothing: both networks are run with the same
    weights, and what belongs together has equal gradients.

    Args:
        a: a torch.nn.Module, a mindspore.nn.Cell, or the text of a NET: "package.module:factory",
            "path/file.py:factory", a model's name, a .onnx or .mindir file. An object gets its values
            back.
        b: likewise.
        inputs: what goes into both, once for each input: "1x3x224x224", "tokens=1x128:int64:0..30522".
        output: where to write the map, and how far it is proven, for `triport.convert(names=...)`.
        scaffold: a new folder for the start of a family: its dialect's rows and its layout.
        progress: is told each step.

    Returns:
        The rows between the names of both, what is left, and the proof. Its `passed` is False where the map
        is not complete, or the outputs are not equal with it.

    Raises:
        triport.Error: a network cannot be made, or not be run on such inputs.

    Example:
        >>> import torch, triport
        >>> from torch.nn import Linear, Sequential, Tanh
        >>> a = Sequential(Linear(4, 5), Tanh(), Linear(5, 5))
        >>> b = Sequential(Sequential(Linear(4, 5), Tanh()), Linear(5, 5))
        >>> done = triport.pair(a, b, inputs=["2x4"])
        >>> done.passed, [(row["a"], row["b"]) for row in done.to_dict()["names"][:1]]
        (True, [(['0.weight'], ['0.0.weight'])])
    """
    from triport.parity.pairing.derive import pair_of

    if isinstance(inputs, str):
        raise ArgumentError(f"inputs={inputs!r}: expected a list, with one text for each input")
    from triport.converters.naming.scaffold import check_family

    folder = path_or_none(scaffold)
    if folder is not None:
        check_family(folder)
    found = pair_of(a, b, list(inputs), progress)
    if output is not None or folder is not None:
        from triport.parity.pairing.names_file import write_pair

        write_pair(found, inputs, path_or_none(output), folder)
    return found
