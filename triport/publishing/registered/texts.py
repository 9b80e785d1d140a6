"""A folder's texts, made of nothing but the manifest: what `publish` writes and `verify` expects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from triport.converters.statements.preparation import Preparation
from triport.parity.but_for import ButForKernels
from triport.parity.check import ModelReport, Pair
from triport.parity.judge.comparison import Comparison
from triport.parity.reports.page import page_of
from triport.publishing.folder import CARD_FILE
from triport.reference_models.program import FROM_CHECKOUT, started_as
from triport.reference_models.spec import Preprocess, get_model

from . import card
from .config import config_of
from .files import CONFIG_FILE, NETWORK_FILES, REPORT_FILE
from .networks import standalone


def texts_of(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every text file but the card, which lists the others."""
    spec = get_model(manifest["model"])
    num_classes = manifest["num_classes"]
    config = config_of(spec, num_classes, manifest["classes"], preprocess_of(manifest))
    yield CONFIG_FILE, json.dumps(config, indent=1, ensure_ascii=False) + "\n"
    for runtime, name in NETWORK_FILES.items():
        yield name, standalone(spec, runtime, num_classes, manifest["triport"])
    with started_as(FROM_CHECKOUT):  # the same text wherever it is made again
        page = page_of([report_of(manifest)], title=f"{spec.name}: parity")
    yield REPORT_FILE, page


def card_of(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and text of the card."""
    return CARD_FILE, card.written(manifest)


def preprocess_of(manifest: Mapping[str, Any]) -> Preprocess:
    """Return how images are prepared."""
    stated = {key: value for key, value in manifest["preprocess"].items() if key != "stated_by"}
    return Preprocess(**{**stated, "mean": tuple(stated["mean"]), "std": tuple(stated["std"])})


def preparation_of(manifest: Mapping[str, Any]) -> Preparation:
    """Return the same with how it is known, as the manifest's files state it."""
    how, _, by = manifest["preprocess"]["stated_by"].partition(": ")
    if how == "Assumed":
        return Preparation(preprocess_of(manifest), "assumed", by)
    return Preparation(
        preprocess_of(manifest), "stated", manifest["preprocess"]["stated_by"].removeprefix("Stated by ")
    )


def parity_entry(report: ModelReport, largest: float, not_run: list[dict[str, str]]) -> dict[str, Any]:
    """Return a report as the manifest has it: without times, which differ from run to run.

    Args:
        report: of the source.
        largest: the reference's largest logit.
        not_run: what could not be compared, as "what", and why, as "why".
    """
    return {
        "reference": report.pairs[0].reference,
        "weights": report.weights,
        "input_shape": list(report.input_shape),
        "inputs": report.inputs,
        "noise": report.noise if math.isfinite(report.noise) else None,
        "largest_logit": largest,
        "files": dict(report.files),
        "pairs": [
            {
                "candidate": pair.candidate,
                "device": pair.device,
                "max_abs": pair.comparison.max_abs,
                "max_rel": pair.comparison.max_rel,
                "tolerance": pair.comparison.tolerance,
                "top1_agreement": pair.comparison.top1_agreement,
                "passed": pair.comparison.passed,
                **({"but_for": _entry_of(pair.but_for)} if pair.but_for else {}),
                "versions": dict(pair.versions),
            }
            for pair in report.pairs
        ],
        "not_run": not_run,
    }


def _entry_of(but_for: ButForKernels) -> dict[str, Any]:
    return {"functions": list(but_for.functions), "how": but_for.how, "off": but_for.off}


def _but_for(entry: Mapping[str, Any]) -> ButForKernels:
    return ButForKernels(tuple(entry["functions"]), entry["how"], entry["off"])


def report_of(manifest: Mapping[str, Any]) -> ModelReport:
    """Return the report that the manifest's parity is of."""
    entry = manifest["parity"]
    pairs = tuple(
        Pair(
            entry["reference"],
            pair["candidate"],
            pair["device"],
            Comparison(
                max_abs=pair["max_abs"],
                max_rel=pair["max_rel"],
                needed_tolerance=pair["max_rel"],
                tolerance=pair["tolerance"],
                top1_agreement=pair["top1_agreement"],
                passed=pair["passed"],
            ),
            0.0,
            pair["versions"],
            but_for=_but_for(pair["but_for"]) if "but_for" in pair else None,
        )
        for pair in entry["pairs"]
    )
    return ModelReport(
        model=manifest["model"],
        weights=entry["weights"],
        input_shape=tuple(entry["input_shape"]),
        noise=math.inf if entry["noise"] is None else entry["noise"],
        pairs=pairs,
        reference_seconds=0.0,
        inputs=entry["inputs"],
        files=entry["files"],
    )
