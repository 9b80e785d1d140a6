"""What a checkpoint holds beside and around the weights."""

from __future__ import annotations

import importlib
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.converters.checkpoints import dialect_of, named_arrays, write_arrays
from triport.converters.formats import open_checkpoint
from triport.reference_models.spec import get_model

torch = importlib.import_module("torch")

SPEC = get_model("res2net_digits")
COUNTER = "num_batches_tracked"
Arrays = dict[str, Any]


def weights(seed: int = 0) -> Arrays:
    """Return seeded weights of the small Res2Net in PyTorch's names, as torch's tensors."""
    found = named_arrays(SPEC, dialect_of(SPEC, "timm"), seed=seed)
    return OrderedDict((name, torch.tensor(array)) for name, array in found.items())


def mindspore_weights(seed: int = 0) -> dict[str, np.ndarray]:
    return named_arrays(SPEC, dialect_of(SPEC, "mindcv"), seed=seed)


def under(prefix: str, tensors: Arrays) -> Arrays:
    return OrderedDict((f"{prefix}.{name}", tensor) for name, tensor in tensors.items())


def without_head(tensors: Arrays) -> Arrays:
    return OrderedDict((name, tensor) for name, tensor in tensors.items() if not name.startswith("fc."))


class Converter:
    """`convert` of one saved object, and what came out."""

    def __init__(self, run_cli: Any, folder: Path) -> None:
        self.run_cli = run_cli
        self.folder = folder

    def save(self, content: Any) -> Path:
        path = self.folder / "source.pth"
        torch.save(content, path)
        return path

    def run(self, source: Path, *options: str, to: str = "pytorch") -> Any:
        return self.run_cli(
            "convert", source, "--to", to, "-o", self.folder / "out.safetensors", "--json", "-", *options
        )

    def converted(self, source: Path, *options: str, to: str = "pytorch") -> dict[str, Any]:
        """Convert, and return the result."""
        done = self.run(source, *options, to=to)
        assert done.exit_code == 0, done.output
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def refused_again(self, source: Path, *options: str) -> str:
        """Convert, and return the error, whatever an earlier conversion wrote."""
        done = self.run(source, *options)
        assert done.exit_code == 2, done.output
        return str(done.stderr)

    def refused(self, source: Path, *options: str, to: str = "pytorch") -> str:
        """Convert, and return the error."""
        done = self.run(source, *options, to=to)
        assert done.exit_code == 2, done.output
        assert not (self.folder / "out.safetensors").exists()
        return str(done.stderr)

    def assert_wrote(self, expected: Arrays, counters: bool = True) -> None:
        """Check that the output has just these tensors, bit for bit."""
        found = open_checkpoint(self.folder / "out.safetensors").tensors
        wanted = {
            name: np.asarray(tensor)
            for name, tensor in expected.items()
            if counters or not name.endswith(COUNTER)
        }
        assert set(found) == set(wanted)
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype.name
            assert found[name].numpy().tobytes() == array.tobytes(), name


@pytest.fixture
def converter(run_cli: Any, tmp_path: Path) -> Converter:
    return Converter(run_cli, tmp_path)


def reasons(result: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["reason"] for item in result["dropped"]}


def with_counters(tensors: Arrays, change: Any) -> Arrays:
    return OrderedDict((n, change(t) if n.endswith(COUNTER) else t) for n, t in tensors.items())


@pytest.mark.field(
    case="counter_float32",
    source="huggingface/pytorch-image-models avg_checkpoints.py; pytorch/pytorch#42964; LuminLiu/HierFL#1",
    outcome="A counter of another dtype or shape is written as int64, with a note.",
)
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.to(torch.float32),
        lambda t: t.to(torch.float64),
        lambda t: t.to(torch.int32),
        lambda t: t.to(torch.bfloat16),
        lambda t: t.reshape(1),
        lambda t: t.to(torch.float16).reshape(1, 1),
    ],
    ids=["float32", "float64", "int32", "bfloat16", "shape 1", "float16 shape 1 1"],
)
def test_a_counter_of_another_kind_is_taken_as_int64(converter: Converter, change: Any) -> None:
    result = converter.converted(converter.save(with_counters(weights(), change)))
    converter.assert_wrote(weights())
    assert any(f"'{COUNTER}'" in warning and "int64" in warning for warning in result["warnings"])


