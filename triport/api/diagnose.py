"""`triport.diagnose`: why do two files not give the same results?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from .arguments import PathLike, Progress, path_or_none, quiet
from .checked import checked
from .sources import local_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from triport.parity.diagnosis.finding import Diagnosis


class ImageOptions(TypedDict, total=False):
    """What `diagnose` takes of the images; as `evaluate` takes it.

    Attributes:
        labels: classes of ILSVRC2012_val_*.JPEG: the devkit, or a list.
        classes: class folders' names, one a line, in the order of the outputs.
        limit: score a fixed, stratified sample of so many images.
        allow_subset: the data set is meant to be a part.
    """

    labels: PathLike | None
    classes: PathLike | None
    limit: int | None
    allow_subset: bool


@checked
def diagnose(
    first: PathLike,
    second: PathLike,
    *,
    data: PathLike | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = quiet,
    **images: Unpack[ImageOptions],
) -> Diagnosis:
    """Find out why two files of one model do not give the same results.

    Weights, graph, precision, preprocessing and the order of the classes are looked at one after the other.

    Args:
        first: a checkpoint or ONNX file, or what `fetch` takes: the one that is right.
        second: the other one.
        data: labelled images; both are scored on them.
        device: "cpu", "cuda:0", "npu:0".
        seed: of the inputs on which outputs are compared.
        progress: is told each step.
        **images: labels, classes, limit and allow_subset, as `ImageOptions` lists them.

    Returns:
        What was found, with a sentence that it comes to. Its `passed` is True where nothing differs.

    Raises:
        triport.Error: a file cannot be read, or they have no model in common.

    Example:
        >>> import triport
        >>> found = triport.diagnose(triport.SHIPPED, triport.SHIPPED)
        >>> found.passed, found.causes
        (True, ())
    """
    from triport.parity.diagnosis.accuracy import Images
    from triport.parity.diagnosis.session import DiagnoseRequest, run

    scored = None
    if data is not None:
        scored = Images(
            Path(data),
            path_or_none(images.get("labels")),
            path_or_none(images.get("classes")),
            images.get("limit"),
            images.get("allow_subset", False),
        )
    files = [local_path(one, progress) for one in (first, second)]
    return run(DiagnoseRequest(files[0], files[1], scored, device, seed), progress)
