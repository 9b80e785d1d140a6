"""Tiny: one variant, its names and nothing published."""

from __future__ import annotations

from dataclasses import dataclass

from triport.reference_models.spec import Dialect, ModelSpec


@dataclass(frozen=True, slots=True)
class TinyConfig:
    """What tells one Tiny from another."""

    channels: int
    groups: int = 2


MINDSPORE = Dialect(
    "triport", "mindspore", {"stem.{i}": "features.{i}", "block.{i}": "body.{i}", "fc": "head"}
)
PYTORCH = Dialect("triport", "pytorch", {})

MODELS = (
    ModelSpec(
        name="tiny",
        family="new_family",
        config=TinyConfig(8),
        input_size_px=16,
        publisher="triport",
        dialects=(MINDSPORE, PYTORCH),
        num_classes=10,
    ),
)