@pytest.mark.field(
    case="counter_no_count",
    source="found beside counter_float32: averages of counters are no whole numbers",
    outcome="A counter that is no count is left out and said; the weights are converted.",
)
@pytest.mark.parametrize(
    ("value", "reason"),
    [(2.5, "2.5"), (float("nan"), "nan"), (float("inf"), "inf"), (-1.0, "-1.0"), ([1, 2], r"(2,)")],
    ids=str,
)
def test_a_counter_that_is_no_count_is_left_out(converter: Converter, value: Any, reason: str) -> None:
    result = converter.converted(converter.save(with_counters(weights(), lambda t: torch.tensor(value))))
    converter.assert_wrote(weights(), counters=False)
    dropped = reasons(result)
    assert len(dropped) == sum(name.endswith(COUNTER) for name in weights())
    assert all(reason in text and "inference does not use" in text for text in dropped.values())


@pytest.mark.field(
    case="counter_half",
    source="model.half() and torch.save, as in pytorch/pytorch#42964",
    outcome="The error asks for --dtype float32, and with it the file is converted.",
)
def test_a_half_precision_file_is_told_of_dtype(converter: Converter) -> None:
    source = converter.save({name: tensor.half() for name, tensor in weights().items()})
    error = converter.refused(source)
    assert "--dtype float32" in error
    assert COUNTER not in error
    converter.converted(source, "--dtype", "float32")
    converter.assert_wrote({n: t if n.endswith(COUNTER) else t.half().float() for n, t in weights().items()})


@pytest.mark.field(
    case="lightning_prefix",
    source="Lightning-AI/pytorch-lightning#20233; ozanciga/self-supervised-histopathology#7",
    outcome="A prefix after which the rest just fits is taken off, and noted.",
)
@pytest.mark.parametrize(
    "prefix", ["model", "backbone", "network", "net", "encoder", "anything", "module.model.net"]
)
def test_a_prefix_is_taken_off_where_the_rest_fits(converter: Converter, prefix: str) -> None:
    result = converter.converted(converter.save({"state_dict": under(prefix, weights()), "epoch": 3}))
    converter.assert_wrote(weights())
    assert any(prefix.removeprefix("module.") in warning for warning in result["warnings"])


@pytest.mark.field(
    case="lightning_criterion",
    source="Lightning-AI/pytorch-lightning#20233 (a loss with weights is an attribute beside the network)",
    outcome="The part that fits is taken, and what is beside it is listed.",
)
def test_what_is_beside_the_network_is_listed(converter: Converter) -> None:
    source = converter.save({**under("model", weights()), "criterion.weight": torch.ones(10)})
    result = converter.converted(source)
    converter.assert_wrote(weights())
    assert reasons(result) == {"criterion.weight": "beside the weights, which are under 'model'"}
    assert any("criterion.weight" in warning for warning in result["warnings"])


@pytest.mark.field(
    case="mmpretrain_head",
    source="open-mmlab/mmpretrain#620",
    outcome="backbone. and head. beside each other are taken off where all then fits.",
)
def test_a_backbone_and_its_head_under_two_prefixes(converter: Converter) -> None:
    content = {("head." if n.startswith("fc.") else "backbone.") + n: t for n, t in weights().items()}
    converter.converted(converter.save({"state_dict": content, "meta": {"epoch": 100}}))
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="mmpretrain_head_and_loss",
    source="open-mmlab/mmpretrain#620, with a weighted loss in the head",
    outcome="The error says what backbone. is without its head, and which --rename takes the head.",
)
def test_a_head_beside_a_backbone_is_named(converter: Converter) -> None:
    content = {("head." if n.startswith("fc.") else "backbone.") + n: t for n, t in weights().items()}
    source = converter.save({**content, "head.loss.weight": torch.ones(10)})
    assert "--rename head.fc=backbone.fc" in converter.refused(source)
    converter.converted(source, "--rename", "head.fc=backbone.fc")
    converter.assert_wrote(weights())


def inside(module: str, *wrappers: str) -> Any:
    return lambda name: name.replace(f"{module}.", f"{module}.{'.'.join(wrappers)}.")


