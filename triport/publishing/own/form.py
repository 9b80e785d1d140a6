"""The published folder of a network of one's own, as `verify` sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triport.publishing.card_text import problems_of
from triport.publishing.form import ContentCheck, Form, Values

from .card import card_of
from .claims import claim_problems
from .files import files_of, what_of
from .sample import sample_problems, samples_run
from .schema import RULE
from .structure import signature_problems
from .weights import bits_problems


def _structure_problems(folder: Path, values: Values) -> Iterator[str]:
    yield from signature_problems(folder, values)
    yield from sample_problems(folder, values)


NETWORK = Form(
    rule=RULE,
    title=lambda values: str(values["network"]),
    files=files_of,
    what_of=what_of,
    texts=lambda values: iter(()),
    card=card_of,
    differs=lambda name, text, expected, values: problems_of(text, expected),
    checks=(
        ContentCheck(
            "structure",
            lambda values: "ONNX checked; graph and sample are the manifest's",
            _structure_problems,
        ),
        ContentCheck("bits", lambda values: f"{len(values['names'])} tensors by SHA-256", bits_problems),
        ContentCheck("texts", lambda values: "the card is the manifest's"),
        ContentCheck("claims", lambda values: "the manifest agrees with itself", claim_problems),
    ),
    samples=samples_run,
)
