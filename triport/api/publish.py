"""`triport.publish` and `triport.verify`: a folder that carries its proof."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from triport.converters.formats.tensors import short
from triport.reference_models.spec import RUNTIMES, Runtime

from .arguments import ArgumentError, PathLike, Progress, path_or_none, quiet
from .checked import checked
from .networks import as_net, input_texts
from .sources import local_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from triport.publishing.session import Publication
    from triport.publishing.verify import Verification


class PublishOptions(TypedDict, total=False):
    """What `publish` takes besides; `triport.publishing.session.PublishRequest` says what each means."""

    nets: Sequence[Any]
    inputs: Sequence[Any]
    names: PathLike | None
    preprocessing: str | None
    dialects: Sequence[str]
    classes: PathLike | None
    accuracy: Sequence[str]
    push: str | None
    public: bool | None
    replace: bool
    delete_others: bool
    dry_run: bool
    offline: bool


@checked
def publish(
    source: PathLike,
    output: PathLike,
    *,
    model: str | None = None,
    license: str,
    progress: Progress = quiet,
    **options: Unpack[PublishOptions],
) -> Publication:
    """Make a folder of a checkpoint for every runtime, with a model card and a manifest that proves it.

    It needs all three runtimes, in which the files must compute the same.

    Args:
        source: any checkpoint file, or what `fetch` takes.
        output: the folder; nothing may be there.
        model: what the source is: a model, or published weights; None for a network of your own.
        license: of the weights, an SPDX identifier such as "apache-2.0".
        progress: is told each step.
        **options: nets, inputs, names and preprocessing of a network of your own, as
            `triport.publishing.own.network.OwnNetwork` has them; dialects, classes, accuracy, push, ... as
            `triport.publishing.session.PublishRequest` has them.

    Returns:
        What was made, with the digest of its manifest, and what was uploaded.

    Raises:
        triport.Error: what was asked for makes no sense, or a check failed; there is no folder then.
            Where only the upload failed, the error has the `publication`.

    Example:
        >>> import triport
        >>> done = triport.publish(
        ...     triport.SHIPPED, "digits", model="res2net_digits", license="apache-2.0"
        ... )
        >>> triport.verify("digits", digest=done.published.digest).passed
        True
    """
    from triport.publishing.own.network import OwnNetwork
    from triport.publishing.session import PublishRequest, run

    others: dict[str, Any] = {**options, "classes": path_or_none(options.get("classes"))}
    said = {name: others.pop(name, None) for name in ("nets", "inputs", "names", "preprocessing")}
    own = None
    if any(said.values()):
        own = OwnNetwork(
            tuple(map(as_net, said["nets"] or ())),
            input_texts(said["inputs"] or ()),
            path_or_none(said["names"]),
            said["preprocessing"],
        )
    path = local_path(source, progress, others.pop("offline", False))
    return run(PublishRequest(path, Path(output), model, license, own, **others), progress)


@checked
def verify(
    folder: PathLike,
    *,
    digest: str | None = None,
    runtimes: Sequence[Runtime] | str = RUNTIMES,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Verification:
    """Check a folder that `publish` made: hashes, structure, bits, claims, and the sample's logits.

    Hashes, structure, bits and claims need no framework; the sample runs in every runtime that is
    installed. Nothing in the folder is executed.

    Args:
        folder: the published folder.
        digest: what the manifest's must be, as the publisher gave it; None takes the manifest's word.
        runtimes: where to run the sample, as a sequence or as "mindspore,onnx".
        device: "cpu", "cuda:0", "npu:0".
        progress: is told each step.

    Returns:
        Every check. Its `passed` is False where one failed.

    Raises:
        triport.Error: it is no published folder.
    """
    from triport.publishing.verify import verify as run

    named = runtimes.split(",") if isinstance(runtimes, str) else runtimes
    asked = [name.strip() for name in named if name.strip()]
    unknown = [name for name in asked if name not in RUNTIMES]
    if unknown:
        raise ArgumentError(f"--runtimes {short(', '.join(unknown))}: known are {', '.join(RUNTIMES)}")
    return run(Path(folder), digest=digest, runtimes=asked, device=device, progress=progress)
