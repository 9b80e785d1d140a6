"""Makes a published folder from a checkpoint, or nothing: what does not pass every check is not published."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from triport.converters.convert import convert
from triport.converters.environment import prepare
from triport.converters.formats import Checkpoint
from triport.converters.formats.tensors import short
from triport.converters.identification.fit import Fit
from triport.converters.identification.published_weights import why_not
from triport.converters.names import get_dialect, reference_dialect
from triport.converters.provenance import FOLDED_KEY, source_dialect
from triport.converters.published import MODEL_FILE
from triport.converters.request import ConvertRequest
from triport.converters.statements.config_file import labels_of
from triport.converters.statements.preparation import Preparation
from triport.converters.versions.installed import installed_versions
from triport.publishing import manifest
from triport.publishing.finishing import date_given, finished
from triport.publishing.folder import MINDSPORE_FILE, PYTORCH_FILE, appearing, check_free
from triport.publishing.licenses import license_notes, license_of
from triport.publishing.outcome import PublishedFolder
from triport.reference_models.program import program
from triport.reference_models.spec import Dialect, Runtime, get_model
from triport.version import __version__

from .files import OPTIMIZED_FILE, dialect_file
from .ledger import ledger_of
from .measured import measured_figures
from .origin import (
    WeightsOrigin,
    classes_stated_by,
    figures_of_publisher,
    origin_of,
    read_classes,
)
from .proofs import inspected, parity_of, round_trip
from .texts import preparation_of

Progress = Callable[[str], None]


def publish(
    source: Path,
    output: Path,
    *,
    model: str,
    license: str,
    dialects: Sequence[str] = (),
    classes: Path | None = None,
    accuracy: Sequence[str] = (),
    progress: Progress = lambda step: None,
) -> PublishedFolder:
    """Make the folder `output`, complete and verified, or nothing.

    Args:
        source: any checkpoint file.
        output: the folder; nothing may be there.
        model: a model's or published weights' name.
        license: of the weights, an SPDX identifier: apache-2.0.
        dialects: publishers in whose names the weights are written besides.
        classes: a file with one class name a line; allows another number of classes than the model's.
        accuracy: files that `evaluate --json` wrote, as "FILE" or "DATA SET=FILE".
        progress: is told each step.

    Raises:
        NotPublishableError: a check was not passed.
        TriportError: the source or what was said of it is wrong, or a runtime is missing.
    """
    license, date = license_of(license), date_given()
    check_free(output)
    prepare()  # before any framework: the same kernels whatever is loaded first
    progress(f"inspecting {source.name}")
    checkpoint, found, sha256 = inspected(source, model, classes)
    origin = origin_of(checkpoint, found, sha256, model)
    known = {
        **_of_triport(),
        **_of_model(found, origin, classes, labels_of(checkpoint.path, found.num_classes)),
        "license": license,
        "date": date,
        "preprocess": {**asdict(origin.preprocess), "stated_by": origin.stated_by},
        "accuracy": _figures(found, origin, accuracy, sha256, date),
    }
    extra = dict(_extra_files(found, dialects))
    with appearing(output) as folder:
        prepared = preparation_of(known)
        dropped, round_trips = _convert(source, folder, found.spec.name, prepared, extra, progress)
        proof = parity_of(checkpoint, found, origin.preprocess, folder, source.name, progress)
        progress("writing the card and the manifest")
        values: dict[str, Any] = {
            **known,
            "source": _of_source(checkpoint, found, origin, sha256, dropped),
            "checks": {"inspection": "no problem found", "round_trip": round_trips, "parity": "equal"},
            "parity": proof.entry,
            "sample": proof.sample,
            "names": ledger_of(checkpoint, found, {**_files_of(found), **extra}),
        }
        content = finished(folder, values)
    return PublishedFolder(
        output, manifest.parsed(content), manifest.digest_of(content), tuple(_notes(values, classes))
    )


def _figures(
    found: Fit, origin: WeightsOrigin, accuracy: Sequence[str], sha256: str, date: str | None
) -> list[dict[str, Any]]:
    """Return the published accuracies of the weights, and those that were measured."""
    figures = list(figures_of_publisher(found.spec, origin.weights))
    for given in accuracy:
        figures += measured_figures(given, found.spec.name, sha256, origin.preprocess, date)
    return figures


def _files_of(found: Fit) -> dict[str, Dialect | None]:
    """Return whose names the weights have in each file that is always made; None is canonical."""
    return {
        MODEL_FILE: None,
        PYTORCH_FILE: reference_dialect(found.spec, "pytorch"),
        MINDSPORE_FILE: reference_dialect(found.spec, "mindspore"),
    }


def _of_triport() -> dict[str, Any]:
    """Return what the manifest says of the program that made it, and of what that ran with."""
    return {"schema": manifest.SCHEMA, "triport": __version__, "versions": installed_versions()}


def _of_model(
    found: Fit, origin: WeightsOrigin, classes: Path | None, beside: tuple[str, ...]
) -> dict[str, Any]:
    """Return what the manifest says of the model and its classes, and which published weights these are."""
    spec = found.spec
    return {
        "model": spec.name,
        "family": spec.family,
        "weights": origin.weights.name if origin.weights else None,
        "timm": spec.timm_name,
        "same_weights_as": [{"model": o.model, "why": o.why} for o in spec.same_weights_as],
        "num_classes": found.num_classes,
        "classes": list(read_classes(classes, found.num_classes, beside)),
        "classes_stated_by": classes_stated_by(
            classes is not None, found.num_classes, origin.weights, beside=bool(beside)
        ),
    }


def _of_source(
    checkpoint: Checkpoint,
    found: Fit,
    origin: WeightsOrigin,
    sha256: str,
    dropped: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return what the manifest says of the source file."""
    path, said = Path(checkpoint.path), origin.said_to_be
    return {
        "file": re.sub(r"[^\w.+-]", "_", path.name),
        "format": checkpoint.format,
        "runtime": checkpoint.runtime,
        "dialect": source_dialect(checkpoint.metadata, found.spec, found.dialect.name),
        "size": path.stat().st_size,
        "sha256": sha256,
        "said_to_be": said.name if said else None,
        "proof": origin.proof,
        "not_proven": why_not(said, sha256) if said and not origin.weights else None,
        "dropped": [{"name": short(name), "reason": reason} for name, reason in dropped],
    }


