"""What the difference costs on labelled images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triport.converters.identification.identify import IdentifyError
from triport.parity.imagenet.report import pair_difference, pair_verdict
from triport.parity.imagenet.session import Done, EvaluateRequest, run
from triport.reference_models.errors import counted

from .finding import Finding
from .preparation import preparations, profile
from .sides import Sides


@dataclass(frozen=True, slots=True)
class Images:
    """Labelled images to score both files on, as `evaluate` takes them."""

    data: Path
    labels: Path | None = None
    classes: Path | None = None
    limit: int | None = None
    allow_subset: bool = False


def accuracy_finding(sides: Sides, images: Images, device: str, tell: Callable[[str], None]) -> Finding:
    """Score both files, each with its own preprocessing, and say what the preprocessing alone costs."""
    try:
        return _measured(sides, images, device, tell)
    except IdentifyError as error:
        return Finding("accuracy", None, f"the accuracy was not measured: {str(error).splitlines()[0]}")


def _measured(sides: Sides, images: Images, device: str, tell: Callable[[str], None]) -> Finding:
    done = _scored(sides.paths, (), images, device, tell)
    assert done.pair is not None
    first, second = (one.top1_percent for one in done.evaluations)
    figures = {
        "images": done.pair.images,
        "top1_percent": [first, second],
        "difference_percent": done.pair.difference_percent,
        "p_value": done.pair.p_value,
    }
    details = [pair_difference(done.pair), pair_verdict(done.pair)]
    if (alone := _preparation_alone(sides, images, device, tell)) is not None:
        figures["preprocessing_alone_percent"] = alone
        details.append(
            f"preprocessing alone, the first file's weights with the second's: {alone:+.2f} points"
        )
    sentence = f"top-1 on {counted(done.pair.images, 'image')}: {first:.2f} % and {second:.2f} %"
    return Finding("accuracy", done.pair.equal, sentence, tuple(details), figures)


def _preparation_alone(
    sides: Sides, images: Images, device: str, tell: Callable[[str], None]
) -> float | None:
    mine, theirs = (one.preprocess for one in preparations(sides))
    if mine is None or theirs is None or mine == theirs:
        return None
    both = (sides.paths[0], sides.paths[0])
    done = _scored(both, (profile(mine), profile(theirs)), images, device, tell)
    assert done.pair is not None
    return done.pair.difference_percent


def _scored(
    paths: tuple[Path, Path],
    profiles: tuple[str, ...],
    images: Images,
    device: str,
    tell: Callable[[str], None],
) -> Done:
    request = EvaluateRequest(
        what=[str(path) for path in paths],
        data=images.data,
        labels=images.labels,
        classes=images.classes,
        device=device,
        profile=profiles,
        limit=images.limit,
        allow_subset=images.allow_subset,
    )
    done = run(request, tell)
    assert isinstance(done, Done)
    return done
