"""A Module whose code asks for the batch size: a graph of two sizes may be another function at a third."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests.few_are_quick import one_in
from tests.mindir.conftest import run_onnx
from triport.converters.request import ConvertRequest
from triport.parity.module_export import axes
from triport.parity.module_export.convert import convert_module


class MoreThanEight(nn.Module):
    """Works otherwise on many images."""

    def forward(self, x):
        return x * 2 if x.shape[0] > 8 else x * 3


class FourAlone(nn.Module):
    """Works otherwise on four images."""

    def forward(self, x):
        return x * 2 if x.shape[0] == 4 else x * 3


class Remainder(nn.Module):
    """Works otherwise on 11, 24 and so on."""

    def forward(self, x):
        return x * 2 if x.shape[0] % 13 == 11 else x * 3


class Between(nn.Module):
    """Works otherwise on some sizes that neither a few images nor many are."""

    def forward(self, x):
        return x * 2 if 8 <= x.shape[0] <= 16 else x * 3


class BehindAnother(nn.Module):
    """Asks for a size only where it has asked for another one."""

    def forward(self, x):
        if x.shape[0] > 8:
            return x + x + x if x.shape[0] < 20 else x * 2
        return x * 3


class BestFour(nn.Module):
    """Gives at most four rows."""

    def forward(self, x):
        return torch.topk(x, min(4, x.shape[0]), 0)[0]


class ToFours(nn.Module):
    """Gives a multiple of four rows."""

    def forward(self, x):
        return nn.functional.pad(x, (0, 0, 0, -x.shape[0] % 4))


class Whole(nn.Module):
    """Cuts at a size, which a graph does too."""

    def forward(self, x):
        return x[:600] * 2


def convert(module: Any, path: Path, spec: str = "2x3") -> Any:
    return convert_module(module.eval(), "Net", ConvertRequest(to="onnx", output=path, inputs=(spec,)))


@pytest.mark.field(
    case="a Module whose code asks for the batch size",
    source="pytorch/pytorch#69605, and found by trying: called free and proven with 1 and 3 images",
    outcome="The axis is fixed; the graph is compared at the sizes at which the code goes another way.",
)
@pytest.mark.parametrize(
    ("kind", "size"),
    one_in(5, [(MoreThanEight, 9), (FourAlone, 4), (Remainder, 11), (Between, 8), (BehindAnother, 20)]),
)
def test_a_branch(kind: Any, size: int, tmp_path: Path) -> None:
    done = convert(kind(), tmp_path / "x.onnx")
    assert done.free == ()
    assert f"on N={size}" in str(done.attempts[0])
    assert done.inputs == ("x (2, 3) float32",)


@pytest.mark.field(
    case="a Module whose code asks for the batch size, and that is the same on both sides",
    source="the counterpart",
    outcome="The axis is free, and proven on both sides.",
)
@pytest.mark.parametrize(("kind", "proven"), [(BestFour, (1, 3, 4, 5)), (Whole, (1, 3))])
def test_no_branch(kind: Any, proven: tuple[int, ...], tmp_path: Path) -> None:
    module, path = kind(), tmp_path / "x.onnx"
    done = convert(module, path)
    assert done.free == (("N", proven),)
    for size in (1, 4, 7, 33, 700):
        x = np.random.default_rng(size).normal(size=(size, 3)).astype(np.float32)
        np.testing.assert_array_equal(run_onnx(onnx.load(path), x)[0], module(torch.from_numpy(x)))


@pytest.mark.field(
    case="a Module whose code asks for so many images that it would take too long to run them",
    source="found by trying, beside a number of MASTER's code (mindspore-lab/mindocr)",
    outcome="The axis is free, and a note says at which sizes it was not proven.",
)
def test_too_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(axes, "MOST_ELEMENTS", 20)
    done = convert(MoreThanEight(), tmp_path / "x.onnx")
    assert done.free == (("N", (1, 3)),)
    assert any(note.startswith("N is not proven at 9, 10: there the code of Net") for note in done.warnings)


@pytest.mark.field(
    case="an output that is as large at all sizes that were compared, and larger at others",
    source="found by trying: rows padded to a multiple of four were declared to be four",
    outcome="The size that is declared of the output is free.",
)
def test_an_output_that_grows_in_steps(tmp_path: Path) -> None:
    assert convert(ToFours(), tmp_path / "x.onnx").outputs == ("output (output_0, 3)",)


class Table(nn.Module):
    """Looks the batch size up."""

    def forward(self, x):
        return x * {80: 2}.get(x.shape[0], 3)


class Length(nn.Module):
    """Asks for the size as a plain number, and compares it with what it holds."""

    def __init__(self):
        super().__init__()
        self.most = 70

    def forward(self, x):
        return x * 2 if len(x) == self.most else x * 3


class Text(nn.Module):
    """Asks for the size as a text."""

    def forward(self, x):
        return x * 2 if str(x.shape[0]) == "90" else x * 3


class Elements(nn.Module):
    """Asks for the number of elements."""

    def forward(self, x):
        return x * 2 if int(x.numel()) == 240 else x * 3


class Bytes(nn.Module):
    """Asks for the bytes, of which there are twice as many in float64."""

    def forward(self, x):
        return x * 2 if x.nbytes == 960 else x * 3


class OfType(nn.Module):
    """Is another function in float64."""

    def forward(self, x):
        return x * 2 if x.dtype == torch.float64 else x * 3


@pytest.mark.field(
    case="a Module that is another function in float64",
    source="found by trying: code that asks for x.dtype was called not equal, for x.nbytes equal",
    outcome="It is its own reference in float32, and that is said.",
)
def test_another_function_in_float64(tmp_path: Path) -> None:
    done = convert(OfType(), tmp_path / "x.onnx")
    assert done.verdict.verdict == "equal"
    assert done.reference == "pytorch-float32"
    assert any("or computes another function there" in note for note in done.warnings)


@pytest.mark.field(
    case="a Module to whose code the batch size is a plain number or a text",
    source="found by trying: tables, len, str and int, where PyTorch notes no condition",
    outcome="The numbers in such code are tried as batch sizes; the one that matters is named, and N is 2.",
)
@pytest.mark.parametrize(
    ("kind", "size"), one_in(5, [(Table, 80), (Length, 70), (Text, 90), (Elements, 80), (Bytes, 80)])
)
def test_a_plain_number(kind: Any, size: int, tmp_path: Path) -> None:
    done = convert(kind(), tmp_path / "x.onnx")
    assert done.free == ()
    assert f"on N={size}" in str(done.attempts[0])


FIRST: dict[str, int] = {}


class InAVariable(nn.Module):
    """Keeps the size of its first images beside its class."""

    def forward(self, x):
        return x * FIRST.setdefault("size", len(x))


class InABuffer(nn.Module):
    """Registers a buffer at its first call."""

    def forward(self, x):
        if not hasattr(self, "first"):
            self.register_buffer("first", torch.ones(1) * x.shape[0])
        return x * self.first


class InAClosure(nn.Module):
    """Has a function that keeps the size of the first images."""

    def __init__(self):
        super().__init__()
        kept: dict[str, int] = {}
        self.first = lambda size: kept.setdefault("size", size)

    def forward(self, x):
        return x * self.first(len(x))


def counting():
    """Return a function that rebinds a variable of its closure."""
    first = None

    def size_of(size):
        nonlocal first
        first = size if first is None else first
        return first

    return size_of


class InANonlocal(nn.Module):
    """Has a function that rebinds what it closes over."""

    def __init__(self):
        super().__init__()
        self.first = counting()

    def forward(self, x):
        return x * self.first(len(x))


class InADefault(nn.Module):
    """Keeps the size in a default of its own method."""

    def forward(self, x, kept={}):  # noqa: B006
        return x * kept.setdefault("size", len(x))


def attributed(size):
    """Keep the first size in an attribute of the function."""
    if not hasattr(attributed, "first"):
        attributed.first = size  # type: ignore[attr-defined]
    return attributed.first  # type: ignore[attr-defined]


class InAFunction(nn.Module):
    """Calls a function that keeps the size."""

    def forward(self, x):
        return x * attributed(len(x))


class InATensor(nn.Module):
    """Fills a tensor that is no buffer."""

    def __init__(self):
        super().__init__()
        self.first = torch.zeros(1)

    def forward(self, x):
        if not self.first.any():
            self.first.fill_(len(x))
        return x * self.first


class InADefaultDict(nn.Module):
    """Counts once, in a container of Python's library."""

    def __init__(self):
        super().__init__()
        self.sizes = defaultdict(int)

    def forward(self, x):
        self.sizes["first"] = self.sizes["first"] or len(x)
        return x * self.sizes["first"]


