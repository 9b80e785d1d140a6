"""Is a file a published one? Its SHA-256 says so, where the publisher's is known; names and shapes never do.

Publishers put the first eight digits of a file's SHA-256 into its name:
- torchvision, resnet18-f37072fd.pth: torch.hub compares them (`load_state_dict_from_url(check_hash=True)`);
- timm's release files, tf_efficientnet_lite0-0aa007d2.pth: its clean_checkpoint.py writes the name;
- MindCV, resnet50-e0733ab8.ckpt and inception_v4-56e798fc-910v2.ckpt: the first 8 characters of sha256sum,
  says configs/README.md of mindspore-lab/mindcv at 04d329300a8e6798f9861078bb7594a7453ac462.

A file on the Hugging Face hub has none in its name; the hub records the whole hash, and the records here have
it where it could be read. Without it nothing proves that a file is that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from triport.converters.formats import file_sha256
from triport.reference_models.spec import ModelSpec, Weights, all_models

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})(?:-910v2)?\.\w+$")

_SMALL_BYTES = 8 << 20


class Published(NamedTuple):
    """A file that is a published one: the weights' record, their model, and how it is known."""

    spec: ModelSpec
    weights: Weights
    proof: str


def recognised(path: str, specs: Iterable[ModelSpec]) -> Published | None:
    """Return the published weights of these models that a file is, None where nothing makes that likely.

    Reading 100 MB once more costs half a copy, so the file is only hashed where its name has the digits of a
    published one's hash, or where it is small.
    """
    file = Path(path)
    if not file.is_file():  # a checkpoint that is in no file
        return None
    small = file.stat().st_size <= _SMALL_BYTES
    likely = [
        (spec, weights)
        for spec in specs
        for weights in spec.weights
        if (digits := known_digits(weights)) and (small or digits[:8] in file.name)
    ]
    sha256 = file_sha256(path) if likely else ""
    for spec, weights in likely:
        proof = proof_of(weights, sha256)
        if proof is not None:
            return Published(spec, weights, proof)
    return None


def named_as(path: str, spec: ModelSpec) -> str | None:
    """Return in words that a file has the name of one of a model's published files and other bytes."""
    digits = digits_in_name(Path(path).name)
    named = next((one for one in spec.weights if digits and known_digits(one).startswith(digits)), None)
    if named is None or not Path(path).is_file():
        return None
    sha256 = file_sha256(path)
    if sha256.startswith(digits):
        return None
    return (
        f"its name is that of the file of {named.name}, whose SHA-256 begins with {digits}, and its own "
        f"begins with {sha256[:8]}: it is another file, or was changed"
    )


def published_as(sha256: str) -> Published | None:
    """Return the published weights whose file has this SHA-256, None where none is known to have it."""
    for spec in all_models().values():
        for weights in spec.weights:
            proof = proof_of(weights, sha256)
            if proof is not None:
                return Published(spec, weights, proof)
    return None


def proof_of(weights: Weights, sha256: str) -> str | None:
    """Return how it is known that the file with this SHA-256 is that of `weights`; None where it is not."""
    digits = known_digits(weights)
    if not digits or not sha256.startswith(digits):
        return None
    if weights.sha256:
        return "its SHA-256 is that of the published file"
    return f"its SHA-256 begins with {digits}, as the name of the published file says"


def known_digits(weights: Weights) -> str:
    """Return what is known of the SHA-256 of the published file: all digits, the first ones, or none."""
    return weights.sha256 or digits_in_name(weights.url)


def digits_in_name(name: str) -> str:
    """Return the digits of a SHA-256 that a file's name or address has, none where it has none."""
    found = _HASH_IN_NAME.search(name)
    return found[1] if found else ""


def why_not(weights: Weights, sha256: str) -> str:
    """Return why a file is not known to be that of `weights`."""
    digits = known_digits(weights)
    if digits:
        return f"its SHA-256 begins with {sha256[:8]}, that of the published file with {digits[:8]}"
    return "the SHA-256 of the published file is not known to triport"
