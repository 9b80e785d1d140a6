"""The page of one network: its accuracy, what it confuses, its worst images, and its calibration."""

from __future__ import annotations

from triport.parity.pages import Facts, render

from .dataset import printable
from .evaluate import Evaluation
from .mistakes import Mistakes
from .report import short_name
from .thumbnails import thumbnail

_SHOWN = 100


def model_page(name: str, evaluation: Evaluation, mistakes: Mistakes, facts: Facts = ()) -> str:
    """Return the page as HTML that fetches nothing; at most 100 confusions and images are shown."""
    names = mistakes.dataset.class_names
    worst = [
        {
            "thumbnail": thumbnail(mistakes.dataset.samples[one.position]),
            "image": printable(mistakes.dataset.samples[one.position].name),
            "label": short_name(names[one.label]),
            "best": short_name(names[one.best]),
            "confidence": one.confidence,
        }
        for one in mistakes.worst()[:_SHOWN]
    ]
    confusions = [
        (short_name(names[label]), short_name(names[best]), count)
        for (label, best), count in mistakes.confusions.most_common(_SHOWN)
    ]
    verdict = evaluation.verdict()
    return render(
        "model.html",
        facts=facts,
        name=name,
        evaluation=evaluation,
        published=evaluation.published(),
        verdict=verdict,
        mistakes=mistakes,
        worst=worst,
        confusions=confusions,
    )
