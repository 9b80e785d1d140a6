"""mindspore -> onnx -> pytorch -> onnx -> mindspore gives every tensor back, bit for bit."""

import numpy as np
import pytest

from tests.converters.checkpoints import read_arrays, write_random
from triport import convert
from triport.converters.names import reference_dialect
from triport.reference_models.spec import all_models

QUICK = {"res2net_digits", "resnet18_mindcv", "regnet_x_200mf", "tf_efficientnet_lite0"}


@pytest.mark.parametrize(
    "spec",
    [
        spec if spec.name in QUICK else pytest.param(spec, marks=pytest.mark.slow)
        for spec in all_models().values()
    ],
    ids=lambda spec: spec.name,
)
def test_round_trip_is_bit_equal(spec, tmp_path):
    source = write_random(tmp_path / "0.ckpt", spec, reference_dialect(spec, "mindspore"))
    steps = [("onnx", "1.onnx"), ("pytorch", "2.pth"), ("onnx", "3.onnx"), ("mindspore", "4.ckpt")]
    path = source
    for to, name in steps:
        # .ckpt has no place for the model's name; from there on the files carry it
        convert(path, to=to, output=tmp_path / name, model=spec.name if path == source else None)
        path = tmp_path / name
    first, last = read_arrays(source), read_arrays(path)
    assert list(first) == list(last)
    assert all(np.array_equal(first[name], last[name]) for name in first)
