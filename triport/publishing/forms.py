"""Which form a manifest is of: its schema says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .form import Form
from .manifest import NETWORK_SCHEMA
from .own.form import NETWORK
from .registered.form import REGISTERED


def form_of(values: Mapping[str, Any]) -> Form:
    """Return the form of a manifest's values."""
    return NETWORK if values["schema"] == NETWORK_SCHEMA else REGISTERED
