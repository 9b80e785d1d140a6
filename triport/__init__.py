"""triport: portable weights across MindSpore, PyTorch and ONNX, proven equal."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triport.api.convert import convert as convert
    from triport.reference_models.errors import TriportError as Error

__version__ = "0.1.0"

# where each name of the API is defined: what a program does not use, it does not import
_DEFINED_IN = {
    "Error": ("triport.reference_models.errors", "TriportError"),
    "convert": ("triport.api.convert", "convert"),
}
__all__ = ["Error", "__version__", "convert"]


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _DEFINED_IN[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the API."""
    return sorted({*globals(), *__all__})
