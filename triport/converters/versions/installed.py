"""Versions of the packages that are installed here, by whatever name they were installed.

ONNX Runtime is onnxruntime, onnxruntime-gpu, onnxruntime-directml, onnxruntime-cann and more; what was
built in place has no distribution at all.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata, util

from .tested import Standing, packages, standing_of

_OF_A_FOLDER = ("mindspore", "numpy", "onnx", "onnxruntime", "onnxscript", "safetensors", "torch")
# what may come by another distribution than the one of its name
_BY_MODULE = ("mindspore", "onnxruntime", "torch")


def installed_versions() -> dict[str, str]:
    """Return the versions of what makes a published folder, by the name that each is imported by."""
    distributions = metadata.packages_distributions()
    found = {name: version_of(name, distributions.get(name, [])) for name in _OF_A_FOLDER}
    return {name: version for name, version in found.items() if version is not None}


def installed_version(package: str) -> str | None:
    """Return the version of a package of the table, or of "python"; None where it is not installed."""
    if package == "python":
        return platform.python_version()
    if package in _BY_MODULE:
        return version_of(package, _distributions().get(package, []))
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def standings() -> tuple[Standing, ...]:
    """Compare all that is installed here with the versions that are tested."""
    found = ((package, installed_version(package)) for package in packages())
    return tuple(standing_of(package, version) for package, version in found if version is not None)


def version_of(name: str, distributions: list[str]) -> str | None:
    """Return a package's version: that of its distribution, or what the module itself says.

    Args:
        name: that it is imported by.
        distributions: that have it; none where it was not installed by a package manager.
    """
    if util.find_spec(name) is None:
        return None
    versions = {metadata.version(one) for one in distributions}
    if len(versions) == 1:
        return versions.pop()
    # none, or two that disagree: the code that runs knows
    try:
        return str(getattr(importlib.import_module(name), "__version__", "unknown"))
    except ImportError:
        return None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
