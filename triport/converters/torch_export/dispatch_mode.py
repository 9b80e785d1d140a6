"""PyTorch's mode that sees every operator, without the compiler that PyTorch would load for it."""

from __future__ import annotations

import sys
from typing import Any


def dispatch_mode(torch: Any) -> Any:
    """Return the class to derive a mode from.

    PyTorch keeps its compiler out of every mode, and imports it to do so: 800 modules and a second, for a
    process that compiles nothing.
    """

    class DispatchMode(torch.utils._python_dispatch.TorchDispatchMode):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return "torch._dynamo" in sys.modules

    return DispatchMode
