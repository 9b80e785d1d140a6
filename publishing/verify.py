"""Checks a published folder: nothing changed or missing, one set of bits, the same logits, no false claim.

What the folder holds is read as data; the network files in it are compared, never run. Hashes, structure,
bits and claims need no framework.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.formats import file_sha256
from converters.provenance import VERSION
from converters.published import MANIFEST, MODEL_FILE
from parity.compare import compare
from parity.noise import FLOAT32
from parity.runners.device import DeviceError
from reference_models.errors import TriportError
from reference_models.spec import RUNTIMES, Preprocess, get_model

from . import card, ledger, manifest
from .folder import (
    BOOKKEEPING,
    CARD_FILE,
    CONFIG_FILE,
    MINDSPORE_FILE,
    NETWORK_FILES,
    OPTIMIZED_FILE,
    PYTORCH_FILE,
    REPORT_FILE,
    FolderError,
)
from .runtimes import MissingRuntimeError, run
from .sample import read_sample

Progress = Callable[[str], None]

_EXPECTED = frozenset(
    {
        MODEL_FILE,
        OPTIMIZED_FILE,
        PYTORCH_FILE,
        MINDSPORE_FILE,
        CONFIG_FILE,
        CARD_FILE,
        REPORT_FILE,
        *NETWORK_FILES.values(),
    }
)
_RUN = {"pytorch": PYTORCH_FILE, "mindspore": MINDSPORE_FILE, "onnx": MODEL_FILE}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it was.
        status: "passed", "failed" or "not run".
        detail: what was found, in words.
        problems: everything that is wrong, each with the file's name.
    """

    name: str
    status: str
    detail: str
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what `verify --json` prints of it."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """A folder and what was found out about it; `digest` is the manifest's."""

    folder: Path
    model: str | None
    digest: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "failed" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return what `verify --json` prints."""
        return {
            "folder": str(self.folder),
            "model": self.model,
            "digest": self.digest,
            "passed": self.passed,
            "checks": [check.as_dict() for check in self.checks],
        }


def verify(
    folder: Path,
    *,
    digest: str | None = None,
    runtimes: Sequence[str] = RUNTIMES,
    device: str = "cpu",
    progress: Progress = lambda step: None,
) -> Verification:
    """Check a published folder.

    Where the manifest or a file is not what it was, the later checks are not run: they would read
    what nobody vouches for.

    Args:
        folder: the published folder.
        digest: what the manifest's must be, as the publisher gave it; None takes the manifest's word.
        runtimes: where to run the sample.
        device: `cpu`, `cuda[:i]` or `npu[:i]`.
        progress: is told each step.

    Raises:
        TriportError: it is no published folder, or of a newer schema.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder}: is not a folder; give one that `publish` made")
    content = manifest.read(folder)
    stated = manifest.digest_of(content)
    problem = manifest.problem_of(content)
    if problem is None and digest is not None and stated != digest.removeprefix("sha256:").lower():
        problem = f"its digest is {stated}, expected {digest}: this is not the folder that was published"
    values = manifest.parsed(content) if problem is None else {}
    if problem is None and not values.keys() >= manifest.REQUIRED:
        problem = f"lacks {', '.join(sorted(manifest.REQUIRED - values.keys()))}"
    checks = [_check("manifest", f"sha256:{stated}", [f"{MANIFEST}: {problem}"] if problem else [])]
    if problem:
        checks += [_not_run(name, "the manifest cannot be relied on") for name in _NAMES[1:]]
        return Verification(folder, None, stated, tuple(checks))
    progress("hashing the files")
    problems, ignored = _file_problems(folder, values["files"])
    beside = f"; not part of it: {', '.join(ignored)}" if ignored else ""
    checks.append(_check("files", f"{len(values['files'])} files by SHA-256{beside}", problems))
    if problems:
        checks += [_not_run(name, "the files are not those of the manifest") for name in _NAMES[2:]]
    else:
        for name, detail, find in (
            ("structure", "ONNX checked, config.json and input sizes agree", _structure_problems),
            ("bits", f"{len(values['names'])} tensors, one SHA-256 each", _bit_problems),
            ("claims", "the card says what the manifest says", _claim_problems),
        ):
            progress(f"checking {name}")
            checks.append(_check(name, detail, _safely(find, folder, values)))
        if checks[-1].status == "passed" and values["triport"] != VERSION:
            checks[-1] = Check(
                "claims",
                "passed",
                f"metadata only: triport {values['triport']} wrote the card, not {VERSION}",
            )
        checks += _runtime_checks(folder, values, runtimes, device, progress)
    return Verification(folder, str(values["model"]), stated, tuple(checks))


_NAMES = ("manifest", "files", "structure", "bits", "claims", "sample")


def _check(name: str, detail: str, problems: Sequence[str]) -> Check:
    return Check(name, "failed" if problems else "passed", detail, tuple(problems))


def _not_run(name: str, why: str) -> Check:
    return Check(name, "not run", why)


def _safely(
    find: Callable[[Path, Mapping[str, Any]], Iterator[str]], folder: Path, values: Mapping[str, Any]
) -> list[str]:
    """Return the problems that a check finds; what makes it fail is one too."""
    try:
        return list(find(folder, values))
    except TriportError as error:
        return [str(error)]
    except Exception as error:  # whatever a forged file makes a parser raise is a finding
        return [f"{MANIFEST}, or a file that it lists, is not of the form that triport writes: {error!r}"]


