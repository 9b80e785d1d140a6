"""Whose names a checkpoint has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.converters.checkpoints import dialect_of, hollow_checkpoint, read_arrays, write_random
from triport import convert
from triport.converters.identification.identify import identify
from triport.reference_models.spec import all_models, get_model

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


@pytest.mark.field(
    case="modelzoo_names",
    source="mindspore-ai/models official/cv/ResNet (end_point, down_sample_layer; bn1d in basic blocks)",
    outcome="The names are known, and so is that their graph is another than torchvision's and MindCV's.",
)
@pytest.mark.parametrize("model", DEPTHS)
def test_names_of_mindspores_models_repository(model: str) -> None:
    spec = get_model(f"{model}_mindspore_models")
    found = identify(hollow_checkpoint(spec, dialect_of(spec, "mindspore-models"), 10))
    assert (found.spec.name, found.dialect.name) == (spec.name, "mindspore-models")
    assert {other.model for other in spec.same_weights_as} >= {model, f"{model}_mindcv"}


@pytest.mark.field(
    case="tutorial_names",
    source="MindSpore's ResNet-50 tutorials (norm1, down_sample, fc; the stem's norm, norm1 in copies)",
    outcome="The names are known, and so is that their graph is another than torchvision's and MindCV's.",
)
@pytest.mark.parametrize("dialect", ["mindspore-tutorial", "mindspore-tutorial-norm1"])
@pytest.mark.parametrize("model", DEPTHS)
def test_names_of_mindspores_tutorial(model: str, dialect: str) -> None:
    spec = get_model(f"{model}_mindspore_tutorial")
    found = identify(hollow_checkpoint(spec, dialect_of(spec, dialect), 10))
    assert (found.spec.name, found.dialect.name) == (spec.name, dialect)
    assert identify(hollow_checkpoint(spec, dialect_of(spec, dialect), 10), model).spec.name == model


@pytest.mark.field(
    case="modelzoo_conversion",
    source="mindspore-ai/models official/cv/ResNet; MindSpore's ResNet-50 tutorials",
    outcome="The weights are converted bit for bit; that torchvision's graph differs is said with its size.",
)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("publisher", "dialect"),
    [
        ("models", "mindspore-models"),
        ("models", "mindspore-models-bn"),
        ("tutorial", "mindspore-tutorial"),
        ("tutorial", "mindspore-tutorial-norm1"),
    ],
)
def test_weights_of_mindspores_resnets(run_cli: Any, tmp_path: Path, publisher: str, dialect: str) -> None:
    spec = get_model(f"resnet18_mindspore_{publisher}")
    source = write_random(tmp_path / "source.ckpt", spec, dialect_of(spec, dialect), 10)
    output = tmp_path / "out.safetensors"
    done = run_cli("convert", source, "--to", "pytorch", "-o", output, "--json", "-")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["model"] == spec.name
    assert any("torchvision's own definition" in w and "another function" in w for w in result["warnings"])
    convert(output, to="mindspore", output=tmp_path / "back.ckpt", model=spec.name, dialect=dialect)
    before, after = read_arrays(source), read_arrays(tmp_path / "back.ckpt")
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


PYTORCH_NAMES = [
    (spec, dialect)
    for spec in all_models().values()
    for dialect in spec.dialects
    if dialect.name == spec.publisher
]


@pytest.mark.field(
    case="names_of_the_other_runtime",
    source="found beside mint_nn_names: every publisher's names, in a file of the other runtime",
    outcome="Names say what a file is in whichever runtime's file they stand.",
)
@pytest.mark.parametrize(
    ("spec", "dialect"), PYTORCH_NAMES, ids=[f"{s.name}-{d.name}-{d.runtime}" for s, d in PYTORCH_NAMES]
)
def test_names_in_a_file_of_the_other_runtime(spec: Any, dialect: Any) -> None:
    other = "mindspore" if dialect.runtime == "pytorch" else "pytorch"
    found = identify(replace(hollow_checkpoint(spec, dialect, 10), runtime=other), spec.name)
    assert (found.spec.name, found.dialect) == (spec.name, dialect)
    assert found.notes
