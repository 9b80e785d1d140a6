"""`triport.parity`: do the runtimes compute the same?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from .arguments import PathLike, Progress, path_or_none, quiet
from .checked import checked
from .networks import as_net, input_texts
from .sources import located

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from triport.parity.recorded.session import SavedResult
    from triport.parity.session import ParityRequest, ParityResult


class ParityOptions(TypedDict, total=False):
    """What `parity` takes besides; `triport.parity.session.ParityRequest` says what each means."""

    every: bool
    weights: PathLike | None
    model: str | None
    inputs: Sequence[Any]
    runtimes: Sequence[str] | str | None
    device: str
    precision: str
    tolerance: float | None
    seed: int
    batch_sizes: Sequence[int]
    sizes: Sequence[int] | None
    layers: bool
    isolate: bool
    images: PathLike | None
    gradients: bool
    steps: int | None
    save_inputs: PathLike | None
    recorded_inputs: PathLike | None
    recorded_outputs: PathLike | None
    offline: bool
    names: PathLike | None


@checked
def parity(
    *what: Any, progress: Progress = quiet, **options: Unpack[ParityOptions]
) -> ParityResult | SavedResult:
    """Prove that every runtime computes the same function, against PyTorch in float64.

    Args:
        *what: models, which get seeded weights in which no value is left at its initial one; or files and
            what `fetch` takes, every further one of which is compared with the first too; or, with `inputs`,
            NETs: a torch.nn.Module or a mindspore.nn.Cell, the text that names what makes one, an ONNX or a
            .mindir file, what `triport.from_onnx` or `triport.model` returns. They get seeded weights too,
            and an object its own back; `weights="own"` compares with those that it has.
        progress: is told each step.
        **options: weights, runtimes, precision, ... as `triport.parity.session.ParityRequest` has them.

    Returns:
        A report on each. Its `passed` is False where anything differs by more than the noise that the
        precision itself makes. With `save_inputs`, what was written there to be run elsewhere.

    Raises:
        triport.Error: nothing was named, the options do not go together, or a file fits no model.

    Example:
        >>> import triport
        >>> done = triport.parity("res2net_digits", runtimes=["pytorch"])
        >>> done.passed, [pair["candidate"] for pair in done.to_dict()["models"][0]["pairs"]]
        (True, ['pytorch'])
    """
    from triport.parity.session import Listener, run, save

    request = request_of(what, progress, **options)
    return run(request, Listener(progress)) if request.save_inputs is None else save(request)


def request_of(
    what: Sequence[Any], progress: Progress = quiet, **options: Unpack[ParityOptions]
) -> ParityRequest:
    """Return what `parity` is asked, with every source that lies elsewhere as the file that was brought here.

    Where all are published weights of one model, that is what the files must be of.
    """
    from triport.parity.session import ParityRequest
    from triport.reference_models.spec import get_model

    asked: dict[str, Any] = dict(options)
    if isinstance(runtimes := asked.get("runtimes"), str):
        asked["runtimes"] = runtimes.split(",")
    asked["inputs"] = input_texts(asked.get("inputs", ()))
    for name in ("runtimes", "batch_sizes", "sizes"):
        if asked.get(name) is not None:
            asked[name] = tuple(one.strip() if isinstance(one, str) else one for one in asked[name])
    for name in ("images", "save_inputs", "recorded_inputs", "recorded_outputs", "names"):
        asked[name] = path_or_none(asked.get(name))
    offline = bool(asked.pop("offline", False))
    found = [located(as_net(one), progress, offline) for one in what]
    if asked.get("weights") is not None:
        asked["weights"] = _text(located(asked["weights"], progress, offline)[0])
    names = dict.fromkeys(weights for _, weights in found)
    if names and None not in names and not asked.get("model"):
        models = {get_model(name).name for name in names if name}
        asked["model"] = next(iter(names)) if len(names) == 1 else models.pop() if len(models) == 1 else None
    return ParityRequest(what=tuple(_text(one) for one, _ in found), **asked)


def _text(source: Any) -> Any:
    """Return a path as a text; a Module or a Cell stays what it is."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else source
