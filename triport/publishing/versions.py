"""Versions of the packages that made a folder, by whatever name they were installed.

ONNX Runtime is onnxruntime, onnxruntime-gpu, onnxruntime-directml, onnxruntime-cann and more; what was
built in place has no distribution at all.
"""

from __future__ import annotations

import importlib
from importlib import metadata, util

_PACKAGES = ("mindspore", "numpy", "onnx", "onnxruntime", "onnxscript", "safetensors", "torch")


def installed_versions() -> dict[str, str]:
    """Return the version of each package that is installed here, by the name that it is imported by."""
    distributions = metadata.packages_distributions()
    found = {name: version_of(name, distributions.get(name, [])) for name in _PACKAGES}
    return {name: version for name, version in found.items() if version is not None}


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