class InANewVariable(nn.Module):
    """Makes a variable of its file at its first call."""

    def forward(self, x):
        global NEW
        if "NEW" not in globals():
            NEW = len(x)
        return x * NEW


class Kind(type):
    """A kind of classes."""


class Sizes(metaclass=Kind):
    """Keeps the size of the first images for all."""

    first: int | None = None


class InAClass(nn.Module):
    """Has a class that keeps the size of the first images."""

    table = Sizes

    def forward(self, x):
        if self.table.first is None:
            self.table.first = len(x)
        return x * self.table.first


class InAGrowingBuffer(nn.Module):
    """Puts a larger tensor where its buffer was."""

    def __init__(self):
        super().__init__()
        self.register_buffer("places", torch.zeros(1), persistent=False)

    def forward(self, x):
        if self.places.shape[0] < x.shape[0]:
            self.places = torch.arange(x.shape[0], dtype=torch.float32)
        return x + self.places.mean()


@pytest.mark.field(
    case="a Module that keeps the size of the first images that it ran with",
    source="found by trying: the size of the run before was in the graph, which was called free and proven",
    outcome="Each size is compared with what a fresh Module gives; that an earlier run counts is said.",
)
@pytest.mark.parametrize(
    "kind",
    one_in(
        4,
        [
            *(InABuffer, InANonlocal, InADefault, InAVariable),
            *(InAClosure, InAClass, InAGrowingBuffer, InAFunction),
            *(InATensor, InADefaultDict, InANewVariable),
        ],
    ),
)
def test_the_first_size_is_kept(kind: Any, tmp_path: Path) -> None:
    done = convert(kind(), tmp_path / "x.onnx")
    graph = onnx.load(tmp_path / "x.onnx")
    assert any("keeps something of its earlier inputs" in note for note in done.warnings)
    for size in (1, 2, 5) if done.free else (2,):
        FIRST.clear()
        Sizes.first = None
        InADefault.forward.__defaults__[0].clear()  # type: ignore[index]
        vars(attributed).pop("first", None)
        globals().pop("NEW", None)
        x = np.random.default_rng(size).normal(size=(size, 3)).astype(np.float32)
        expected = kind().eval()(torch.from_numpy(x))
        np.testing.assert_allclose(run_onnx(graph, x)[0], expected, rtol=1e-6)


