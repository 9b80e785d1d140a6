"""What became of publishing: a folder, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.reference_models.errors import TriportError


class NotPublishableError(TriportError):
    """A check was made and not passed: nothing is published. Its exit code is 1."""


class PublishError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class PublishedFolder:
    """A folder that was made.

    Attributes:
        folder: where it is.
        manifest: what triport.json says.
        digest: of the manifest; whoever knows it can tell a forged folder.
        notes: what the publisher should know.
    """

    folder: Path
    manifest: Mapping[str, Any]
    digest: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `publish --json` prints."""
        made = self.manifest
        return {
            "folder": str(self.folder),
            **({"model": made["model"], "weights": made["weights"]} if "model" in made else _network(made)),
            "digest": self.digest,
            "files": made["files"],
            "parity": made["parity"],
            **{key: made[key] for key in ("accuracy", "checks") if key in made},
            "notes": list(self.notes),
        }


def _network(made: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": None, "network": made["network"], "graph": made["graph"], "map": made["map"]}
