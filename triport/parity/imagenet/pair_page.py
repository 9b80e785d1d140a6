"""The page of a pair: figures, and the images whose best class differs, with thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from triport.parity.pages import Facts, render

from .dataset import printable
from .pair import PairTally
from .report import pair_difference, pair_verdict, short_name
from .thumbnails import thumbnail

_SHOWN = 200


class Scored(Protocol):
    """The accuracy of one of the two; `profile` says how its images were prepared."""

    @property
    def top1_percent(self) -> float:
        """Share of the images whose best class is right."""

    @property
    def top5_percent(self) -> float | None:
        """Share of the images whose class is among the best five, None where that is not known."""

    @property
    def top1_interval_percent(self) -> tuple[float, float]:
        """The 95 % interval of the top-1 accuracy."""

    @property
    def profile(self) -> object:
        """How images were prepared."""


@dataclass(frozen=True, slots=True)
class PageSide:
    """One of the two: its letter, what it was called on the command line, and its accuracy."""

    letter: str
    name: str
    evaluation: Scored


def pair_page(
    a: PageSide, b: PageSide, pair: PairTally, *, thumbnails: bool = True, facts: Facts = ()
) -> str:
    """Return the page as HTML that fetches nothing; the first 200 flips are shown, with thumbnails."""
    names = pair.dataset.class_names
    flips = []
    for flip in pair.flips[:_SHOWN]:
        sample = pair.dataset.samples[flip.position]
        flips.append(
            {
                "thumbnail": thumbnail(sample) if thumbnails else "",
                "image": printable(sample.name),
                "label": short_name(names[flip.label]),
                "a": short_name(names[flip.a]),
                "b": short_name(names[flip.b]),
                "a_right": flip.a == flip.label,
                "b_right": flip.b == flip.label,
            }
        )
    return render(
        "pair.html",
        facts=facts,
        a=a,
        b=b,
        pair=pair,
        flips=flips,
        verdict=pair_verdict(pair),
        difference=pair_difference(pair),
        classes=pair.classes()[:_SHOWN],
        class_names=names,
    )
