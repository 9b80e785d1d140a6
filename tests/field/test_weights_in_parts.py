"""Files whose weights are kept in parts, or are not of the values that networks compute with."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.field.digits_weights import HEAD, assert_delivers, assert_refused, state_dict

HALVES = 256


def without_head_weight(**parts: Any) -> OrderedDict[str, Any]:
    state = state_dict(**{name.replace(".", "__"): value for name, value in parts.items()})
    del state[HEAD]
    return state


PARTS = {
    "parametrize": (
        {"fc.parametrizations.weight.original": torch.ones(10, HALVES)},
        "remove_parametrizations",
    ),
    "prune": (
        {"fc.weight_orig": torch.ones(10, HALVES), "fc.weight_mask": torch.ones(10, HALVES)},
        "prune.remove",
    ),
    "weight_norm": (
        {"fc.weight_g": torch.ones(10, 1), "fc.weight_v": torch.ones(10, HALVES)},
        "remove_weight_norm",
    ),
    "spectral_norm": (
        {"fc.weight_orig": torch.ones(10, HALVES), "fc.weight_u": torch.ones(10)},
        "remove_spectral_norm",
    ),
    "lora": (
        {
            "fc.base_layer.weight": torch.ones(10, HALVES),
            "fc.lora_A.default.weight": torch.ones(4, HALVES),
            "fc.lora_B.default.weight": torch.ones(10, 4),
        },
        "merge_and_unload",
    ),
    "PEFT's trained copy of a layer": (
        {
            "fc.original_module.weight": torch.ones(10, HALVES),
            "fc.original_module.bias": torch.ones(10),
            "fc.modules_to_save.default.weight": torch.ones(10, HALVES),
            "fc.modules_to_save.default.bias": torch.ones(10),
        },
        "merge_and_unload",
    ),
}

SMALL = torch.ones(10, HALVES, dtype=torch.int8)
QUANTISED: dict[str, tuple[dict[str, Any], str]] = {
    "torchao's safetensors": ({"fc.weight:_qdata": SMALL, "fc.weight:_scale": torch.ones(10, 1)}, "torchao"),
    "torchao's flat names": ({"fc.weight_qdata": SMALL, "fc.weight_scale": torch.ones(10, 1)}, "torchao"),
    "torchao's second version": (
        {"fc._weight_qdata": SMALL, "fc._weight_scale": torch.ones(10, 1)},
        "torchao",
    ),
    "ONNX Runtime's quantisation": (
        {"fc.weight_quantized": SMALL, "fc.weight_scale": torch.ones(10), "fc.weight_zero_point": SMALL[0]},
        "ONNX Runtime",
    ),
    "GPTQ": ({"fc.qweight": SMALL, "fc.qzeros": SMALL, "fc.scales": torch.ones(2, 10)}, "GPTQ"),
    "bitsandbytes": ({"fc.weight": SMALL, "fc.SCB": torch.ones(10)}, "bitsandbytes"),
    "compressed-tensors": ({"fc.weight_packed": SMALL, "fc.weight_scale": torch.ones(10)}, "compres"),
    "torch.ao": ({"fc.scale": torch.tensor(0.1), "fc.zero_point": torch.tensor(0)}, "torch.ao"),
    "in training": ({"fc.weight_fake_quant.scale": torch.ones(10)}, "quantisation-aware training"),
}


@pytest.mark.field(
    case="a weight that torchao, GPTQ, bitsandbytes, compressed-tensors or torch.ao have quantised",
    source="pytorch/ao (safetensors of Int8Tensor, Float8Tensor), AutoGPTQ, bitsandbytes: their names",
    outcome="Refused, and whose it is; never an advice to rename a quantised tensor.",
)
@pytest.mark.parametrize("kind", QUANTISED)
def test_quantised_weights(tmp_path: Path, run_cli: Any, kind: str) -> None:
    parts, whose = QUANTISED[kind]
    torch.save({**without_head_weight(), **parts}, tmp_path / "x.pth")
    message = assert_refused(run_cli, tmp_path / "x.pth", whose, "res2net_digits")
    assert "--rename" not in message


@pytest.mark.field(
    case="an adapter alone, without the weights of its network",
    source="huggingface/peft: save_pretrained writes adapter_model.safetensors beside adapter_config.json",
    outcome="Named, with what joins it to the network.",
)
def test_an_adapter_alone(tmp_path: Path, run_cli: Any) -> None:
    state = {f"base_model.model.fc.lora_{part}.weight": torch.ones(4, 4) for part in "AB"}
    torch.save(state, tmp_path / "adapter.pth")
    assert_refused(run_cli, tmp_path / "adapter.pth", "LoRA adds a product", "merge_and_unload")


@pytest.mark.field(
    case="a state dict of empty tensors",
    source="DeepSpeed's ZeRO-3: a module's own state_dict() has parameters of the shape (0,)",
    outcome="Named, with DeepSpeed's own command that makes whole weights.",
)
def test_empty_tensors(tmp_path: Path, run_cli: Any) -> None:
    torch.save({name: torch.zeros(0) for name in state_dict()}, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "are empty", "zero_to_fp32.py")


@pytest.mark.field(
    case="a weight that is kept in parts",
    source="pytorch/pytorch: torch.nn.utils.parametrize, prune, weight_norm, spectral_norm; huggingface/peft",
    outcome="Refused, with what joins the parts; never an advice to rename one of them.",
)
@pytest.mark.parametrize("kind", PARTS)
def test_a_weight_in_parts(tmp_path: Path, run_cli: Any, kind: str) -> None:
    parts, advice = PARTS[kind]
    torch.save(without_head_weight(**parts), tmp_path / "parts.pth")
    message = assert_refused(run_cli, tmp_path / "parts.pth", advice, "res2net_digits")
    assert "--rename" not in message


@pytest.mark.field(
    case="weights that are no floating-point numbers",
    source="found by trying: int8 and complex state dicts",
    outcome="The message says of which type they are; it does not say that names or shapes are wrong.",
)
@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.int64])
def test_weights_of_another_kind_of_number(tmp_path: Path, run_cli: Any, dtype: Any) -> None:
    path = tmp_path / "other.pth"
    torch.save({name: tensor.to(dtype) for name, tensor in state_dict().items()}, path)
    message = assert_refused(run_cli, path, str(dtype).removeprefix("torch."))
    assert "too few" not in message


@pytest.mark.field(
    case="what a counter of operations left in every module",
    source="found by trying: the buffers that profile of Lyken17/pytorch-OpCounter adds",
    outcome="Left out and said; the weights are converted.",
)
def test_counters_of_operations(tmp_path: Path, run_cli: Any) -> None:
    state = state_dict()
    for module in ("", "layer1.", "layer1.0.conv1."):
        state[f"{module}total_ops"] = torch.zeros(1, dtype=torch.float64)
        state[f"{module}total_params"] = torch.zeros(1, dtype=torch.float64)
    torch.save(state, tmp_path / "counted.pth")
    assert "thop" in assert_delivers(run_cli, tmp_path / "counted.pth")


@pytest.mark.field(
    case="a folder of accelerate: weights, an optimizer's state and no config.json",
    source="huggingface/accelerate: save_model and save_state of 1.15, saved and tried",
    outcome="The one file of weights is read; with a second model or further weights it is asked or said.",
)
def test_folders_of_accelerate(tmp_path: Path, run_cli: Any) -> None:
    folder = tmp_path / "run" / "step_10"
    folder.mkdir(parents=True)
    torch.save(state_dict(), folder / "pytorch_model.bin")
    torch.save({"state": {}, "param_groups": []}, folder / "optimizer.bin")
    output = tmp_path / "out.safetensors"
    done = run_cli("convert", folder, "--to", "pytorch", "-o", output)
    assert done.exit_code == 0 and "was taken" not in done.output
    torch.save(state_dict(), folder / "pytorch_model_1.bin")
    two = run_cli("convert", folder, "--to", "pytorch", "-o", output)
    assert two.exit_code == 2 and "pytorch_model_1.bin" in two.stderr and "give one of them" in two.stderr
    outer = run_cli("inspect", tmp_path / "run")
    assert outer.exit_code == 2 and "It has step_10/: give that" in outer.stderr
    (folder / "pytorch_model_1.bin").rename(folder / "averaged.pth")
    assert run_cli("inspect", folder).exit_code == 2
    (folder / "config.json").write_text("{}")
    hub = run_cli("convert", folder, "--to", "pytorch", "-o", output)
    assert hub.exit_code == 0, hub.output
    assert "files pytorch_model.bin was taken, and not averaged.pth" in " ".join(hub.output.split())


@pytest.mark.field(
    case="parameters that FSDP or fairscale have flattened into one tensor",
    source="facebookresearch/fairscale (flat_param_0), pytorch/pytorch#158519",
    outcome="The error says what they are and how to save the full state dict.",
)
@pytest.mark.parametrize("name", ["flat_param_0", "_fsdp_wrapped_module.flat_param_12", "_flat_param"])
def test_flattened_parameters(tmp_path: Path, run_cli: Any, name: str) -> None:
    torch.save({name: torch.ones(100), "fc.bias": torch.ones(10)}, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "FSDP", "full state dict")
