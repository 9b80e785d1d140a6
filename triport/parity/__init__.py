"""Are two models equal? Runners, comparison, evaluation on images.

`triport.parity` is this package and also the function of the API: the package can be called, so that it does
not matter which of its modules was imported before.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """This package, as the function `triport.parity(...)`."""

    def __call__(self, *what: Any, **options: Any) -> Any:
        """Compare what every runtime computes: see `triport.api.parity.parity`."""
        import importlib

        # by name: this package lies below the API, and nothing else in it may reach up
        return importlib.import_module("triport.api.parity").parity(*what, **options)


sys.modules[__name__].__class__ = _CallablePackage