def _file_problems(folder: Path, files: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what is wrong with the files, and which others are a hub's bookkeeping."""
    problems, ignored = [], []
    for name in sorted(_EXPECTED - files.keys()):
        problems.append(f"{MANIFEST}: does not list {name}")
    for name, entry in files.items():
        path = folder / name
        if Path(name).name != name or name == MANIFEST:
            problems.append(f"{MANIFEST}: lists {name!r}, which is no file of the folder")
        elif not path.is_file():
            problems.append(f"{name}: is missing")
        elif path.stat().st_size != entry["size"]:
            problems.append(f"{name}: has {path.stat().st_size:,} bytes, the manifest says {entry['size']:,}")
        elif file_sha256(path) != entry["sha256"]:
            problems.append(f"{name}: was changed: its SHA-256 is not the manifest's")
    for path in sorted(folder.iterdir()):
        if path.name in BOOKKEEPING:
            ignored.append(path.name)
        elif path.name not in files and path.name != MANIFEST:
            problems.append(f"{path.name}: is not in the manifest")
    return problems, ignored


def _structure_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where ONNX files, config.json and networks are not what the manifest's model needs."""
    import onnx

    preprocess, classes = values["preprocess"], values["num_classes"]
    size = preprocess["crop_px"]
    for name in (MODEL_FILE, OPTIMIZED_FILE):
        model = onnx.load(folder / name, load_external_data=False)
        if any(tensor.data_location for tensor in model.graph.initializer):
            yield f"{name}: takes data from another file"
            continue
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            yield f"{name}: {str(error).splitlines()[0]}"
        yield from _signature_problems(name, model, size, classes)
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    timm = config["pretrained_cfg"]
    stated = {
        "architecture": (config["architecture"], values["timm"] or values["model"]),
        "num_classes": ([config["num_classes"], timm["num_classes"]], [classes, classes]),
        "class names": ([len(config["label_names"]), len(config["id2label"])], [classes, classes]),
        "input_size": (timm["input_size"], [3, size, size]),
        "mean": (timm["mean"], preprocess["mean"]),
        "std": (timm["std"], preprocess["std"]),
        "interpolation": (timm["interpolation"], preprocess["interpolation"]),
    }
    for key, (found, expected) in stated.items():
        if found != expected:
            yield f"{CONFIG_FILE}: {key} is {found}, the manifest says {expected}"
    if values["triport"] == VERSION:
        from .networks import standalone

        for runtime, name in NETWORK_FILES.items():
            expected = standalone(get_model(values["model"]), runtime, classes, VERSION)
            if (folder / name).read_text(encoding="utf-8") != expected:
                yield f"{name}: is not the definition of {values['model']} that triport {VERSION} has"


def _signature_problems(name: str, model: Any, size_px: int, classes: int) -> Iterator[str]:
    from converters.onnx_model import INPUT, LOGITS

    for values, expected, dims in (
        (model.graph.input, INPUT, [3, size_px, size_px]),
        (model.graph.output, LOGITS, [classes]),
    ):
        shapes = {
            value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in values
        }
        if shapes != {expected: [0, *dims]}:
            yield f"{name}: expected {expected} (N, {', '.join(map(str, dims))}), found {shapes}"


def _bit_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a weights file's tensors are not the ledger's."""
    entries = values["names"]
    files = dict.fromkeys(file for entry in entries for file in entry["files"])
    for required in (MODEL_FILE, PYTORCH_FILE, MINDSPORE_FILE):
        if required not in files:
            yield f"{MANIFEST}: its ledger has no names for {required}"
    for file in files:
        yield from ledger.problems_of(folder, file, entries)


def _claim_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    yield from card.problems_of((folder / CARD_FILE).read_text(encoding="utf-8"), values, VERSION)
    for pair in values["parity"]["pairs"]:
        if not (pair["passed"] and pair["max_rel"] <= pair["tolerance"]):
            yield f"{MANIFEST}: {pair['candidate']} did not pass parity"
    parity, sample = values["parity"], values["sample"]
    allowed = FLOAT32.tolerance_of(parity["noise"])
    here = sample["tolerance"] * max(map(abs, sample["logits"])) / parity["largest_logit"]
    for tolerance in (here, *(pair["tolerance"] for pair in parity["pairs"])):
        if not tolerance <= allowed * (1 + 1e-6):  # the logits are rounded
            yield f"{MANIFEST}: allows {tolerance}, and the model's noise only {allowed}"


def _runtime_checks(
    folder: Path, values: Mapping[str, Any], runtimes: Sequence[str], device: str, progress: Progress
) -> Iterator[Check]:
    """Yield one check a runtime and file: the sample's logits."""
    if not runtimes:
        return
    stated = {key: value for key, value in values["preprocess"].items() if key != "stated_by"}
    try:
        images, expected = read_sample(values["sample"], Preprocess(**stated))
        tolerance = float(values["sample"]["tolerance"])
    except (KeyError, TypeError, ValueError) as error:
        yield _check("sample", "", [f"{MANIFEST}: its sample cannot be read: {error!r}"])
        return
    files = [(runtime, _RUN[runtime]) for runtime in RUNTIMES]
    for runtime, file in [*files, ("onnx", OPTIMIZED_FILE)]:
        if runtime not in runtimes:
            continue
        progress(f"running {file}")
        name = f"sample: {file}"
        try:
            logits, version = run(runtime, folder / file, values["model"], device, images)
            found = compare(expected, logits, tolerance)
        except MissingRuntimeError as error:
            yield Check(name, "not run", str(error).splitlines()[0])
        except DeviceError:
            raise
        except Exception as error:  # whatever a forged file makes a runtime raise is a finding
            yield _check(name, "", [f"{file}: cannot be run: {error}"])
        else:
            detail = f"{version}: {found.max_rel:.1e} of the largest logit, allowed {tolerance:.1e}"
            wrong = [] if found.passed else [f"{file}: the sample's logits differ: {detail}"]
            yield _check(name, detail, wrong)
