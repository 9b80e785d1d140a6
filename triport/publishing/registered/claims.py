"""Whether a manifest agrees with itself, with the models that triport knows, and with what is published."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from triport.converters.formats import as_stated, formats
from triport.converters.identification.published_weights import published_as, why_not
from triport.converters.published import MANIFEST
from triport.publishing.compared import parity_problems, tolerance_problems
from triport.publishing.licenses import license_problems
from triport.reference_models.spec import ModelSpec, UnknownModelError, get_model

from .candidates import compared_with
from .files import what_of
from .measured import contradiction
from .origin import CLASSES_BESIDE, CLASSES_GIVEN, classes_stated_by, figures_of_publisher, read_classes
from .texts import preprocess_of


def claim_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a manifest says that cannot be so, each with the manifest's name."""
    try:
        spec = get_model(values["model"])
        if spec.name != values["model"]:
            raise UnknownModelError(f"{values['model']} is no model's name")
    except UnknownModelError as error:
        yield f"{MANIFEST}: {error}"
        return
    for find in (_model_problems, _origin_problems, _preprocess_problems, _parity_problems, _sample_problems):
        for problem in find(spec, values):
            yield f"{MANIFEST}: {problem}"


def _model_problems(spec: ModelSpec, values: Mapping[str, Any]) -> Iterator[str]:
    expected = {
        "family": spec.family,
        "timm": spec.timm_name,
        "same_weights_as": [{"model": other.model, "why": other.why} for other in spec.same_weights_as],
    }
    for key, right in expected.items():
        if values[key] != right:
            yield f"{key} is {as_stated(values[key])}, of {spec.name} it is {as_stated(right)}"
    classes = values["classes"]
    if len(classes) != values["num_classes"]:
        yield f"num_classes is {values['num_classes']}, and it names {len(classes)}"
    if len(set(classes)) != len(classes):
        yield "two classes have one name"
    weights = next((one for one in spec.weights if one.name == values["weights"]), None)
    stated = values["classes_stated_by"]
    if stated not in (CLASSES_GIVEN, CLASSES_BESIDE):
        if stated != classes_stated_by(False, values["num_classes"], weights):
            yield f"its classes' names are {as_stated(stated)}, which nothing shows"
        if tuple(classes) != read_classes(None, values["num_classes"]):
            yield f"its classes' names are not {stated}"
    yield from license_problems(values["license"])
    for name, entry in values["files"].items():
        if entry["what"] != what_of(name):
            yield f"calls {name} {as_stated(entry['what'])}, it is {as_stated(what_of(name))}"


