"""Weight files as PyTorch and pickle leave them."""

from __future__ import annotations

import argparse
import collections
import enum
import functools
import importlib
import json
import pickle  # noqa: TID251 the tests write pickles as others do; nothing is loaded
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.field.digits_weights import HEAD, assert_delivers, assert_refused, digits, state_dict

torch = importlib.import_module("torch")


def lazily_negative(values: Any) -> Any:
    """Return a tensor of the same values that is stored with the opposite sign and a bit that says so."""
    lazy = torch.conj(torch.complex(torch.zeros_like(values), -values)).imag
    assert lazy.is_neg()
    assert torch.equal(lazy.resolve_neg(), values)
    return lazy


@pytest.mark.field(
    case="lazy negative bit",
    source="pytorch/pytorch#81690, pytorch/pytorch#88182",
    outcome="The values that torch.load gives, never the stored sign; a note says so.",
)
@pytest.mark.parametrize("transposed", [False, True])
def test_lazy_negative_bit(tmp_path: Path, run_cli: Any, transposed: bool) -> None:
    weight = state_dict()[HEAD]
    lazy = lazily_negative(weight.T.contiguous()).T if transposed else lazily_negative(weight)
    torch.save(state_dict(fc__weight=lazy), tmp_path / "x.pth")
    assert "PyTorch's lazy negative" in assert_delivers(run_cli, tmp_path / "x.pth")


@pytest.mark.field(
    case="lazy negative bit, compared",
    source="pytorch/pytorch#81690",
    outcome="A file with the bit and one without are equal, as torch.load reads them.",
)
def test_lazy_negative_bit_is_compared(tmp_path: Path, run_cli: Any) -> None:
    torch.save(state_dict(), tmp_path / "a.pth")
    torch.save(state_dict(fc__weight=lazily_negative(state_dict()[HEAD])), tmp_path / "b.pth")
    assert run_cli("inspect", tmp_path / "a.pth", tmp_path / "b.pth").exit_code == 0
    torch.save(state_dict(fc__weight=-state_dict()[HEAD]), tmp_path / "b.pth")
    assert run_cli("inspect", tmp_path / "a.pth", tmp_path / "b.pth").exit_code == 1


@pytest.mark.field(
    case="unknown entry in the metadata of a tensor",
    source="made by hand, after pytorch/pytorch#88182: the dict that holds the lazy bits may hold more",
    outcome="Refused by name: what the entry does to the values cannot be known.",
)
def test_unknown_metadata(tmp_path: Path, run_cli: Any) -> None:
    class Marked:
        def __reduce__(self) -> Any:
            rebuild, arguments = state_dict()[HEAD].__reduce_ex__(2)
            return rebuild, (*arguments, {"scaled": True})

    torch.save(state_dict(fc__weight=Marked()), tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "tensor 'fc.weight' has the entry 'scaled' in its metadata")


def in_module(name: str, kind: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a class or function into a module of this name, as far as pickle can see."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(
            importlib.import_module("sys").modules, ".".join(parts[:end]), types.ModuleType(parts[end - 1])
        )
    monkeypatch.setattr(importlib.import_module("sys").modules[name], kind.__name__, kind, raising=False)
    kind.__module__, kind.__qualname__ = name, kind.__name__
    return kind


class HistoryBuffer:
    """As mmengine's: it keeps functions of its class, which pickle gets by a call of getattr."""

    def __init__(self) -> None:
        self.history = np.array([1.0, 2.0])
        self.methods = {"mean": HistoryBuffer.mean}

    def mean(self) -> None:
        """Do nothing."""


class PosixPath:
    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return PosixPath, self.parts


class Precision(enum.Enum):
    MIXED = "16-mixed"


