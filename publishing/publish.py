"""Makes a published folder from a checkpoint, or nothing: what does not pass every check is not published."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import Any

from converters.convert import convert
from converters.environment import prepare
from converters.formats import FormatError
from converters.identify import Fit
from converters.names import get_dialect, reference_dialect
from converters.provenance import FOLDED_KEY, VERSION
from converters.published import MODEL_FILE
from parity.check import ModelReport
from parity.report_html import page_of
from reference_models.errors import TriportError, listed
from reference_models.spec import Dialect, Preprocess, Runtime

from . import card, manifest
from .config import config_of, timm_name
from .folder import (
    CARD_FILE,
    CONFIG_FILE,
    MINDSPORE_FILE,
    NETWORK_FILES,
    OPTIMIZED_FILE,
    PYTORCH_FILE,
    REPORT_FILE,
    appearing,
    check_free,
    dialect_file,
)
from .ledger import ledger_of
from .networks import standalone
from .origin import measured_figures, origin_of, published_figures, read_classes
from .proofs import NotPublishableError, inspected, parity_of, round_trip

Progress = Callable[[str], None]

_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_VERSIONS = (
    "huggingface_hub",
    "mindspore",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "safetensors",
    "torch",
)


class PublishError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class Published:
    """A folder that was made.

    Attributes:
        folder: where it is.
        manifest: what triport.json says.
        digest: of the manifest; whoever knows it can tell a forged folder.
        notes: what the publisher should know.
    """

    folder: Path
    manifest: Mapping[str, Any]
    digest: str
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `publish --json` prints."""
        made = self.manifest
        return {
            "folder": str(self.folder),
            "model": made["model"],
            "weights": made["weights"],
            "digest": self.digest,
            "files": made["files"],
            "parity": made["parity"],
            "accuracy": made["accuracy"],
            "checks": made["checks"],
            "notes": list(self.notes),
        }


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
) -> Published:
    """Make the folder `output`, complete and verified, or nothing.

    Args:
        source: any checkpoint file.
        output: the folder; nothing may be there.
        model: a model's or published weights' name.
        license: of the weights, as the hub calls it: apache-2.0.
        dialects: publishers in whose names the weights are written besides.
        classes: a file with one class name a line; allows another number of classes than the model's.
        accuracy: files that `evaluate --json` wrote, as "FILE" or "DATA SET=FILE".
        progress: is told each step.

    Raises:
        NotPublishableError: a check was not passed.
        TriportError: the source or what was said of it is wrong, or a runtime is missing.
    """
    if not _LICENSE.fullmatch(license):
        raise PublishError(f"--license {license!r}: expected a license's short name, such as apache-2.0")
    date = _date()
    check_free(output)
    prepare()  # before any framework: the same kernels whatever is loaded first
    progress(f"inspecting {source.name}")
    checkpoint, found, sha256 = inspected(source, model, classes)
    spec, num_classes = found.spec, found.num_classes
    origin = origin_of(checkpoint, found, sha256, model)
    names = read_classes(classes, num_classes)
    figures = list(published_figures(spec, origin.weights))
    for given in accuracy:
        figures += measured_figures(given, spec.name, origin.preprocess, date)
    extra = dict(_extra_files(found, dialects))
    with appearing(output) as folder:
        dropped, round_trips = _convert(source, folder, spec.name, extra, progress)
        columns: dict[str, Dialect | None] = {
            MODEL_FILE: None,
            PYTORCH_FILE: reference_dialect(spec, "pytorch"),
            MINDSPORE_FILE: reference_dialect(spec, "mindspore"),
            **extra,
        }
        report, parity, sample = parity_of(
            checkpoint, found, origin.preprocess, folder, source.name, progress
        )
        progress("writing the card and the manifest")
        _write_texts(folder, found, names, origin.preprocess, report)
        values: dict[str, Any] = {
            "schema": manifest.SCHEMA,
            "triport": VERSION,
            "model": spec.name,
            "family": spec.family,
            "weights": origin.weights.name if origin.weights else None,
            "timm": timm_name(spec),
            "same_weights_as": [{"model": o.model, "why": o.why} for o in spec.same_weights_as],
            "num_classes": num_classes,
            "license": license,
            "date": date,
            "source": {
                "file": re.sub(r"[^\w.+-]", "_", Path(checkpoint.path).name),
                "format": checkpoint.format,
                "runtime": checkpoint.runtime,
                "dialect": found.dialect.name,
                "size": Path(checkpoint.path).stat().st_size,
                "sha256": sha256,
                "is_the_published_file": origin.same_file,
                "dropped": [{"name": name, "reason": reason} for name, reason in dropped],
            },
            "preprocess": {**asdict(origin.preprocess), "stated_by": origin.stated_by},
            "checks": {
                "inspection": "no problem found",
                "round_trip": round_trips,
                "parity": "equal",
            },
            "parity": parity,
            "accuracy": figures,
            "sample": sample,
            "versions": {name: packages.version(name) for name in _VERSIONS},
            "names": ledger_of(checkpoint, found, columns),
        }
        _write_card_and_manifest(folder, values)
        _check_folder(folder)
        content = manifest.read(folder)
    return Published(
        output, manifest.parsed(content), manifest.digest_of(content), tuple(_notes(values, classes))
    )


