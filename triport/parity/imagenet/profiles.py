"""Preprocessing as the user words it, and the ways in which it is commonly got wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from triport.reference_models.errors import TriportError
from triport.reference_models.program import program
from triport.reference_models.spec import CHOICES, IMAGENET_MEAN, IMAGENET_STD, Preprocess, all_models

from .preprocess import ProfileError

_FIELDS = {"resize": "resize_px", "crop": "crop_px", "mean": "mean", "std": "std"} | {k: k for k in CHOICES}
_HALF = (0.5, 0.5, 0.5)


def stated_profile(text: str, base: Callable[[], Preprocess]) -> Preprocess:
    """Return the profile that `--profile` means.

    Either the name of published weights (`resnet50.timm`), or changes to the model's own profile:
    `library=opencv,resize=232,mean=0.5/0.5/0.5,channels=bgr`. `base` gives the model's own; it
    is not asked where every field is said.

    Raises:
        ProfileError: no weights are called so, or a change is of no known form.
    """
    if "=" not in text:
        for spec in all_models().values():
            for weights in spec.weights:
                if weights.name == text:
                    return weights.preprocess
        raise ProfileError(
            f"--profile {text}: triport knows no published weights of that name (`{program()} models NAME` "
            f"lists them); otherwise give changes, KEY=VALUE,..., of {', '.join(_FIELDS)}"
        )
    changes: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in _FIELDS:
            raise ProfileError(
                f"--profile: {part!r} is not known; expected KEY=VALUE of {', '.join(_FIELDS)}"
            )
        changes[_FIELDS[key]] = _value(key, value.lower())
    missing = [key for key, field in _FIELDS.items() if field not in changes and key != "channels"]
    if not missing:
        return Preprocess(**changes)
    try:
        own = base()
    except TriportError as error:
        raise ProfileError(f"--profile: {', '.join(missing)} must be said too. {error}") from error
    return replace(own, **changes)


def _value(key: str, value: str) -> Any:
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise ProfileError(f"--profile: {key} is one of {', '.join(CHOICES[key])}; found {value!r}")
        return value
    try:
        if key in ("resize", "crop"):
            if int(value) > 0:
                return int(value)
        else:
            three = tuple(float(number) for number in value.split("/"))
            if len(three) == 3 and all(map(math.isfinite, three)) and (key == "mean" or all(three)):
                return three
    except ValueError:
        pass
    expected = "a number of pixels" if key in ("resize", "crop") else "three numbers, such as 0.5/0.5/0.5"
    raise ProfileError(f"--profile: {key} is {expected}; found {value!r}")


@dataclass(frozen=True, slots=True)
class Variant:
    """A profile that differs from the stated one in one respect; `culprit` names the respect."""

    name: str
    culprit: str
    profile: Preprocess


def variants_of(profile: Preprocess) -> tuple[Variant, ...]:
    """Return the stated profile first, and then those that differ from it as mistakes do."""
    crop = profile.crop_px
    other_channels = "bgr" if profile.channels == "rgb" else "rgb"
    variants = [Variant("as stated", "", profile)]
    variants += _changed(profile, "channel order", {other_channels.upper(): {"channels": other_channels}})
    variants += _changed(
        profile,
        "mean and std",
        {
            "ImageNet's mean, std": {"mean": IMAGENET_MEAN, "std": IMAGENET_STD},
            "mean, std 0.5": {"mean": _HALF, "std": _HALF},
            "0 to 1": {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
            "0 to 255": {"mean": (0.0, 0.0, 0.0), "std": (1 / 255,) * 3},
        },
    )
    variants += _changed(
        profile,
        "resize size",
        {
            f"resize {size} -> {crop}": {"resize_px": size}
            for size in dict.fromkeys((crop, round(crop / 0.965), round(crop / 0.95), round(crop / 0.875)))
        },
    )
    variants += _changed(
        profile,
        "resize method",
        {
            f"{library} {interpolation}": {"library": library, "interpolation": interpolation}
            for library in CHOICES["library"]
            for interpolation in CHOICES["interpolation"]
        },
    )
    return tuple(variants)


def _changed(
    profile: Preprocess, culprit: str, changes: Mapping[str, Mapping[str, Any]]
) -> Iterable[Variant]:
    for name, change in changes.items():
        changed = replace(profile, **change)
        if changed != profile:
            yield Variant(name, culprit, changed)
