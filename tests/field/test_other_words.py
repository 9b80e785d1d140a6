"""What files say in words of transformers, of quantisers and by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from tests.field.digits_weights import assert_delivers, assert_refused, digits

HALF = len(digits()) // 2


def saved(path: Path, metadata: dict[str, str] | None = None, first: int | None = None) -> Path:
    """Write the weights, or the first of them."""
    save_file(dict(list(digits().items())[:first]), path, {"format": "pt", **(metadata or {})})
    return path


@pytest.mark.field(
    case="transformers' config.json of another family beside the weights",
    source="found here: model_type and architectures were said not to be checked",
    outcome="refused, with both; a word that is no family's is still not checked",
)
@pytest.mark.parametrize(
    ("stated", "is_right"),
    [
        ({"model_type": "resnet"}, False),
        ({"architectures": ["ResNetForImageClassification"]}, False),
        ({"model_type": "res2net"}, True),
        ({"model_type": "timm_wrapper"}, True),
    ],
)
def test_transformers_words(run_cli: Any, tmp_path: Path, stated: dict[str, Any], is_right: bool) -> None:
    path = saved(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(stated))
    if is_right:
        assert_delivers(run_cli, path)
    else:
        assert_refused(run_cli, path, "which is not the family of res2net_digits")


@pytest.mark.field(
    case="metadata that say the stored numbers are scaled, compressed or of another byte order",
    source="found here: passed without a word",
    outcome="converted, and said not to be checked",
)
@pytest.mark.parametrize("said", [{"quantization": "int8"}, {"weight_scale": "0.02"}, {"byteorder": "big"}])
def test_claims_about_the_numbers(run_cli: Any, tmp_path: Path, said: dict[str, str]) -> None:
    words = " ".join(assert_delivers(run_cli, saved(tmp_path / "x.safetensors", said)).split())
    (key, value) = next(iter(said.items()))
    assert f"not checked: metadata {key} ({value})" in words


@pytest.mark.field(
    case="one part of a checkpoint in several files, by its name",
    source="found here: 'fits no known model', and not what the file is",
    outcome="refused: part 1 of 2, give the index",
)
@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "pytorch_model_1_of_2.safetensors"])
def test_one_part(run_cli: Any, tmp_path: Path, name: str) -> None:
    said = assert_refused(run_cli, saved(tmp_path / name, first=HALF), "part 1 of 2", "Give the index")
    assert "damaged" not in said