def _date() -> str | None:
    """Return the date that SOURCE_DATE_EPOCH gives, None where it is not set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(int(epoch)))
    except (ValueError, OverflowError, OSError):
        raise PublishError(f"SOURCE_DATE_EPOCH={epoch!r}: expected seconds since 1970") from None


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
    source: Path, folder: Path, model: str, extra: Mapping[str, Dialect], progress: Progress
) -> tuple[tuple[tuple[str, str], ...], list[dict[str, Any]]]:
    """Write the weights files and compare each with the source.

    Returns:
        What of the source was dropped, and why; and the manifest's entry for each file.
    """
    import onnx

    from converters.onnx_model import set_metadata
    from converters.onnx_optimize import optimized

    files: list[tuple[str, Runtime, str | None]] = [
        (PYTORCH_FILE, "pytorch", None),
        (MINDSPORE_FILE, "mindspore", None),
        *((name, dialect.runtime, dialect.name) for name, dialect in extra.items()),
        (MODEL_FILE, "onnx", None),  # last, because it takes longest
    ]
    round_trips = []
    for name, runtime, names in files:
        output = folder / name
        done = convert(source, to=runtime, model=model, dialect=names, output=output, progress=progress)
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


def _write_texts(
    folder: Path, found: Fit, classes: Sequence[str], preprocess: Preprocess, report: ModelReport
) -> None:
    spec, num_classes = found.spec, found.num_classes
    config = config_of(spec, num_classes, classes, preprocess)
    _write(folder / CONFIG_FILE, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    for runtime, name in NETWORK_FILES.items():
        _write(folder / name, standalone(spec, runtime, num_classes, VERSION))
    _write(folder / REPORT_FILE, page_of([report], title=f"{spec.name}: parity"))


def _write_card_and_manifest(folder: Path, values: dict[str, Any]) -> None:
    """Write both: the card lists the other files, the manifest the card too."""
    written = [path.name for path in folder.iterdir()]
    values["files"] = {
        name: {**entry, "what": _what(name)} for name, entry in manifest.files_of(folder, written).items()
    }
    _write(folder / CARD_FILE, card.written(values))
    entry = manifest.files_of(folder, [CARD_FILE])[CARD_FILE]
    values["files"][CARD_FILE] = {**entry, "what": _what(CARD_FILE)}
    (folder / manifest.MANIFEST).write_bytes(manifest.written(values))


def _what(name: str) -> str:
    known = {
        MODEL_FILE: "ONNX, unfolded, PyTorch's parameter names",
        OPTIMIZED_FILE: "ONNX, BatchNorm folded",
        PYTORCH_FILE: "weights for PyTorch",
        MINDSPORE_FILE: "weights for MindSpore",
        CONFIG_FILE: "architecture, classes, preprocessing",
        CARD_FILE: "the model card",
        REPORT_FILE: "the parity report",
        NETWORK_FILES["pytorch"]: "the network in PyTorch",
        NETWORK_FILES["mindspore"]: "the network in MindSpore",
    }
    return known.get(name) or f"weights with the names of {name.split('.')[1]}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        raise FormatError(f"{path.name}: cannot be written: {error.strerror}") from None


def _check_folder(folder: Path) -> None:
    """Raise NotPublishableError if the finished folder does not verify."""
    from .verify import verify

    done = verify(folder, runtimes=())
    problems = [problem for check in done.checks for problem in check.problems]
    if problems:
        raise NotPublishableError(
            f"the folder does not verify, a fault of triport's:\n{listed(problems)}\nNothing was written"
        )


def _notes(values: Mapping[str, Any], classes: Path | None) -> Iterator[str]:
    if not values["accuracy"]:
        yield (
            "no accuracy is claimed: name the published weights with --model (`python cli.py models "
            f"{values['model']}` lists them), or give --accuracy"
        )
    if classes is None and values["num_classes"] != 1000:
        yield "the classes are called by their numbers; --classes FILE names them"
    if values["preprocess"]["stated_by"].startswith("nobody"):
        yield "nobody states how images are to be prepared: the card gives triport's default"
    for other in values["same_weights_as"]:
        yield f"the same weights load into {other['model']}, which computes another function: see the card"
