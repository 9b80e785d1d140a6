"""`triport.pair`: which parameters of one network are which of another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .arguments import PathLike, Progress, path_or_none, quiet
from .checked import checked
from .networks import as_net, input_texts

if TYPE_CHECKING:
    from triport.parity.pairing.result import PairResult


@checked
def pair(
    a: Any,
    b: Any,
    *,
    inputs: Sequence[Any] | str,
    output: PathLike | None = None,
    scaffold: PathLike | None = None,
    progress: Progress = quiet,
) -> PairResult:
    """Derive which parameters of one network are which of another, and prove it by numbers.

    Names, and the order in which anything is defined, decide nothing: both networks are run with the same
    weights, and what belongs together has equal gradients.

    Args:
        a: a NET: a torch.nn.Module or a mindspore.nn.Cell, which gets its values back, the text that names
            what makes one, a .onnx or .mindir file, what `triport.model` or `triport.from_onnx` returns.
        b: likewise.
        inputs: what goes into both, once for each input: "1x3x224x224", (1, 3, 224, 224),
            "tokens=1x128:int64:0..30522".
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
    from triport.converters.naming.scaffold import check_family
    from triport.parity.pairing.derive import pair_of

    folder = path_or_none(scaffold)
    if folder is not None:
        check_family(folder)
    texts = input_texts(inputs)
    found = pair_of(as_net(a), as_net(b), texts, progress)
    if output is not None or folder is not None:
        from triport.parity.pairing.names_file import write_pair

        write_pair(found, texts, path_or_none(output), folder)
    return found
