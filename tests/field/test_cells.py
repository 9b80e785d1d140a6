"""Graphs of MindSpore Cells."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mindir.conftest import randomise


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The Cells of this file: MindSpore compiles from source, so they need a file of their own."""
    path = tmp_path_factory.mktemp("cells") / "field_cells.py"
    path.write_text(CELLS)
    spec = importlib.util.spec_from_file_location("field_cells", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules["field_cells"] = found
    spec.loader.exec_module(found)
    return found


CELLS = '''
import mindspore as ms
from mindspore import mint, nn, ops


class Masks(nn.Cell):
    def construct(self, padding, causal):
        return padding & causal, padding | causal, padding ^ causal, ~padding


class IntegerMasks(nn.Cell):
    def construct(self, padding):
        rows = ops.cast(padding[:, None], ms.int32)
        return ops.bitwise_and(rows, ops.tril(ops.ones((5, 5), ms.int32)))


class Named(nn.Cell):
    def construct(self, x):
        return {"boxes": x + 1, "scores": x * 2}


class Unknown(nn.Cell):
    def construct(self, x):
        return x + missing(x)


class Nested(nn.Cell):
    def construct(self, x):
        return (x + 1, {"aux": x * 2}), [x - 1, 3.5], None, "text"


class Nothing(nn.Cell):
    def construct(self, x):
        return x + 1, None


class Size(nn.Cell):
    def construct(self, x):
        return x + 1, x.shape[1]


class Recurrent(nn.Cell):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def construct(self, x, lengths):
        return self.layer(x, None, lengths)


def lstm():
    return Recurrent(nn.LSTM(4, 3, batch_first=True, bidirectional=True))


def gru():
    return Recurrent(nn.GRU(4, 3, batch_first=True, bidirectional=True))


class GatherEach(nn.Cell):
    def construct(self, x, index):
        return ops.gather(x, index, 1, batch_dims=1)


class GatherBehind(nn.Cell):
    def construct(self, x, index):
        return ops.gather(x, index, 2, batch_dims=1)


class Decode(nn.Cell):
    def construct(self, x):
        y = ops.sigmoid(x.transpose(0, 2, 3, 1))
        y[..., 0:2] = y[..., 0:2] * 2 - 0.5
        y[..., 2:4] = (y[..., 2:4] * 2) ** 2
        return y.reshape(x.shape[0], -1, 6)


class Column(nn.Cell):
    def construct(self, x, y):
        x = x * 1
        x[:, 1:] = y
        return x


class Block(nn.Cell):
    def construct(self, x):
        x = x * 1
        x[:, 1:3, ::2] = x[:, :1, :3] * 2
        x[..., -1] = 3
        return x


class IntoZeros(nn.Cell):
    def construct(self, x):
        y = ops.zeros((x.shape[0], 8))
        y[:, 1:7] = x
        return y


class Tokens(nn.Cell):
    """An embedding of positions that MindSpore repeats for the traced batch, beside the images."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 6)

    def construct(self, x):
        order = ops.repeat_interleave(ops.arange(5)[None], x.shape[0], 0)
        return ops.concat((x, self.table(order)), 1)


class Upsample(nn.Cell):
    def construct(self, x):
        return mint.nn.functional.interpolate(x, scale_factor=1.7, mode="nearest")


class Volume(nn.Cell):
    def construct(self, x):
        return mint.nn.functional.interpolate(x, scale_factor=1.3, mode="trilinear")


class Magnitude(nn.Cell):
    def construct(self, x):
        return ops.abs(ops.fft(x))


class MintNorm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.bn = mint.nn.BatchNorm2d(4, track_running_stats=False)

    def construct(self, x):
        return self.bn(x)


class BatchNorm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(4, use_batch_statistics=True)

    def construct(self, x):
        return self.bn(x)
'''


class Converted:
    """What `convert --cell` printed and wrote."""

    def __init__(self, report: dict[str, Any], path: Path) -> None:
        import onnxruntime

        self.report = report
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        names = [item.name for item in self.session.get_inputs()]
        return self.session.run(None, dict(zip(names, inputs, strict=True)))


@pytest.fixture
def convert(
    module: Any, run_cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Convert a Cell of this file through the command line."""

    def run(name: str, *inputs: str, expect: int = 0) -> Any:
        cell = getattr(module, name)()
        randomise(cell)
        monkeypatch.setattr(module, f"built_{name}", lambda: cell, raising=False)
        options = [word for text in inputs for word in ("--input", text)]
        path = tmp_path / f"{name}.onnx"
        command = ["convert", "--to", "onnx", "--cell", f"field_cells:built_{name}", *options, "-o", path]
        done = run_cli(*command, "--json", "-")
        assert done.exit_code == expect, done.output
        assert "Traceback" not in done.output
        if expect:
            assert not path.exists()
            return done.output
        return Converted(json.loads(done.stdout), path)

    return run


def assert_free_and_equal(converted: Converted) -> None:
    """The batch is free, which the command itself proved by MindSpore at other sizes."""
    assert converted.report["batch"] == "free", converted.report["batch"]
    assert converted.report["comparison"]["verdict"] == "equal"


@pytest.mark.field(
    case="masks joined with and",
    source="pytorch/pytorch#25805 and #159072; MASTER of mindocr 0.5.0",
    outcome="And, Or, Xor and Not of truth values are written at any opset, as ONNX has them since 7.",
)
def test_masks(convert: Callable[..., Any]) -> None:
    converted = convert("Masks", "2x5:bool", "2x5:bool")
    assert_free_and_equal(converted)
    x, y = np.random.default_rng(0).integers(2, size=(2, 3, 5)).astype(bool)
    for found, expected in zip(converted.run(x, y), (x & y, x | y, x ^ y, ~x), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.field(
    case="masks kept as integers",
    source="MASTER of mindocr 0.5.0",
    outcome="Bits of whole numbers that are known to be 0 and 1 are truth values: opset 17 writes them.",
)
def test_integer_masks(convert: Callable[..., Any]) -> None:
    converted = convert("IntegerMasks", "2x5:bool")
    assert_free_and_equal(converted)
    x = np.random.default_rng(0).integers(2, size=(3, 5)).astype(bool)
    np.testing.assert_array_equal(converted.run(x)[0], x[:, None] & np.tri(5, dtype=np.int32))


@pytest.mark.field(
    case="outputs in a dictionary",
    source="onnx/onnx#3507 and pytorch/pytorch#87785",
    outcome="The keys are the outputs' names, and the outputs are compared.",
)
def test_named_outputs(convert: Callable[..., Any]) -> None:
    convert("Unknown", "2x6", expect=2)  # after a failed export MindSpore stays in its strict syntax
    converted = convert("Named", "2x6")
    assert_free_and_equal(converted)
    assert [output.name for output in converted.session.get_outputs()] == ["boxes", "scores"]


@pytest.mark.field(
    case="outputs that are no tensors",
    source="YOLOX of mindyolo 0.5.0; networks that return (logits, None)",
    outcome="The tensors are outputs; None and constants are left out, and that is said.",
)
@pytest.mark.parametrize(
    ("name", "outputs", "left_out"),
    [
        ("Nothing", ["logits"], {"output 1": "None"}),
        ("Size", ["logits"], {"output 1": "the constant 6"}),
        (
            "Nested",
            ["output_0", "aux", "output_2"],
            {"output 1.1": "the constant 3.5", "output 2": "None", "output 3": "the constant 'text'"},
        ),
    ],
)
def test_outputs_left_out(
    convert: Callable[..., Any], name: str, outputs: list[str], left_out: dict[str, str]
) -> None:
    converted = convert(name, "2x6")
    assert_free_and_equal(converted)
    assert [output.name for output in converted.session.get_outputs()] == outputs
    assert {item["name"]: item["reason"] for item in converted.report["dropped"]} == left_out


@pytest.mark.field(
    case="sequence lengths in both directions",
    source="pytorch/pytorch#41774 and onnx/tensorflow-onnx#195",
    outcome="ReverseSequence is written, and the batch is free, also in the states.",
)
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_lengths_in_both_directions(convert: Callable[..., Any], module: Any, name: str) -> None:
    import mindspore

    converted = convert(name, "2x3x4", "2:int32")
    assert_free_and_equal(converted)
    x = np.random.default_rng(0).normal(size=(3, 3, 4)).astype(np.float32)
    lengths = np.array([1, 3, 2], np.int32)
    cell = getattr(module, f"built_{name}")()
    output, _ = cell(mindspore.Tensor(x), mindspore.Tensor(lengths))
    # MindSpore's own Tanh is up to 1e-4 from float64's
    np.testing.assert_allclose(converted.run(x, lengths)[0], output.asnumpy(), atol=2e-4)


@pytest.mark.field(
    case="gather with batch_dims",
    source="onnx/tensorflow-onnx#1317 and #1329",
    outcome="Each image is read at its own indices, for any batch size.",
)
@pytest.mark.parametrize(("name", "shape"), [("GatherEach", "3x6"), ("GatherBehind", "3x4x6")])
def test_gather_for_each_image(convert: Callable[..., Any], name: str, shape: str) -> None:
    converted = convert(name, shape, "3x2:int32")
    assert_free_and_equal(converted)
    sizes = [int(size) for size in shape.split("x")]
    x = np.random.default_rng(0).normal(size=(5, *sizes[1:])).astype(np.float32)
    index = np.random.default_rng(1).integers(6, size=(5, 2)).astype(np.int32)
    expected = np.stack([np.take(image, places, axis=-1) for image, places in zip(x, index, strict=True)])
    np.testing.assert_array_equal(converted.run(x, index)[0], expected)


@pytest.mark.field(
    case="assignment to a slice",
    source="pytorch/pytorch#74801, #19948, #42292 and mindspore-lab/mindyolo#230",
    outcome="What lies behind the batch axis is written for any batch size.",
)
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        pytest.param("Decode", ["2x6x4x4"], marks=pytest.mark.slow),
        ("Column", ["2x6", "2x5"]),
        pytest.param("Block", ["2x4x6"], marks=pytest.mark.slow),
        ("IntoZeros", ["2x6"]),
    ],
)
def test_assignment(convert: Callable[..., Any], name: str, inputs: list[str]) -> None:
    assert_free_and_equal(convert(name, *inputs))


@pytest.mark.field(
    case="a constant for each image",
    source="VisionLAN and RobustScanner of mindocr 0.5.0",
    outcome="What MindSpore worked out for the traced batch grows with the free one: two traces show it.",
)
def test_constants_that_grow_with_the_batch(convert: Callable[..., Any]) -> None:
    assert_free_and_equal(convert("Tokens", "2x3x6"))


@pytest.mark.field(
    case="odd scale factors",
    source="pytorch/pytorch#62396",
    outcome="A factor that gives no whole size is taken as it is, as MindSpore's kernels do.",
)
@pytest.mark.parametrize(
    ("name", "shape"), [("Upsample", "2x3x5x7"), pytest.param("Volume", "2x1x5x7x3", marks=pytest.mark.slow)]
)
def test_odd_scale_factors(convert: Callable[..., Any], name: str, shape: str) -> None:
    assert_free_and_equal(convert(name, shape))


@pytest.mark.field(
    case="complex numbers",
    source="STFT front ends as mindaudio has them",
    outcome="The error names the operator, its place and complex64.",
)
def test_complex_numbers(convert: Callable[..., Any]) -> None:
    said = convert("Magnitude", "2x8", expect=2)
    assert "FFT: it works with complex64" in said
    assert "FFT-op0" in said
    assert ".mindir" not in said


@pytest.mark.field(
    case="batch normalisation without statistics",
    source="pytorch/pytorch#45333 and #75252",
    outcome="The error says that the layer normalises by the batch that it gets, and by which options.",
)
@pytest.mark.parametrize("name", ["MintNorm", "BatchNorm"])
def test_normalised_by_the_batch(convert: Callable[..., Any], name: str) -> None:
    said = convert(name, "2x4x5x5", expect=2)
    assert "normalises by the mean and variance of the batch that it gets" in said
    assert "track_running_stats=False" in said
