"""Layouts: stored as the PyTorch definitions have them, and asked of these where nothing is stored."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from triport.reference_models import layouts
from triport.reference_models.layouts import ParametricLayer, rows_of, stored_layers, text_of
from triport.reference_models.layouts_torch import LayoutError, layers_of
from triport.reference_models.spec import get_model

HEAD = ParametricLayer("fc", "dense", (5, 8), True)
CONV = ParametricLayer("conv", "conv", (8, 3, 1, 1))


def test_a_layout_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "path_of", lambda family: tmp_path / f"{family}.txt")
    rows = rows_of({n: (CONV, HEAD._replace(shape=(n, 8))) for n in (5, 7)})
    other = rows_of({n: (CONV._replace(path="other"),) for n in (5, 7)})
    (tmp_path / "written.txt").write_text(text_of([("a", rows), ("b", other), ("c", rows)]))
    assert stored_layers("written", "'a'", 5) == stored_layers("written", "'c'", 5) == (CONV, HEAD)
    assert stored_layers("written", "'a'", 9) == (CONV, HEAD._replace(shape=(9, 8)))
    assert stored_layers("written", "'b'", 9) == (CONV._replace(path="other"),)
    assert stored_layers("written", "'d'", 9) is None
    assert stored_layers("not_there", "'a'", 9) is None


def test_a_size_that_only_equals_the_number_of_outputs_is_a_size():
    layers = (CONV._replace(shape=(5, 5, 1, 1)),)
    assert rows_of({5: layers, 7: layers}) == "\n  conv conv 5,5,1,1"


@pytest.mark.parametrize(
    "other",
    [
        (CONV, HEAD._replace(shape=(14, 8))),
        (CONV, HEAD._replace(shape=(7, 8), bias=False)),
        (CONV, HEAD._replace(shape=(7, 8), path="head")),
        (CONV,),
        (CONV, HEAD._replace(shape=(7, 8)), HEAD),
    ],
    ids=["twice the number", "bias", "name", "one less", "one more"],
)
def test_what_else_depends_on_the_number_of_outputs_is_refused(other):
    with pytest.raises(ValueError, match=r"with \d outputs the layers differ"):
        rows_of({5: (CONV, HEAD), 7: other})


def test_a_configuration_that_is_not_stored_is_built():
    spec = get_model("resnet18")
    small = replace(spec, config=replace(spec.config, blocks=(1, 1, 1, 1)))
    assert stored_layers(small.family, repr(small.config), 7) is None
    assert [layer.path for layer in small.layers(7)] == [
        layer.path for layer in spec.layers(7) if ".1." not in f"{layer.path}." or "downsample" in layer.path
    ]
    assert small.layers(7)[-1] == ParametricLayer("fc", "dense", (7, 512), True)
    assert small.num_parameters < spec.num_parameters


def test_without_pytorch_a_stored_layout_is_read_and_another_is_an_error():
    program = """
import sys
sys.modules["torch"] = None  # importing it fails
from dataclasses import replace
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model
spec = get_model("resnet18")
print(len(spec.layers(7)), spec.num_parameters)
try:
    replace(spec, config=replace(spec.config, blocks=(1, 1, 1, 1))).layers()
except TriportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("41 11689512\nresnet18: the layers of ResNetConfig(")
    assert "Install PyTorch, or run python docs/generate.py where it is installed" in done.stdout


class _Odd(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: nn.LayerNorm(4), "layer: LayerNorm with weight, bias"),
        (lambda: nn.ParameterList([torch.empty(3)]), "layer: ParameterList with 0"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), "original0"),
    ],
    ids=["another layer", "a bare parameter", "another parametrisation"],
)
def test_a_parameter_of_no_kind_of_layer_is_refused(layer, message):
    with pytest.raises(LayoutError, match=message):
        layers_of(lambda num_classes: _Odd(layer()), 10)