def _extra_files(found: Fit, dialects: Sequence[str]) -> Iterator[tuple[str, Dialect]]:
    """Yield the weights files with publishers' names that were asked for, with their dialects."""
    for name in dialects:
        runtimes = [
            runtime
            for runtime in ("mindspore", "pytorch")
            if any(d.name == name and d.runtime == runtime for d in found.spec.dialects)
        ]
        for runtime in runtimes or ("pytorch",):  # get_dialect says what there is
            yield dialect_file(name, runtime), get_dialect(found.spec, name, runtime)


def _convert(
    source: Path,
    folder: Path,
    model: str,
    prepared: Preparation,
    extra: Mapping[str, Dialect],
    progress: Progress,
) -> tuple[tuple[tuple[str, str], ...], list[dict[str, Any]]]:
    """Write the weights files and compare each with the source.

    Returns:
        What of the source was dropped, and why; and the manifest's entry for each file.
    """
    import onnx

    from triport.converters.onnx_export.optimize import optimized
    from triport.converters.onnx_export.written_model import set_metadata

    files: list[tuple[str, Runtime, str | None]] = [
        (PYTORCH_FILE, "pytorch", None),
        (MINDSPORE_FILE, "mindspore", None),
        *((name, dialect.runtime, dialect.name) for name, dialect in extra.items()),
        (MODEL_FILE, "onnx", None),  # last, because it takes longest
    ]
    round_trips = []
    for name, runtime, names in files:
        output = folder / name
        request = ConvertRequest(to=runtime, output=output, model=model, dialect=names, prepared=prepared)
        done = convert(source, request, progress)
        if name == PYTORCH_FILE:
            dropped = done.dropped
        progress(f"comparing {name} with the source")
        round_trips.append(round_trip(source, output))
    progress("folding BatchNorm")
    content = onnx.load(folder / MODEL_FILE)
    stated = {entry.key: entry.value for entry in content.metadata_props}
    folded = optimized(content)
    del folded.metadata_props[:]
    set_metadata(folded, {**stated, FOLDED_KEY: "BatchNorm"})
    (folder / OPTIMIZED_FILE).write_bytes(folded.SerializeToString(deterministic=True))
    return dropped, round_trips


def _notes(values: Mapping[str, Any], classes: Path | None) -> Iterator[str]:
    source = values["source"]
    if source["not_proven"]:
        yield (
            f"not verified: {source['file']} is not known to be {source['said_to_be']}: "
            f"{source['not_proven']}; its published accuracy is not claimed"
        )
    if not values["accuracy"]:
        where = (
            f"publish the published file itself (`{program()} models {values['model']}` says where it is), or"
        )
        known = any(one.url for one in get_model(values["model"]).weights)
        yield (
            f"no accuracy is claimed: {f'{where} ' if known else ''}measure with `evaluate --json` and give "
            "--accuracy"
        )
    if classes is None and values["classes_stated_by"].startswith("their numbers"):
        yield "the classes are called by their numbers; --classes FILE names them"
    if values["classes_stated_by"].startswith("assumed"):
        yield f"the classes' names are {values['classes_stated_by']}; --classes FILE names them"
    if values["preprocess"]["stated_by"].startswith("Assumed"):
        yield f"preprocessing: {values['preprocess']['stated_by']}"
    for one in values["parity"]["not_run"]:
        yield f"not run: {one['what']}: {one['why']}"
    yield from license_notes(values["license"])
    for other in values["same_weights_as"]:
        yield f"the same weights load into {other['model']}, which computes another function: see the card"