def _origin_problems(spec: ModelSpec, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where weights or accuracies are claimed that the source's hash does not prove."""
    source = values["source"]
    if source["format"] not in formats() or (source["format"] == "onnx") != (source["runtime"] == "onnx"):
        yield f"its source is of the format {as_stated(source['format'])} and of {source['runtime']}"
    known = published_as(source["sha256"])
    weights = known.weights if known and known.spec.name == spec.name else None
    if values["weights"] != (weights.name if weights else None):
        yield (
            f"says that the weights are {values['weights']}, and the SHA-256 of its source is that of "
            f"{weights.name if weights else 'no published file of this model'}"
        )
    said = next((one for one in spec.weights if one.name == source["said_to_be"]), None)
    expected = {
        "said_to_be": said.name if said else None,
        "proof": known.proof if known and weights else None,
        "not_proven": why_not(said, source["sha256"]) if said and not weights else None,
    }
    for key, right in expected.items():
        if source[key] != right:
            yield f"source.{key} is {as_stated(source[key])}, expected {as_stated(right)}"
    published = [figure for figure in values["accuracy"] if figure["kind"] == "published"]
    theirs = list(figures_of_publisher(spec, weights))
    for figure in published:
        if figure not in theirs:
            yield (
                f"claims {figure['metric']} {figure['percent']} published for {figure['weights']}, which "
                "is no figure that triport knows of the source's file"
            )
    for figure in values["accuracy"]:
        if figure["kind"] == "measured" and figure["sha256"] != source["sha256"]:
            yield f"claims {figure['metric']} {figure['percent']} measured on another file than its source"
    yield from _measured_problems([figure for figure in values["accuracy"] if figure["kind"] == "measured"])


def _measured_problems(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield where measured percentages are no shares of their images, or contradict each other."""
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for figure in figures:
        run = {key: figure[key] for key in ("dataset", "images", "runtime", "device", "date")}
        runs.setdefault(json.dumps(run), []).append(figure)
    for found in runs.values():
        metrics = sorted(figure["metric"] for figure in found)
        stated = [figure["interval_percent"] for figure in found if figure["interval_percent"] is not None]
        if metrics != ["top-1 accuracy", "top-5 accuracy"] or len(stated) != 1:
            yield f"claims {', '.join(metrics)} measured; expected top-1 with its interval, and top-5"
            continue
        percent = {figure["metric"]: float(figure["percent"]) for figure in found}
        wrong = contradiction(percent, found[0]["images"], stated[0])
        if wrong is not None:
            yield f"claims an accuracy that cannot have been measured: {wrong}"


def _preprocess_problems(spec: ModelSpec, values: Mapping[str, Any]) -> Iterator[str]:
    prepared = preprocess_of(values)
    if prepared.crop_px != spec.input_size_px or prepared.resize_px < prepared.crop_px:
        yield (
            f"its images are resized to {prepared.resize_px} px and cut to {prepared.crop_px} px; "
            f"{spec.name} takes {spec.input_size_px} px"
        )
    named = next((one for one in spec.weights if one.name == values["weights"]), None)
    if named is not None and asdict(named.preprocess) != asdict(prepared):
        yield f"prepares images by {prepared}, the publisher of {named.name} by {named.preprocess}"


def _parity_problems(spec: ModelSpec, values: Mapping[str, Any]) -> Iterator[str]:
    parity = values["parity"]
    found = [pair["candidate"] for pair in parity["pairs"]] + [one["what"] for one in parity["not_run"]]
    missing = compared_with(parity["reference"]) - set(found)
    if missing:
        yield f"neither compares {', '.join(sorted(missing))} nor says why not"
    if len(set(found)) != len(found) or set(found) - compared_with(parity["reference"]):
        yield f"compares {', '.join(sorted(found))}: more than there is"
    yield from parity_problems(values, {"logits": _noise(values)}, lambda pair: {"logits": pair})
    for pair in parity["pairs"]:
        if abs(pair["max_abs"] - pair["max_rel"] * parity["largest_logit"]) > 1e-6 * pair["max_abs"] + 1e-12:
            yield f"{pair['candidate']}: max_abs and max_rel contradict each other"
    size = spec.input_size_px
    if parity["input_shape"][1:] != [3, size, size]:
        yield f"its parity is of images {parity['input_shape']}, {spec.name} takes {size} px"


def _noise(values: Mapping[str, Any]) -> float:
    """Return the noise of the logits; a manifest has null for what is not finite."""
    noise = values["parity"]["noise"]
    return math.inf if noise is None else float(noise)


def _sample_problems(spec: ModelSpec, values: Mapping[str, Any]) -> Iterator[str]:
    parity, sample, size = values["parity"], values["sample"], spec.input_size_px
    largest = max(map(abs, sample["logits"]))
    here = sample["tolerance"] * largest / parity["largest_logit"]
    said = f"its sample allows {here} of the largest logit"
    yield from tolerance_problems(said, here, _noise(values))
    if len(sample["logits"]) != values["num_classes"]:
        yield f"its sample has {len(sample['logits'])} logits, the model {values['num_classes']} classes"
    if not 0 < largest <= parity["largest_logit"] * (1 + 1e-6):
        yield f"its sample's largest logit is {largest}, its parity's {parity['largest_logit']}"
    if (
        sample["pixels"]["shape"] != [size, size, 3]
        or len(sample["pixels"]["base64"]) != -(-size * size * 3 // 3) * 4
    ):
        yield f"its sample is no image of {size} x {size} pixels"
    if sample["reference"] != parity["reference"]:
        yield f"its sample is by {sample['reference']}, its parity by {parity['reference']}"
