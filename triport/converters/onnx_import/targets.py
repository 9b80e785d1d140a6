"""The frameworks that source is written for."""

from __future__ import annotations

from typing import Literal

Target = Literal["pytorch", "mindspore"]
TARGETS: tuple[Target, ...] = ("pytorch", "mindspore")
