"""The published folder of a model that triport knows."""

from __future__ import annotations

from collections.abc import Iterator

from triport.publishing.card_text import problems_of
from triport.publishing.folder import CARD_FILE
from triport.publishing.form import ContentCheck, Form, Values
from triport.version import __version__

from . import ledger, schema
from .claims import claim_problems
from .config import config_problems
from .files import CONFIG_FILE, NETWORK_FILES, files_of, what_of
from .samples import samples_run
from .structure import structure_problems
from .texts import card_of, texts_of


def _differs(name: str, text: str, expected: str, values: Values) -> Iterator[str]:
    """Yield how a text is not the one that the manifest makes."""
    if name == CARD_FILE:
        yield from problems_of(text, expected)
    elif name == CONFIG_FILE:
        yield from config_problems(text, expected)
    elif name in NETWORK_FILES.values():
        yield f"{name}: is not the definition of {values['model']} that triport {__version__} has"
    else:
        yield f"{name}: is not the report of the manifest's parity"


REGISTERED = Form(
    rule=schema.RULE,
    title=lambda values: str(values["model"]),
    files=files_of,
    what_of=what_of,
    texts=texts_of,
    card=card_of,
    differs=_differs,
    checks=(
        ContentCheck(
            "structure",
            lambda values: "ONNX checked; graphs and files state what the manifest says",
            structure_problems,
        ),
        ContentCheck(
            "bits", lambda values: f"{len(values['names'])} tensors, one SHA-256 each", ledger.folder_problems
        ),
        ContentCheck("texts", lambda values: "card, config.json, networks and report are the manifest's"),
        ContentCheck(
            "claims",
            lambda values: "the manifest agrees with itself and with what was published",
            lambda folder, values: claim_problems(values),
        ),
    ),
    samples=samples_run,
)
