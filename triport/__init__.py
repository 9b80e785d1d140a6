"""triport: portable weights across MindSpore, PyTorch and ONNX, proven equal.

Every function returns the record that the command of its name prints: `to_dict()` is what `--json` writes,
`passed` whether all is as it should be. What is wrong with the input is a `triport.Error`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from triport.version import __version__

if TYPE_CHECKING:
    from triport.api.checkpoint import diff as diff
    from triport.api.checkpoint import inspect as inspect
    from triport.api.checkpoint import open as open
    from triport.api.convert import convert as convert
    from triport.api.convert import to_onnx as to_onnx
    from triport.api.diagnose import diagnose as diagnose
    from triport.api.evaluate import evaluate as evaluate
    from triport.api.from_onnx import from_onnx as from_onnx
    from triport.api.models import model as model
    from triport.api.models import models as models
    from triport.api.pair import pair as pair
    from triport.api.parity import parity as parity
    from triport.api.publish import publish as publish
    from triport.api.publish import verify as verify
    from triport.api.sources import fetch as fetch
    from triport.converters.conversion import SHIPPED as SHIPPED
    from triport.reference_models.errors import TriportError as Error

# where each name is defined: what a program does not use, it does not import
_DEFINED_IN = {
    "SHIPPED": "triport.converters.conversion",
    "convert": "triport.api.convert",
    "diagnose": "triport.api.diagnose",
    "diff": "triport.api.checkpoint",
    "evaluate": "triport.api.evaluate",
    "fetch": "triport.api.sources",
    "from_onnx": "triport.api.from_onnx",
    "inspect": "triport.api.checkpoint",
    "model": "triport.api.models",
    "models": "triport.api.models",
    "open": "triport.api.checkpoint",
    "pair": "triport.api.pair",
    "publish": "triport.api.publish",
    "to_onnx": "triport.api.convert",
    "verify": "triport.api.publish",
}
# modules; `parity` is a package that can be called
_MODULES = ("mindspore", "parity", "torch")

# without triport.torch and triport.mindspore: `from triport import *` loads no framework
__all__ = [
    "SHIPPED",
    "Error",
    "__version__",
    "convert",
    "diagnose",
    "diff",
    "evaluate",
    "fetch",
    "from_onnx",
    "inspect",
    "model",
    "models",
    "open",
    "pair",
    "parity",
    "publish",
    "to_onnx",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name == "Error":
        from triport.reference_models.errors import TriportError

        return TriportError
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_DEFINED_IN[name]), name)
    return value


def __dir__() -> list[str]:
    """List the API."""
    return sorted({*globals(), *__all__, *_MODULES})
