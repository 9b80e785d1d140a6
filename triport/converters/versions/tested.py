"""Which versions triport is tested with: the sets that are installed together, and what follows from them.

This is the one table. pyproject.toml's lower bounds are the oldest of each package here, constraints.txt is
the newest set, noxfile.py makes an environment of each set, docs/versions.md shows them, and `doctor`
compares with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Framework = Literal["pytorch", "mindspore", "onnx"]


@dataclass(frozen=True, slots=True)
class VersionSet:
    """Versions that are installed together, by the name of the distribution.

    `frameworks` are those that are there, and whose core tests are run with it.
    """

    name: str
    python: str
    frameworks: tuple[Framework, ...]
    versions: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class FaultyReleases:
    """Releases that are known to compute something else: `minor` is the first two numbers of the version."""

    package: str
    minor: str
    why: str


_ALL: tuple[Framework, ...] = ("pytorch", "mindspore", "onnx")

_OLDEST = {
    "click": "8.1.0",
    "huggingface_hub": "1.0.0",
    "jinja2": "3.1.6",
    "mindspore": "2.7.0",
    "ml_dtypes": "0.5.4",
    "numpy": "1.26.0",
    "onnx": "1.18.0",
    "onnx_ir": "1.1.0",
    "onnxruntime": "1.19.2",
    "onnxscript": "0.5.7",
    "pillow": "10.0.0",
    "protobuf": "6.31.1",
    "pyyaml": "6.0.1",
    "rich": "13.0.0",
    "safetensors": "0.5.0",
    "torch": "2.1.0",
}

_NEWEST = {
    "click": "8.5.1",
    "huggingface_hub": "2.4.0",
    "jinja2": "3.1.6",
    "mindspore": "2.10.0",
    "ml_dtypes": "0.5.4",
    "numpy": "1.26.4",
    "onnx": "1.23.2",
    "onnx_ir": "1.1.0",
    "onnxruntime": "1.31.1",
    "onnxscript": "0.7.2",
    "pillow": "13.0.0",
    "protobuf": "7.36.2",
    "pyyaml": "6.0.3",
    "rich": "15.0.0",
    "safetensors": "0.8.0",
    "torch": "2.13.0",
}


def _without(versions: Mapping[str, str], *packages: str) -> dict[str, str]:
    return {name: version for name, version in versions.items() if name not in packages}


SETS = {
    one.name: one
    for one in (
        VersionSet("oldest", "3.10", _ALL, _OLDEST),
        VersionSet("mindspore-2.7", "3.11", _ALL, {**_NEWEST, "mindspore": "2.7.0"}),
        VersionSet("mindspore-2.8", "3.11", _ALL, {**_NEWEST, "mindspore": "2.8.0"}),
        VersionSet("mindspore-2.9", "3.11", _ALL, {**_NEWEST, "mindspore": "2.9.0"}),
        VersionSet("newest", "3.11", _ALL, _NEWEST),
        # MindSpore is what keeps NumPy 1
        VersionSet(
            "python-3.12",
            "3.12",
            ("onnx",),
            {**_without(_NEWEST, "mindspore", "ml_dtypes", "torch"), "numpy": "2.5.5"},
        ),
    )
}

FAULTS = (
    FaultyReleases(
        "onnxruntime",
        "1.20",
        "where it fuses a Pad into an AveragePool, it divides by too small a count, so that it computes "
        "another function (res2net_digits from MindSpore: off by 0.26 of the largest logit)",
    ),
)

Verdict = Literal["tested", "between", "older", "newer", "faulty"]


@dataclass(frozen=True, slots=True)
class Standing:
    """An installed version beside those that are tested."""

    package: str
    installed: str
    oldest: str
    newest: str
    verdict: Verdict
    why: str = ""

    def text(self) -> str:
        """Return the verdict as a sentence's end."""
        return {
            "tested": "tested",
            "between": f"not itself tested; {self.oldest} to {self.newest} are",
            "older": f"older than {self.oldest}, the oldest that is tested",
            "newer": f"newer than {self.newest}, the newest that is tested",
            "faulty": f"known to be wrong: {self.why}",
        }[self.verdict]


def numbers_of(version: str) -> tuple[int, ...]:
    """Return a version's release as numbers: (2, 13, 0) of 2.13.0+cpu."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def tested_versions(package: str) -> list[str]:
    """Return the versions of a package, or of "python", that are in a set, the oldest first."""
    found = {
        one.python if package == "python" else one.versions[package]
        for one in SETS.values()
        if package == "python" or package in one.versions
    }
    return sorted(found, key=numbers_of)


def packages() -> Iterator[str]:
    """Yield "python", and every package that is in a set."""
    yield "python"
    yield from sorted({name for one in SETS.values() for name in one.versions})


def standing_of(package: str, installed: str) -> Standing:
    """Compare an installed version with those that are tested.

    Releases of one minor version count as one, from the oldest that is tested on.
    """
    tested = tested_versions(package)
    minor, known = numbers_of(installed)[:2], [numbers_of(version)[:2] for version in tested]
    faults = [fault for fault in FAULTS if (fault.package, numbers_of(fault.minor)) == (package, minor)]
    verdict: Verdict
    if faults:
        verdict = "faulty"
    elif numbers_of(installed) < numbers_of(tested[0]):
        verdict = "older"
    elif minor in known:
        verdict = "tested"
    else:
        verdict = "newer" if minor > known[-1] else "between"
    return Standing(package, installed, tested[0], tested[-1], verdict, faults[0].why if faults else "")
