"""What a factory in the user's code makes, and what is said where it fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from triport.converters.networks.arguments import parse_factory
from triport.converters.networks.factories import FactoryError, make

CODE = """
import sys
import torch
from torch import nn

print("loading nets")


class Two(nn.Module):
    def __init__(self, size=3, bias=True):
        super().__init__()
        self.linear = nn.Linear(size, 2, bias=bias)

    def forward(self, x):
        return self.linear(x)

    @classmethod
    def wide(cls):
        return cls(9)


shared = Two(5)
number = 3


def one(size):
    print("making one")
    return Two(size)


def nothing(): pass
def pair(): return Two(), 3
def kind(): return Two
def leaves(): sys.exit("done")
def interrupts(): raise KeyboardInterrupt
def misses():
    import a_package_that_is_not_there
def deep():
    raise ValueError("of the\\nuser's \\x1b own")
def fails(): deep()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's module, under a name of this test's own, which is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "users_nets.py").write_text(CODE)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def built(text: str) -> Any:
    made = make(parse_factory(text))
    assert made.runtime == "pytorch"
    return made.network


@pytest.mark.parametrize(
    ("call", "size", "has_bias"),
    [
        ("Two", 3, True),
        ("Two()", 3, True),
        ("Two(4, bias=False)", 4, False),
        ("Two.wide", 9, True),
        ("shared", 5, True),
        ("one(7)", 7, True),
    ],
)
@pytest.mark.parametrize("where", ["users_nets", "users_nets.py"])
def test_module(folder: Path, where: str, call: str, size: int, has_bias: bool) -> None:
    net = built(f"{where}:{call}")
    assert (net.linear.in_features, net.linear.bias is not None) == (size, has_bias)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("absent", r"users_nets has no attribute 'absent'"),
        ("Twoo", r"no attribute 'Twoo'\. It has Two"),
        ("number", r"makes a int, not a torch.nn.Module or a mindspore.nn.Cell"),
        ("nothing", r"makes a NoneType, not"),
        ("pair", r"makes a tuple of Two, int, not.*returns the network alone"),
        ("kind", r"makes a class Two, not.*[Gg]ive the arguments"),
        ("shared()", r"TypeError: .*forward\(\) missing 1 required positional argument"),
        ("one", r"TypeError: one\(\) missing 1 required.*Give it arguments"),
        ("Two(colour=3)", r"TypeError: .*unexpected keyword argument 'colour'"),
        ("leaves", r"calls sys.exit\('done'\) \(.*users_nets.py, line 34, in leaves"),
        ("misses", r"No module named 'a_package_that_is_not_there'.*install it beside triport"),
        (
            "fails",
            r"ValueError: of the user's \\x1b own \(.*users_nets.py, line 39, in deep: raise Val.*--debug",
        ),
    ],
)
def test_what_goes_wrong(folder: Path, call: str, message: str) -> None:
    with pytest.raises(FactoryError, match=message):
        make(parse_factory(f"users_nets:{call}"))


def test_no_such_module(folder: Path) -> None:
    with pytest.raises(
        FactoryError, match=r"No module named 'no_such', neither in this folder, .*path/file.py"
    ):
        make(parse_factory("no_such.module:f"))


def test_interrupts_are_passed_on(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(parse_factory("users_nets:interrupts"))


def test_what_the_code_prints_goes_to_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built("users_nets:one(2)")
    assert capsys.readouterr() == ("", "loading nets\nmaking one\n")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(3)", r"calls sys.exit\(3\) \(.*bad.py, line 1.*__name__"),
        ("x = (", r"SyntaxError: '\(' was never closed"),
        ("import other.absent", r"No module named 'other'.*install it beside triport"),
    ],
)
@pytest.mark.parametrize("where", ["bad", "bad.py"])
def test_a_module_that_cannot_be_imported(folder: Path, where: str, code: str, message: str) -> None:
    (folder / "bad.py").write_text(code)
    with pytest.raises(FactoryError, match=message):
        make(parse_factory(f"{where}:f"))
    assert "bad" not in sys.modules


def test_a_file_finds_its_neighbours_and_hides_nothing(folder: Path) -> None:
    """A file that is called as an installed module is itself, and that module stays what it is."""
    where = folder / "my nets"
    where.mkdir()
    (where / "neighbour.py").write_text("SIZE = 6\n")
    (where / "json.py").write_text(f"from neighbour import SIZE\n{CODE}\ndef built(): return Two(SIZE)\n")
    import json

    assert built("my nets/json.py:built").linear.in_features == 6
    assert sys.modules["json"] is json
    assert hasattr(json, "dumps")


def test_a_module_below_that_nothing_imports(folder: Path) -> None:
    (folder / "package_of_nets").mkdir()
    (folder / "package_of_nets" / "__init__.py").write_text("")
    (folder / "package_of_nets" / "small.py").write_text(CODE)
    assert built("package_of_nets:small.Two").linear.in_features == 3
    assert built("package_of_nets.small:Two").linear.in_features == 3


def test_cell(folder: Path) -> None:
    pytest.importorskip("mindspore")
    (folder / "users_cells.py").write_text(
        "from mindspore import nn\n\n\ndef one():\n    return nn.Dense(2, 3)\n"
    )
    assert make(parse_factory("users_cells:one")).runtime == "mindspore"