class HangsAHook(nn.Module):
    """Collects what its layer gives, by a hook of its first call, as transformers does."""

    hooked = False  # of the class, for those that note it there

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        if not hasattr(self, "found"):
            self.found: list[torch.Tensor] = []
            self.layer.register_forward_hook(lambda _, given, output: self.found.append(output))
        self.found.clear()
        self.layer(x)
        return sum(self.found)


class NotesInADict(HangsAHook):
    """Notes in a dict that the hook is there."""

    def __init__(self):
        super().__init__()
        self.notes: dict[str, Any] = {"found": []}

    def forward(self, x):
        if "hook" not in self.notes:
            self.notes["hook"] = True
            self.layer.register_forward_hook(lambda _, given, output: self.notes["found"].append(output))
        self.notes["found"].clear()
        self.layer(x)
        return sum(self.notes["found"])


class NotesInItsClass(HangsAHook):
    """Notes in its class that the hook is there."""

    def __init__(self):
        super().__init__()
        self.found: list[torch.Tensor] = []

    def forward(self, x):
        if not type(self).hooked:
            type(self).hooked = True
            self.layer.register_forward_hook(lambda _, given, output: self.found.append(output))
        self.found.clear()
        self.layer(x)
        return sum(self.found)


@pytest.mark.field(
    case="a Module that hangs a hook on its layers at its first call",
    source="found by trying: Segformer of transformers 5, whose hook was hung once more at each run",
    outcome="The hook is taken away with the attribute that says it is there; the graph is a fresh Module's.",
)
@pytest.mark.parametrize("kind", [HangsAHook, NotesInADict, NotesInItsClass])
def test_a_hook_of_the_first_call(kind: Any, tmp_path: Path) -> None:
    done = convert(kind(), tmp_path / "x.onnx")
    assert done.free
    kind.hooked = False
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = kind().eval()(torch.from_numpy(x)).detach()
    np.testing.assert_allclose(run_onnx(onnx.load(tmp_path / "x.onnx"), x)[0], expected, rtol=1e-5, atol=1e-6)


class CatchesAnError(nn.Module):
    """Adds where that is possible."""

    def forward(self, x):
        try:
            return x + torch.ones(5, 3)
        except RuntimeError:
            return x * 2


@pytest.mark.field(
    case="a Module that catches an error of PyTorch and goes on",
    source="found by trying: PyTorch's TorchScript tracer ended the process with SIGSEGV",
    outcome="That exporter is not asked, and it is said why.",
)
def test_an_error_that_is_caught(tmp_path: Path) -> None:
    done = convert(CatchesAnError(), tmp_path / "x.onnx")
    assert "catches an error of PyTorch (add) and goes on" in str(done.attempts[0])