@pytest.mark.field(
    case="inner_orig_mod",
    source="pytorch/pytorch#101107; pytorch/torchtitan#2622; pytorch/pytorch#158519",
    outcome="Wrappers' names are taken out wherever they stand, and noted.",
)
@pytest.mark.parametrize(
    "rename",
    [
        inside("layer1", "_orig_mod"),
        inside("layer1", "module"),
        inside("layer2.0", "_checkpoint_wrapped_module"),
        inside("layer2.0", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"),
        lambda name: f"_fsdp_wrapped_module.{name}",
        lambda name: f"model._orig_mod.{name}",
        lambda name: f"_forward_module.model.{name}",
    ],
    ids=["compile", "DataParallel", "checkpointing", "FSDP inside", "FSDP", "Lightning", "Fabric"],
)
def test_wrappers_inside_names(converter: Converter, rename: Any) -> None:
    result = converter.converted(converter.save({rename(n): t for n, t in weights().items()}))
    converter.assert_wrote(weights())
    assert result["warnings"]


@pytest.mark.field(
    case="fsdp_flat_param",
    source="pytorch/pytorch#158519 (state dicts of FSDP without FULL_STATE_DICT)",
    outcome="The error says what FSDP's flattened parameters are and how to save the full ones.",
)
def test_flattened_parameters_are_named(converter: Converter) -> None:
    source = converter.save({"_fsdp_wrapped_module._flat_param": torch.ones(100)})
    assert "full_state_dict" in converter.refused(source)


@pytest.mark.field(
    case="student_teacher",
    source="found beside lightning_prefix: facebookresearch/dino saves student and teacher",
    outcome="Two parts that fit with other values are not guessed: --prefix chooses.",
)
def test_two_parts_that_fit_are_not_guessed(converter: Converter) -> None:
    source = converter.save({**under("student", weights(0)), **under("teacher", weights(1))})
    assert "--prefix student|teacher" in converter.refused(source)
    converter.converted(source, "--prefix", "teacher")
    converter.assert_wrote(weights(1))


@pytest.mark.field(
    case="copy_beside_the_outermost_names",
    source="found beside lightning_prefix: an averaged copy as a submodule",
    outcome="A copy beside the outermost names is not taken for the network: --prefix chooses.",
)
def test_a_copy_beside_the_outermost_names(converter: Converter) -> None:
    source = converter.save({**weights(0), **under("averaged", weights(1))})
    assert "--prefix averaged|." in converter.refused(source)
    assert "--prefix .|averaged" in converter.refused(source, "--no-head")
    converter.converted(source, "--prefix", ".")
    converter.assert_wrote(weights(0))


@pytest.mark.field(
    case="same_network_twice",
    source="found beside lightning_prefix: one network as two attributes of a module",
    outcome="Parts that hold the same values are one, and the file is converted.",
)
def test_the_same_network_under_two_names(converter: Converter) -> None:
    converter.converted(converter.save({**under("model", weights()), **under("net", weights())}))
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="several_state_dicts",
    source="facebookresearch/dino checkpoints; mmengine's ema_state_dict",
    outcome="State dicts under two keys that both fit are not guessed: --key chooses.",
)
@pytest.mark.parametrize("keys", [("student", "teacher"), ("model", "ema"), ("state_dict", "ema_state_dict")])
def test_two_state_dicts_that_fit_are_not_guessed(converter: Converter, keys: tuple[str, str]) -> None:
    source = converter.save({keys[0]: weights(0), keys[1]: weights(1), "epoch": 3})
    error = converter.refused(source)
    assert all(key in error for key in keys)
    assert "--key" in error
    converter.converted(source, "--key", keys[1])
    converter.assert_wrote(weights(1))


@pytest.mark.field(
    case="one_state_dict_fits",
    source="found beside several_state_dicts: a discriminator and metrics beside the network",
    outcome="Of several dicts of tensors the one that is a known model's is taken, and the others are named.",
)
def test_the_state_dict_that_fits_is_taken(converter: Converter) -> None:
    content = {"net": weights(), "disc": {"fc1.weight": torch.ones(3, 3)}, "metrics": {"acc": torch.ones(1)}}
    result = converter.converted(converter.save(content))
    converter.assert_wrote(weights())
    assert any("--key disc" in warning for warning in result["warnings"])


