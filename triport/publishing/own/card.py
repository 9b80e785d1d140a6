"""README.md of a network of one's own, made of nothing but the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triport.converters.published import MODEL_FILE
from triport.parity.reference import OF_A_GRAPH, REFERENCE, WITHOUT_TORCH
from triport.publishing.card_text import card_text, rendered
from triport.publishing.folder import CARD_FILE
from triport.publishing.licenses import hub_metadata

from .files import is_as_it_is, weights_files

_REFERENCES = {
    REFERENCE: "PyTorch in float64",
    WITHOUT_TORCH: "MindSpore in float32",
    OF_A_GRAPH: "ONNX Runtime in float32 without its optimiser",
}


def card_of(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and text of the card."""
    runtimes = dict.fromkeys(net["runtime"] for net in values["nets"])
    metadata = {
        **hub_metadata(values["license"]),
        "library_name": "onnx",
        "tags": list(dict.fromkeys([*runtimes, "onnx"])),
    }
    return CARD_FILE, card_text(metadata, _body(values))


def _body(values: Mapping[str, Any]) -> str:
    parameters = [entry for entry in values["names"] if entry["role"] == "parameter"]
    first = [entry for entry in parameters if values["nets"][0]["file"] in entry["files"]]
    return rendered(
        __package__,
        m=values,
        reference=_REFERENCES[values["parity"]["reference"]],
        files=[(name, file) for name, file in sorted(values["files"].items()) if name != CARD_FILE],
        as_it_is=is_as_it_is(values),
        is_alone=not weights_files(values),
        parameters=len(first),
        in_graph=sum(MODEL_FILE in entry["files"] for entry in first),
    )
