"""README.md of a network of one's own, made of nothing but the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from triport.converters.published import MODEL_FILE
from triport.parity.reference import OF_A_GRAPH, REFERENCE, WITHOUT_TORCH
from triport.publishing import card
from triport.publishing.folder import CARD_FILE
from triport.publishing.licenses import hub_metadata
from triport.publishing.texts import other_version

from .files import is_of_onnx

_REFERENCES = {
    REFERENCE: "PyTorch in float64",
    WITHOUT_TORCH: "MindSpore in float32",
    OF_A_GRAPH: "ONNX Runtime in float32 without its optimiser",
}


def texts_of(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield nothing: the card is the only text."""
    yield from ()


def card_of(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and text of the card."""
    runtimes = dict.fromkeys(net["runtime"] for net in values["nets"])
    metadata = {
        **hub_metadata(values["license"]),
        "library_name": "onnx",
        "tags": list(dict.fromkeys([*runtimes, "onnx"])),
    }
    start = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10**6)
    return CARD_FILE, f"---\n{start}---\n\n{_body(values)}"


def _body(values: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    parameters = [entry for entry in values["names"] if entry["role"] == "parameter"]
    first = [entry for entry in parameters if values["nets"][0]["file"] in entry["files"]]
    return environment.get_template("card.md").render(
        m=values,
        reference=_REFERENCES[values["parity"]["reference"]],
        files=[(name, file) for name, file in sorted(values["files"].items()) if name != CARD_FILE],
        as_it_is=is_of_onnx(values),
        parameters=len(first),
        in_graph=sum(MODEL_FILE in entry["files"] for entry in first),
    )


def text_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the card is not the one that the manifest makes."""
    name, expected = card_of(values)
    content = (folder / name).read_bytes()
    if content == expected.encode():
        return
    try:
        text = content.decode()
    except UnicodeDecodeError:
        yield f"{name}: is not UTF-8 text"
        return
    yield from (f"{problem}{other_version(values)}" for problem in card.problems_of(text, expected))
