"""What every result offers: whatever a command prints, and whatever a function of the API returns."""

from __future__ import annotations

from typing import Any, Protocol

SCHEMA_VERSION = 1  # of what to_dict returns; a key that goes or changes its meaning makes it one more


class Result(Protocol):
    """A record of what was done or found; how it is shown (text, HTML, JUnit) is apart from it."""

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""

    @property
    def passed(self) -> bool:
        """Whether all is as it should be: what exit code 0 says where a command compares."""

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints: plain values, with "schema_version" among them."""