def beside_weights(kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what a training script saves beside the weights."""
    if kind == "mmengine":
        buffer = in_module("mmengine.logging.history_buffer", HistoryBuffer, monkeypatch)
        return {"message_hub": {"log_scalars": {"train/loss": buffer()}}, "meta": {"epoch": 1}}
    if kind == "path":
        path = in_module("pathlib._local", PosixPath, monkeypatch)
        return {"args": argparse.Namespace(data=path("/", "data"))}
    if kind == "partial":
        return {"hyper_parameters": {"optimizer": functools.partial(torch.optim.SGD, lr=0.1)}}
    if kind == "enum":
        return {"hyper_parameters": {"precision": in_module("project.config", Precision, monkeypatch).MIXED}}
    if kind == "scheduler":
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
        return {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, functools.partial(max, 1.0))}
    counts = collections.defaultdict(list, {"loss": [1.0]})
    return {
        "log": counts,
        "shape": torch.Size([1, 2]),
        "counter": collections.Counter("aab"),
        "range": {1, 2},
    }


@pytest.mark.field(
    case="objects beside the weights that pickle by a call",
    source="open-mmlab/mmengine#1655, ayutaz/piper-plus#619, awslabs/gluonts#3269",
    outcome="The weights are converted; what is beside them is listed, and nothing of it runs.",
)
@pytest.mark.parametrize("kind", ["mmengine", "path", "partial", "enum", "scheduler", "containers"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_beside_the_weights(
    tmp_path: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: int
) -> None:
    beside = beside_weights(kind, monkeypatch)
    torch.save({"state_dict": state_dict(), **beside}, tmp_path / "x.pth", pickle_protocol=protocol)
    assert_delivers(run_cli, tmp_path / "x.pth")
    said = run_cli(
        "convert", tmp_path / "x.pth", "--to", "mindspore", "-o", tmp_path / "x.ckpt", "--json", "-"
    )
    assert set(beside) <= {entry["name"] for entry in json.loads(said.output)["dropped"]}


class Attack:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.field(
    case="a call that runs a program, beside the weights",
    source="made by hand, after CVE-2025-32434",
    outcome="Refused by name, and nothing ran.",
)
def test_an_attack_beside_the_weights(tmp_path: Path, run_cli: Any) -> None:
    attack = Attack(importlib.import_module("os").system, f"touch {tmp_path}/pwned")
    torch.save({"state_dict": state_dict(), "args": attack}, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "calls posix.system", "refused, and nothing was run")


@pytest.mark.field(
    case="the result of an unknown call where a tensor should be",
    source="made by hand",
    outcome="It is part of no tensor: the parameter is missing, or its tensor is refused by name.",
)
def test_an_unknown_call_makes_no_weight(
    tmp_path: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scaled(tensor: Any) -> Any:
        return tensor * 2

    function = in_module("project.ops", scaled, monkeypatch)
    torch.save(state_dict(fc__weight=Attack(function, state_dict()[HEAD])), tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "fc.weight: missing", "project.ops.scaled: not run")


@pytest.mark.field(
    case="torch.save with pickle_protocol=0, new or of before 1.6",
    source="found here: torch.load stops at an assertion, as the places of the values are lost",
    outcome="refused with that, not called damaged",
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_pickle_protocol_0(run_cli: Any, tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "x.pth"
    torch.save(state_dict(), path, pickle_protocol=0, _use_new_zipfile_serialization=not legacy)
    assert "damaged" not in assert_refused(run_cli, path, "is of protocol 0", "without pickle_protocol")


@pytest.mark.field(
    case="torch.save's old format with pickle protocols 3 to 5",
    source="pytorch/pytorch#118092, fastai/fastai2#188, deepspeedai/DeepSpeed#4882",
    outcome="Converted, as with protocol 2.",
)
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_legacy_protocols(tmp_path: Path, run_cli: Any, protocol: int) -> None:
    torch.save(
        state_dict(), tmp_path / "x.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=False
    )
    assert_delivers(run_cli, tmp_path / "x.pth")


class TensorBase(torch.Tensor):  # type: ignore[misc,name-defined]
    pass


@pytest.mark.field(
    case="tensors of a Python subclass",
    source="Project-MONAI/MONAI#8355, fastai's TensorBase",
    outcome="Their values, as plain tensors; a note names the class.",
)
@pytest.mark.parametrize("names", [(HEAD,), ("fc.bias",), None], ids=["weight", "bias", "all"])
def test_tensor_subclass(
    tmp_path: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...] | None
) -> None:
    kind = in_module("fastai.torch_core", TensorBase, monkeypatch)
    state = {name: tensor.as_subclass(kind) if names is None or name in names else tensor
             for name, tensor in state_dict().items()}  # fmt: skip
    torch.save(state, tmp_path / "x.pth")
    assert "of the class fastai.torch_core.TensorBase" in assert_delivers(run_cli, tmp_path / "x.pth")


@pytest.mark.field(
    case="an expanded view",
    source="pytorch/pytorch#143847, pytorch/pytorch#38470",
    outcome="The values that torch.load gives, as long as the file is not a bomb.",
)
def test_expanded_view(tmp_path: Path, run_cli: Any) -> None:
    torch.save(state_dict(fc__bias=torch.full((1,), 0.25).expand(10)), tmp_path / "x.pth")
    expected = {**digits(), "fc.bias": np.full(10, 0.25, np.float32)}
    assert_delivers(run_cli, tmp_path / "x.pth", expected)
    torch.save(state_dict(fc__bias=torch.full((1,), 0.25).expand(10**8)), tmp_path / "x.pth")
    (tmp_path / "converted.safetensors").unlink()
    assert_refused(run_cli, tmp_path / "x.pth", "show the same stored values many times")


@pytest.mark.field(
    case="a dtype that is not supported",
    source="pytorch/pytorch#120290, pytorch/pytorch#131654",
    outcome="An error that names the tensor and its dtype; the file is not called damaged.",
)
@pytest.mark.parametrize("dtype", ["float8_e4m3fnuz", "complex32", "float8_e8m0fnu"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unknown_dtype(tmp_path: Path, run_cli: Any, dtype: str) -> None:
    torch.save(state_dict(extra=torch.zeros(4, dtype=getattr(torch, dtype))), tmp_path / "x.pth")
    message = assert_refused(run_cli, tmp_path / "x.pth", f"tensor 'extra' has the dtype torch.{dtype}")
    assert "damaged" not in message


@pytest.mark.field(
    case="NumPy arrays in a pickle: detectron2's .pkl, torch.save of arrays",
    source="shenyunhang/UWSOD#6, open-mmlab/mmdetection#9111, bioimage-io/core-bioimage-io-python#486",
    outcome="Read without running anything; a note says that they are NumPy arrays.",
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("wrapped", ["pickle", "torch"])
def test_numpy_state_dict(tmp_path: Path, run_cli: Any, protocol: int, wrapped: str) -> None:
    content = {"model": dict(digits()), "__author__": "x", "matching_heuristics": True}
    if wrapped == "torch":
        torch.save(content, tmp_path / "x.pkl", pickle_protocol=protocol)
    else:
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, protocol))
    assert "NumPy arrays" in assert_delivers(run_cli, tmp_path / "x.pkl")


@pytest.mark.field(
    case="PaddlePaddle's .pdparams",
    source="open-mmlab/mmdetection#9111 (its kind); paddle.save keeps (name, array) of each tensor",
    outcome="Refused by name: its Linear weights lie the other way round.",
)
@pytest.mark.parametrize("mark", ["names", "tuples"])
def test_paddle_state_dict(tmp_path: Path, run_cli: Any, mark: str) -> None:
    content: dict[str, Any] = dict(digits())
    if mark == "names":
        content["StructuredToParameterName@@"] = {name: name for name in content}
    else:
        content = {name: (name, array) for name, array in content.items()}
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps(content, 4))
    assert_refused(run_cli, tmp_path / "x.pdparams", "PaddlePaddle", "torch.from_numpy")


@pytest.mark.field(
    case="PyTorch's tensors by pickle.dump",
    source="made by hand: what a bare pickle most often is",
    outcome="Named, with the way to torch.save.",
)
def test_bare_pickle_of_tensors(tmp_path: Path, run_cli: Any) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(state_dict()))
    assert_refused(run_cli, tmp_path / "x.pkl", "written by pickle.dump, not by torch.save")


@pytest.mark.field(
    case="a variance of BatchNorm below 0, of which the network makes NaN",
    source="found here: weights subtracted from each other, or averaged with factors beyond 1",
    outcome="refused, with the layer and the value; a rounding below 0 is none",
)
@pytest.mark.parametrize(("value", "is_right"), [(-1.0, False), (-1e-7, True), (-0.0, True)])
def test_variances_below_zero(run_cli: Any, tmp_path: Path, value: float, is_right: bool) -> None:
    state = state_dict()
    name = next(name for name in state if name.endswith("running_var"))
    state[name][1] = value
    torch.save(state, tmp_path / "x.pth")
    if is_right:
        right = {key: tensor.numpy() for key, tensor in state.items()}
        assert_delivers(run_cli, tmp_path / "x.pth", right)
    else:
        assert_refused(run_cli, tmp_path / "x.pth", "1 BatchNorm layer has variances below 0", f"{name}: -1")
        found = run_cli("inspect", tmp_path / "x.pth", "--strict")
        assert found.exit_code == 1
        assert "variances below 0" in found.output
