"""The published folder of a model that triport knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triport.reference_models.spec import UnknownModelError, get_model
from triport.version import __version__

from . import card, ledger, schema
from .claims import claim_problems
from .config import config_problems
from .folder import CARD_FILE, CONFIG_FILE, EXPECTED, NETWORK_FILES, dialect_file, what_of
from .form import ContentCheck, Form, Values
from .samples import samples_run
from .structure import structure_problems
from .texts import card_of, other_version, texts_of


def _files(values: Values) -> tuple[frozenset[str], frozenset[str]]:
    """Return the files that are always made, and those with a publisher's names that could have been."""
    try:
        spec = get_model(values["model"])
    except UnknownModelError:
        return EXPECTED, frozenset()
    named = {dialect_file(dialect.name, dialect.runtime) for dialect in spec.dialects}
    return EXPECTED, frozenset(named)


def _text_problems(folder: Path, values: Values) -> Iterator[str]:
    """Yield where a text is not the one that this version of triport makes of the manifest."""
    other = other_version(values)
    for name, expected in (*texts_of(values), card_of(values)):
        content = (folder / name).read_bytes()
        if content == expected.encode():
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError:
            yield f"{name}: is not UTF-8 text"
            continue
        if name == CARD_FILE:
            yield from (f"{problem}{other}" for problem in card.problems_of(text, expected))
        elif name == CONFIG_FILE:
            yield from (f"{problem}{other}" for problem in config_problems(text, expected))
        elif name in NETWORK_FILES.values():
            yield f"{name}: is not the definition of {values['model']} that triport {__version__} has{other}"
        else:
            yield f"{name}: is not the report of the manifest's parity{other}"


REGISTERED = Form(
    rule=schema.MANIFEST_RULE,
    title=lambda values: str(values["model"]),
    files=_files,
    what_of=what_of,
    texts=texts_of,
    card=card_of,
    checks=(
        ContentCheck(
            "structure",
            lambda values: "ONNX checked; graphs and files state what the manifest says",
            structure_problems,
        ),
        ContentCheck(
            "bits", lambda values: f"{len(values['names'])} tensors, one SHA-256 each", ledger.folder_problems
        ),
        ContentCheck(
            "texts",
            lambda values: "card, config.json, networks and report are the manifest's",
            _text_problems,
        ),
        ContentCheck(
            "claims",
            lambda values: "the manifest agrees with itself and with what was published",
            lambda folder, values: claim_problems(values),
        ),
    ),
    samples=samples_run,
)
