"""Conversion: what is written, what is said, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.converters.checkpoints import dialect_of, named_arrays, read_arrays, write_arrays, write_random
from tests.few_are_quick import one_in
from triport import convert
from triport.converters.convert import ConvertError, read_parameters
from triport.converters.formats import FormatError, open_checkpoint
from triport.converters.identification.identify import IdentifyError
from triport.converters.onnx_export.from_mindspore import FROM_MINDSPORE
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

DIGITS = get_model("res2net_digits")


@pytest.fixture
def digits_ckpt(tmp_path):
    return write_random(tmp_path / "digits.ckpt", DIGITS, dialect_of(DIGITS, "mindcv"))


def logits(path, spec, batch=3):
    x = np.random.default_rng(1).standard_normal(
        (batch, 3, spec.input_size_px, spec.input_size_px), np.float32
    )
    return onnxruntime.InferenceSession(path).run(["logits"], {"input": x})[0]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_pytorch_loads_what_is_written_strictly(tmp_path, digits_ckpt, suffix):
    done = convert(digits_ckpt, to="pytorch", output=tmp_path / f"out{suffix}")
    if suffix == ".pth":
        state = torch.load(done.output, weights_only=True)
    else:
        from safetensors.torch import load_file

        state = load_file(done.output)
    net = DIGITS.build_torch()
    assert "num_batches_tracked" not in " ".join(state)
    missing = net.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    if suffix == ".pth":
        net.load_state_dict(state, strict=True)
    assert done.to_dict() == {
        "schema_version": 1,
        "source": str(digits_ckpt),
        "output": str(tmp_path / f"out{suffix}"),
        "model": "res2net_digits",
        "from": "mindspore",
        "to": "pytorch",
        "dialect": "timm",
        "num_classes": 10,
        "tensors_written": len(state),
        "dropped": [],
        "round_trip": "bit-equal",
        "warnings": done.to_dict()["warnings"],
        "assumed": done.to_dict()["assumed"],
        "loads_in": [],
        "graph_not_compared": None,
    }


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_mindspore_loads_what_is_written_strictly(tmp_path, suffix):
    import mindspore

    source = write_random(tmp_path / "in.pth", DIGITS, dialect_of(DIGITS, "timm"))
    done = convert(source, to="mindspore", output=tmp_path / f"out{suffix}")
    net = DIGITS.build_mindspore()
    parameters = mindspore.load_checkpoint(done.output, format=suffix[1:])
    missing, unused = mindspore.load_param_into_net(net, parameters, strict_load=True)
    assert (missing, unused) == ([], [])
    assert {reason for _, reason in done.dropped} == {
        "counts training batches; the target has no such buffer"
    }
    assert all(name.endswith("num_batches_tracked") for name, _ in done.dropped)


def test_counters_survive_between_pytorch_files(tmp_path):
    spec = get_model("regnet_x_200mf")
    source = write_random(tmp_path / "in.pth", spec, dialect_of(spec, "timm"))
    done = convert(source, to="pytorch", output=tmp_path / "out.pth", dialect="torchvision")
    state = torch.load(done.output, weights_only=True)
    assert list(state) == list(spec.build_torch().state_dict())
    assert state["stem.1.num_batches_tracked"] == 7
    spec.build_torch().load_state_dict(state, strict=True)


@pytest.mark.parametrize("dialect", ["mindcv", "mindcv-structural"])
def test_both_spellings_of_regnet(tmp_path, dialect):
    spec = get_model("regnet_y_200mf")
    source = write_random(tmp_path / "in.ckpt", spec, dialect_of(spec, dialect))
    done = convert(source, to="mindspore", output=tmp_path / "out.ckpt")
    assert read_arrays(tmp_path / "out.ckpt").keys() == named_arrays(spec, dialect_of(spec, "mindcv")).keys()
    assert (done.model, done.dialect) == ("regnet_y_200mf", "mindcv")


def training_checkpoint(state):
    momentum = {0: {"momentum_buffer": torch.ones(3)}}
    return {
        "pytorch/examples": {
            "epoch": 90,
            "arch": "resnet18",
            "state_dict": {f"module.{name}": value for name, value in state.items()},
            "best_acc1": torch.tensor(70.0),
            "optimizer": {"state": momentum, "param_groups": [{"lr": 0.1, "params": [0]}]},
        },
        "timm": {
            "epoch": 3,
            "state_dict": {name: value + 1 for name, value in state.items()},
            "state_dict_ema": state,
            "optimizer": {"state": momentum, "param_groups": []},
        },
        "compiled": {"model": {f"_orig_mod.{name}": value for name, value in state.items()}},
    }


@pytest.mark.parametrize("kind", ["pytorch/examples", "timm", "compiled"])
def test_training_checkpoints(tmp_path, kind):
    spec = get_model("resnet18")
    arrays = named_arrays(spec, dialect_of(spec, "torchvision"))
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(training_checkpoint(state)[kind], tmp_path / "in.pth.tar")
    done = convert(tmp_path / "in.pth.tar", to="mindspore", output=tmp_path / "out.ckpt")
    expected = named_arrays(spec, dialect_of(spec, "mindcv"))
    written = read_arrays(tmp_path / "out.ckpt")
    assert written.keys() == expected.keys()
    assert all(np.array_equal(written[name], expected[name]) for name in expected)
    if kind == "pytorch/examples":
        assert any(name.startswith("optimizer") for name, _ in done.dropped)


@pytest.mark.parametrize("source", ["mindspore", "pytorch"])
@pytest.mark.parametrize("opset", one_in(3, [13, 17, 21]))
def test_onnx_opsets(tmp_path, source, opset):
    dialect = next(dialect for dialect in DIGITS.dialects if dialect.runtime == source)
    path = write_random(tmp_path / ("in.ckpt" if source == "mindspore" else "in.pth"), DIGITS, dialect)
    convert(path, to="onnx", output=tmp_path / "out.onnx", opset=opset)
    model = onnx.load(tmp_path / "out.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    onnx.checker.check_model(model, full_check=True)
    names = {tensor.name for tensor in model.graph.initializer if len(tensor.dims)}
    assert set(random_parameters(DIGITS)) <= names
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert logits(tmp_path / "out.onnx", DIGITS, batch=5).shape == (5, 10)


def test_onnx_says_where_it_came_from(tmp_path, digits_ckpt):
    import hashlib

    convert(digits_ckpt, to="onnx", output=tmp_path / "out.onnx")
    metadata = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert metadata["triport.model"] == "res2net_digits"
    assert metadata["triport.source_dialect"] == "mindcv"
    assert metadata["triport.source_sha256"] == hashlib.sha256(digits_ckpt.read_bytes()).hexdigest()
    assert json.loads(metadata["triport.preprocessing"])["crop_px"] == 32


def test_onnx_is_the_same_twice(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="onnx", output=tmp_path / "a.onnx")
    FROM_MINDSPORE.forget()
    convert(digits_ckpt, to="onnx", output=tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_optimized_onnx_is_smaller_and_equal_and_does_not_go_back(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="onnx", output=tmp_path / "plain.onnx")
    convert(digits_ckpt, to="onnx", output=tmp_path / "fast.onnx", optimize=True)
    plain, fast = (onnx.load(tmp_path / f"{name}.onnx") for name in ("plain", "fast"))
    assert not [node for node in fast.graph.node if node.op_type == "BatchNormalization"]
    assert len(fast.graph.node) < len(plain.graph.node)
    a, b = logits(tmp_path / "plain.onnx", DIGITS), logits(tmp_path / "fast.onnx", DIGITS)
    assert np.abs(a - b).max() <= 2e-6 * np.abs(a).max()
    with pytest.raises(IdentifyError, match=r"BatchNorm is folded.*without --optimize"):
        convert(tmp_path / "fast.onnx", to="pytorch", output=tmp_path / "out.pth")


def test_onnx_with_another_dialects_names_is_read(tmp_path, digits_ckpt):
    convert(digits_ckpt, to="onnx", output=tmp_path / "ours.onnx")
    model = onnx.load(tmp_path / "ours.onnx")
    from triport.converters.names import name_map

    names = name_map(DIGITS, dialect_of(DIGITS, "mindcv"))
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "theirs.onnx")
    done = convert(tmp_path / "theirs.onnx", to="mindspore", output=tmp_path / "out.ckpt")
    assert done.model == "res2net_digits"
    assert read_arrays(tmp_path / "out.ckpt").keys() == read_arrays(digits_ckpt).keys()


@pytest.mark.parametrize(
    ("model", "dialect", "to", "message"),
    [
        ("resnet18_mindcv", "mindcv", "pytorch", r"torchvision's own definition.*max-pool.*resnet18_mindcv"),
        ("resnet18", "torchvision", "mindspore", r"mindcv's own definition.*by \d\.\d% of.*max-pool"),
        ("inception_v4", "mindcv", "pytorch", r"preprocessing, which is not timm's.*interpolation bilinear"),
    ],
)
def test_what_the_target_does_differently_is_said(tmp_path, model, dialect, to, message):
    spec = get_model(model)
    suffixes = {"mindspore": ".ckpt", "pytorch": ".pth"}
    naming = dialect_of(spec, dialect)
    source = write_random(tmp_path / f"in{suffixes[naming.runtime]}", spec, naming)
    done = convert(source, to=to, output=tmp_path / f"out{suffixes[to]}", model=model)
    assert any(__import__("re").search(message, warning) for warning in done.warnings), done.warnings


def test_a_graph_that_the_names_publisher_does_not_have_is_said(tmp_path):
    spec = get_model("resnet18")
    source = write_random(tmp_path / "in.ckpt", spec, dialect_of(spec, "mindcv"))
    done = convert(source, to="pytorch", output=tmp_path / "out.pth", model="resnet18")
    assert any("resnet18_mindcv" in warning for warning in done.warnings)


@pytest.mark.parametrize(("dialect", "is_said"), [("timm", True), ("torchvision", False), (None, False)])
def test_names_that_are_called_after_another_publisher_are_said(tmp_path, dialect, is_said):
    spec = get_model("resnet18")
    source = write_random(tmp_path / "in.ckpt", spec, dialect_of(spec, "mindcv"))
    done = convert(source, to="pytorch", output=tmp_path / "out.pth", model="resnet18", dialect=dialect)
    assert done.dialect == "torchvision"
    assert ("the names that timm has for this model are torchvision's" in done.warnings) is is_said


def test_the_model_travels_with_the_file(tmp_path):
    spec = get_model("resnet18_mindcv")
    source = write_random(tmp_path / "in.ckpt", spec, dialect_of(spec, "mindcv"))
    convert(source, to="pytorch", output=tmp_path / "a.pth")
    assert read_parameters(tmp_path / "a.pth").spec is spec
    convert(tmp_path / "a.pth", to="pytorch", output=tmp_path / "b.safetensors")
    assert read_parameters(tmp_path / "b.safetensors").spec is spec


def test_shipped_model_without_a_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = convert(None, to="onnx", source_runtime="mindspore")
    assert done.model == "res2net_digits"
    assert (tmp_path / "res2net_digits.onnx").exists()


@pytest.mark.parametrize("plain", [True, False])
def test_a_crc_where_it_is_asked_for(tmp_path, digits_ckpt, plain):
    """MindSpore compares it, and any change of the file is found."""
    import mindspore

    output = tmp_path / "out.ckpt"
    convert(digits_ckpt, to="mindspore", output=output, crc=True, plain=plain)
    assert (output.read_bytes()[:-17] == digits_ckpt.read_bytes()) is plain
    assert output.read_bytes().startswith(digits_ckpt.read_bytes())
    assert len(mindspore.load_checkpoint(str(output), crc_check=True)) == 187
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(data)
    with pytest.raises(FormatError, match="CRC-32 is"):
        open_checkpoint(output)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_values_are_refused(tmp_path, value):
    arrays = named_arrays(DIGITS, dialect_of(DIGITS, "mindcv"))
    arrays["bn1.beta"] = arrays["bn1.beta"].copy()
    arrays["bn1.beta"][[0, 2]] = value
    source = write_arrays(tmp_path / "in.ckpt", "mindspore", arrays)
    with pytest.raises(ConvertError, match=r"(?s)NaN or Inf in 1 of .*bn1.beta: 2 of"):
        convert(source, to="pytorch", output=tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source_runtime": "pytorch"}, ConvertError, "is a checkpoint of mindspore.*--from mindspore"),
        ({"output": "digits.ckpt"}, ConvertError, "is the source itself"),
        ({"output": "out.txt"}, FormatError, "out.txt"),
        ({"output": "missing/out.pth"}, FormatError, "missing"),
        ({"dialect": "torchvision"}, Exception, "has no pytorch dialect 'torchvision'. It has: timm"),
        ({"to": "onnx", "output": "out.onnx", "dialect": "timm"}, ConvertError, "leave --dialect out"),
        ({"to": "onnx", "output": "out.onnx", "opset": 12}, ConvertError, "13 to 21"),
        ({"to": "onnx", "output": "out.pth"}, ConvertError, r"ends in \.onnx"),
        ({"to": "onnx", "output": "out.onnx", "crc": True}, ConvertError, r"--crc: .* only a \.ckpt has"),
        ({"crc": True}, FormatError, "pth files are written without crc: leave it out"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, digits_ckpt, options, error, message):
    arguments = {"to": "pytorch", "output": "out.pth", **options}
    arguments["output"] = tmp_path / arguments["output"]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(error, match=message):
        convert(digits_ckpt, **arguments)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_written_file_that_reads_back_differently_is_not_kept(tmp_path, digits_ckpt, monkeypatch):
    from triport.converters.formats import pth

    write = pth.write

    def corrupted(path, runtime, tensors, metadata):
        first, *others = tensors
        zeroed = replace_values(tensors[first])
        return write(path, runtime, {first: zeroed, **{name: tensors[name] for name in others}}, metadata)

    monkeypatch.setattr(pth, "write", corrupted)
    with pytest.raises(FormatError, match="do not read back"):
        convert(digits_ckpt, to="pytorch", output=tmp_path / "out.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["digits.ckpt"]


def replace_values(tensor):
    from triport.converters.formats import ArrayTensor

    return ArrayTensor(np.zeros_like(tensor.numpy()))


def test_an_open_checkpoint_is_what_was_written(digits_ckpt):
    expected = named_arrays(DIGITS, dialect_of(DIGITS, "mindcv"))
    checkpoint = open_checkpoint(digits_ckpt)
    assert all(np.array_equal(checkpoint.tensors[name].numpy(), expected[name]) for name in expected)
    assert replace(checkpoint).runtime == "mindspore"


def test_a_graph_that_holds_no_tensor_fits_no_model(tmp_path, run_cli):
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "net", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    done = run_cli("convert", tmp_path / "net.onnx", "--to", "pytorch", "-o", tmp_path / "net.pth")
    assert done.exit_code == 2 and "fits no known model" in done.stderr