@pytest.mark.field(
    case="extra_state_dict",
    source="Lightning-AI/pytorch-lightning#17695; huggingface/transformers#38154; "
    "NVIDIA/TransformerEngine#1860",
    outcome="An _extra_state entry is listed as the module's extra state, and the rest is converted.",
)
@pytest.mark.parametrize(
    "value", [{"amax": torch.ones(1), "scale": torch.ones(1)}, torch.tensor([1, 2], dtype=torch.uint8)]
)
def test_extra_state_is_no_parameter(converter: Converter, value: Any) -> None:
    result = converter.converted(converter.save({**weights(), "fc._extra_state": value}))
    converter.assert_wrote(weights())
    assert "extra state of the module 'fc'" in reasons(result)["fc._extra_state"]


@pytest.mark.field(
    case="dict_among_the_tensors",
    source="found beside extra_state_dict: any dict of tensors among the values",
    outcome="A dict of tensors among the weights does not put the weights beside it.",
)
@pytest.mark.parametrize("inner", [{"amax": torch.ones(1)}, {"weight": torch.ones(3)}], ids=str)
def test_a_dict_among_the_tensors(converter: Converter, inner: Any) -> None:
    converter.converted(converter.save({**weights(), "calibration": inner}))
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="nested_two_levels",
    source="facebookresearch/vissl#235",
    outcome="The one state dict is found however deep it lies, and where is said.",
)
@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda w: {"model": {"state_dict": w}}, "model/state_dict"),
        (
            lambda w: {"classy": {"base": {"model": {"trunk": under("_blocks", w), "heads": {}}}}},
            "model/trunk",
        ),
        (lambda w: [w], "'0'"),
        (lambda w: {"a": [{"b": (1, {"c": w})}]}, "a/0/b/1/c"),
    ],
    ids=["two", "four", "list", "mixed"],
)
def test_a_state_dict_that_lies_deep(converter: Converter, wrap: Any, where: str) -> None:
    result = converter.converted(converter.save(wrap(weights())))
    converter.assert_wrote(weights())
    assert any(where in warning for warning in result["warnings"])


