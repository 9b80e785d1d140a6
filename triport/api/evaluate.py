"""`triport.evaluate`: accuracy on labelled images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from .arguments import PathLike, Progress, path_or_none, quiet
from .checked import checked
from .networks import as_net
from .sources import located

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from triport.parity.imagenet.pair_of_rows import DoneWithRows
    from triport.parity.imagenet.session import Done

OneOrEach = str | Sequence[str]


class EvaluateOptions(TypedDict, total=False):
    """What `evaluate` takes besides; runtime, model, profile and precision are one for all, or one for each.

    Attributes:
        labels: classes of ILSVRC2012_val_*.JPEG: the devkit, or a list.
        classes: class folders' names, one a line, in the order of the outputs.
        runtime: where to run; left out, the file's own runtime.
        device: "cpu", "cuda:0", "npu:0".
        model: what a file must be a checkpoint of; left out, it is found.
        profile: preprocess as these weights do, or changes: "KEY=VALUE,...".
        precision: "float32", "tf32", "float16", "O2", "int8", ...
        compare_preprocessing: also score with usual mistakes undone or made.
        limit: score a fixed, stratified sample of so many images.
        allow_subset: the data set is meant to be a part.
        allow_duplicates: let files with the same bytes count each.
        batch_size: images that run at a time; None is 32, and on a CPU as many as its caches hold.
        workers: threads that decode, and on a CPU run ONNX files and known models; None is one a CPU.
        rows: write one CSV row per image there, as results come.
        resume: go on with the rows of a run that was stopped.
        keep_predictions: also keep every image's best five classes.
        offline: whether only what was brought before may be used.
    """

    labels: PathLike | None
    classes: PathLike | None
    runtime: OneOrEach
    device: str
    model: OneOrEach
    profile: OneOrEach
    precision: OneOrEach
    compare_preprocessing: bool
    limit: int | None
    allow_subset: bool
    allow_duplicates: bool
    batch_size: int | None
    workers: int | None
    rows: PathLike | None
    resume: bool
    keep_predictions: bool
    html: PathLike | None
    offline: bool


@checked
def evaluate(
    *what: Any,
    data: PathLike | None = None,
    progress: Progress = quiet,
    **options: Unpack[EvaluateOptions],
) -> Done | DoneWithRows:
    """Score a classifier on labelled images, beside the published accuracy where there is one.

    Two of them run on the same decoded images and are compared image by image.

    Args:
        *what: one or two of them: a checkpoint or ONNX file, a .mindir file, what `fetch` or
            `triport.from_onnx` returns, a torch.nn.Module or mindspore.nn.Cell with its weights, or the text
            that names its factory.
        data: labelled images: a folder of class folders, ILSVRC-2012's validation images as they come,
            WebDataset shards or Parquet files. Left out where both are files of rows.
        progress: is told each step.
        **options: runtime, device, limit, ... as `EvaluateOptions` lists them.

    Returns:
        The accuracies, and what a pair's images say. Its `passed` is False where an accuracy is lower
        than published, or one of a pair is better by more than chance.

    Raises:
        triport.Error: something of it is not there or does not fit.

    Example:
        >>> import triport
        >>> done = triport.evaluate(triport.SHIPPED, data="examples/digits/val")
        >>> done.passed, round(done.to_dict()["top1_percent"], 1)
        (True, 99.3)
    """
    from triport.parity.imagenet.session import EvaluateRequest, run

    asked: dict[str, Any] = dict(options)
    for name in ("runtime", "model", "profile", "precision"):
        value = asked.get(name, ())
        asked[name] = (value,) if isinstance(value, str) else tuple(value or ())
    for name in ("labels", "classes", "rows", "html"):
        asked[name] = path_or_none(asked.get(name))
    found = [located(as_net(one), progress, asked.get("offline", False)) for one in what]
    asked.pop("offline", None)
    if not asked["model"]:
        names = tuple(weights for _, weights in found)
        asked["model"] = names if any(names) else ()
    brought = tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one, _ in found)
    return run(EvaluateRequest(what=brought, data=path_or_none(data), **asked), progress)