@pytest.mark.field(
    case="optimizer_has_tensors_too",
    source="found beside nested_two_levels: torch.optim's state has dicts of tensors with names",
    outcome="An optimizer's state is not taken for weights, whatever its key is called.",
)
def test_an_optimizers_state_is_no_state_dict(converter: Converter) -> None:
    state = {"state": {"w": {"weight": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    converter.converted(converter.save({"net": weights(), "o": state, "again": [state]}))
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="file_that_holds_itself",
    source="found beside nested_two_levels: a pickle may refer to itself",
    outcome="The search ends, and the state dict is found.",
)
def test_a_file_that_holds_itself(converter: Converter) -> None:
    content: dict[str, Any] = {"model": weights()}
    content["self"] = content
    converter.converted(converter.save(content))
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="key_option",
    source="facebookresearch/vissl#235",
    outcome="--key takes dots or slashes, and says what is there where a key is not.",
)
@pytest.mark.parametrize("key", ["runs.0.best", "runs/0/best", "runs.0/best", "runs/0"])
def test_keys_are_joined_by_dots_or_slashes(converter: Converter, key: str) -> None:
    source = converter.save({"runs": [{"best": weights(1)}], "model": weights(0)})
    converter.converted(source, "--key", key)
    converter.assert_wrote(weights(1))
    assert "runs/0 has best" in converter.refused_again(source, "--key", "runs.0.worst")


@pytest.mark.field(
    case="headless_backbone",
    source="facebookresearch/dino#11; facebookresearch/dino#125",
    outcome="The error says that only the head is missing; --no-head converts the others and says so.",
)
@pytest.mark.parametrize(("to", "prefix"), [("pytorch", ""), ("mindspore", ""), ("pytorch", "backbone")])
def test_a_backbone_without_its_head(converter: Converter, to: str, prefix: str) -> None:
    backbone = without_head(weights())
    source = converter.save(under(prefix, backbone) if prefix else backbone)
    error = converter.refused(source, to=to)
    assert "only its head is missing" in error
    assert "--no-head" in error
    assert "Get a complete" not in error
    assert "needs its head" in converter.refused(source, "--no-head", to="onnx")
    result = converter.converted(source, "--no-head", to=to)
    assert result["num_classes"] == 0
    assert any("head is left out" in warning for warning in result["warnings"])
    if to == "pytorch":
        converter.assert_wrote(backbone)
    else:
        assert result["tensors_written"] == sum(not name.endswith(COUNTER) for name in backbone)


@pytest.mark.field(
    case="moco_encoders",
    source="facebookresearch/moco: encoder_q and encoder_k, another head, a queue",
    outcome="--no-head asks which of two backbones is meant, and leaves the other head and the queue out.",
)
def test_two_backbones_with_another_head(converter: Converter) -> None:
    head = {"fc.0.weight": torch.ones(256, 256), "fc.0.bias": torch.ones(256)}
    query = {**without_head(weights(0)), **head}
    key = {**without_head(weights(1)), **head}
    source = converter.save(
        {"state_dict": {**under("encoder_q", query), **under("encoder_k", key), "queue": torch.ones(128, 8)}}
    )
    assert "--prefix encoder_q|encoder_k" in converter.refused(source, "--no-head")
    converter.converted(source, "--no-head", "--prefix", "encoder_q")
    converter.assert_wrote(without_head(weights(0)))


@pytest.mark.field(
    case="no_head_is_no_licence",
    source="found beside headless_backbone",
    outcome="--no-head does not leave out layers inside the backbone that the model does not have.",
)
def test_no_head_leaves_no_layer_out(converter: Converter) -> None:
    source = converter.save({**without_head(weights()), "layer1.0.se.weight": torch.ones(3, 3)})
    assert "layer1.0.se.weight" in converter.refused(source, "--no-head")


@pytest.mark.field(
    case="head_of_another_name",
    source="common in fine-tuning scripts: model.fc = nn.Sequential(nn.Dropout(), nn.Linear(...))",
    outcome="The error names the layer that could be the head, and --rename takes it.",
)
@pytest.mark.parametrize(
    ("head", "prefix"), [("fc.1", ""), ("classifier", ""), ("head.linear", ""), ("classifier", "model")]
)
def test_a_head_of_another_name(converter: Converter, head: str, prefix: str) -> None:
    content = {name.replace("fc.", f"{head}."): tensor for name, tensor in weights().items()}
    start = f"{prefix}." if prefix else ""
    source = converter.save(under(prefix, content) if prefix else content)
    rename = f"{start}{head}={start}fc"
    assert f"--rename {rename}" in converter.refused(source)
    converter.converted(source, "--rename", rename)
    converter.assert_wrote(weights())


@pytest.mark.field(
    case="rename_errors",
    source="found beside head_of_another_name",
    outcome="A --rename that names nothing, or a name that is taken, is an error.",
)
@pytest.mark.parametrize(
    ("rename", "message"),
    [("nothing=fc", "no name is nothing"), ("bn1=fc", "is there already"), ("fc", "expected OLD=NEW")],
)
def test_a_rename_that_makes_no_sense(converter: Converter, rename: str, message: str) -> None:
    assert message in converter.refused(converter.save(weights()), "--rename", rename)


@pytest.mark.field(
    case="more_than_the_model",
    source="found beside lightning_prefix: a layer inside the network that the model does not have",
    outcome="A file with more layers is refused, and not told to get a complete checkpoint.",
)
def test_a_layer_more_is_another_network(converter: Converter) -> None:
    error = converter.refused(converter.save({**weights(), "layer1.0.se.weight": torch.ones(3, 3)}))
    assert "layer1.0.se.weight" in error
    assert "Get a complete" not in error


@pytest.mark.field(
    case="mint_nn_names",
    source="found by saving a network of mindspore.mint.nn in MindSpore 2.10",
    outcome="PyTorch's names in a MindSpore file are recognised, and said.",
)
@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_pytorch_names_in_a_mindspore_file(converter: Converter, tmp_path: Path, suffix: str) -> None:
    arrays = {name: np.asarray(tensor) for name, tensor in weights().items()}
    source = write_arrays(tmp_path / f"mint.{suffix}", "mindspore", arrays)
    result = converter.converted(source)
    converter.assert_wrote(weights())
    assert result["from"] == "mindspore"
    assert any("PyTorch names" in warning for warning in result["warnings"])


@pytest.mark.field(
    case="mindspore_names_in_pytorch",
    source="found beside mint_nn_names: scripts that save a .ckpt's parameters by torch.save",
    outcome="MindSpore's names in a PyTorch file are recognised, and said.",
)
def test_mindspore_names_in_a_pytorch_file(converter: Converter) -> None:
    source = converter.save({name: torch.tensor(array) for name, array in mindspore_weights().items()})
    result = converter.converted(source)
    converter.assert_wrote(weights(), counters=False)
    assert any("MindSpore names" in warning for warning in result["warnings"])


@pytest.mark.field(
    case="inspect_options",
    source="found beside student_teacher",
    outcome="inspect takes the same options, says the prefix, and compares the part that is meant.",
)
def test_inspect_chooses_too(converter: Converter, run_cli: Any, tmp_path: Path) -> None:
    source = converter.save({**under("student", weights(0)), **under("teacher", weights(1))})
    found = json.loads(run_cli("inspect", source, "--prefix", "teacher", "--json", "-").stdout)
    assert found["model"] == "res2net_digits"
    assert len(found["tensors"]) == len(weights())
    torch.save(weights(1), tmp_path / "teacher.pth")
    assert run_cli("inspect", source, tmp_path / "teacher.pth", "--prefix", "teacher").exit_code == 0
    assert run_cli("inspect", source, tmp_path / "teacher.pth", "--prefix", "student").exit_code == 1
    ambiguous = run_cli("inspect", source, tmp_path / "teacher.pth")
    assert ambiguous.exit_code == 1, "two parts fit: neither is compared alone"


def folded_onnx(path: Path, constants: bool) -> Path:
    """Write an ONNX file as exporters do by default: convolutions with biases, no BatchNorm."""
    onnx = importlib.import_module("onnx")
    arrays: dict[str, np.ndarray] = {}
    for number, layer in enumerate(SPEC.layers()):
        if layer.kind == "norm":
            continue
        arrays[f"onnx::Conv_{number}" if layer.kind == "conv" else f"{layer.path}.weight"] = np.ones(
            layer.shape, np.float32
        )
        arrays[f"onnx::Bias_{number}"] = np.ones(layer.shape[:1], np.float32)
    if constants:
        arrays |= {"axes": np.array([2, 3]), "minimum": np.zeros((), np.float32)}
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = onnx.helper.make_graph([], "folded", [], [], initializers)
    onnx.save(onnx.helper.make_model(graph), path)
    return path


@pytest.mark.field(
    case="onnx_bn_folded",
    source="pytorch/pytorch#93343; onnx/onnx#4829; pytorch/pytorch#41007",
    outcome="The error says that BatchNorm is folded, and how to compare the file and how to export it.",
)
@pytest.mark.parametrize("constants", [False, True])
@pytest.mark.parametrize("options", [(), ("--model", "res2net_digits")], ids=["found", "said"])
def test_a_folded_graph_is_named(
    converter: Converter, tmp_path: Path, constants: bool, options: tuple[str, ...]
) -> None:
    error = converter.refused(folded_onnx(tmp_path / "folded.onnx", constants), *options)
    assert "BatchNorm is folded" in error
    assert "triport parity CHECKPOINT" in error
    assert "optimize=False" in error
    assert "Get a complete" not in error


@pytest.mark.field(
    case="incomplete_checkpoint",
    source="found beside headless_backbone: a file from which layers are missing",
    outcome="Only a file from which parameters are missing is told to get a complete one.",
)
@pytest.mark.parametrize("lost", ["layer2.1.", "fc.bias"])
def test_an_incomplete_checkpoint(converter: Converter, lost: str) -> None:
    content = {name: t for name, t in weights().items() if not name.startswith(lost)}
    assert "Get a complete res2net_digits checkpoint" in converter.refused(converter.save(content))


@pytest.mark.field(
    case="equal_but_for_what_is_beside",
    source="found beside lightning_criterion: inspect A B of a training file and its network",
    outcome="inspect A B says which part of a file it compared, and what is beside it.",
)
def test_inspect_says_what_it_did_not_compare(converter: Converter, run_cli: Any, tmp_path: Path) -> None:
    source = converter.save({**under("model", weights()), "normalizer.mean": torch.ones(3)})
    torch.save(weights(), tmp_path / "network.pth")
    done = run_cli("inspect", source, tmp_path / "network.pth")
    assert done.exit_code == 0
    assert "normalizer.mean" in done.stdout
