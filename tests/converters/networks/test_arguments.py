"""What NET on the command line says, and what is no NET."""

from __future__ import annotations

from pathlib import Path

import pytest

from triport.converters.networks.arguments import (
    Factory,
    NetArgumentError,
    NetFile,
    Registered,
    is_factory,
    parse_factory,
    parse_net,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("")
    return Path(path)


@pytest.mark.parametrize(
    ("text", "module", "attribute", "arguments", "keywords", "is_called"),
    [
        ("timm:create_model", "timm", "create_model", (), (), False),
        ("a.b:C.make", "a.b", "C.make", (), (), False),
        ("m:f()", "m", "f", (), (), True),
        ("timm:create_model('vit:b', depth=2)", "timm", "create_model", ("vit:b",), (("depth", 2),), True),
        ("m:f (-1, 'a(b', [1, {'k': None}])", "m", "f", (-1, "a(b", [1, {"k": None}]), (), True),
        ("m:f(x={1, 2}, y=1e-3 + 2j)", "m", "f", (), (("x", {1, 2}), ("y", 1e-3 + 2j)), True),
        ("nétz:größe", "nétz", "größe", (), (), False),
    ],
)
def test_factory(text, module, attribute, arguments, keywords, is_called) -> None:
    assert parse_net(text) == Factory(text, module, attribute, arguments, keywords, is_called)


@pytest.mark.parametrize("path", ["nets/my net.py", "a:b/net.py", "net.py", "./x.y/net.py"])
def test_a_file_of_python_code(path: str) -> None:
    write(path)
    found = parse_net(f"{path}:make('x:y')")
    assert isinstance(found, Factory)
    assert (found.module, found.attribute, found.arguments) == (Path(path), "make", ("x:y",))


def test_a_registered_model() -> None:
    found = parse_net("res2net_digits")
    assert isinstance(found, Registered)
    assert (found.name, found.spec.name) == ("res2net_digits", "res2net_digits")


@pytest.mark.parametrize("path", ["net.onnx", "my net.mindir", "a:b.onnx", "net:make"])
def test_a_file(path: str) -> None:
    """Also one whose name has the form of a factory: what is there is meant."""
    write(path)
    assert parse_net(path) == NetFile(Path(path))
    assert not is_factory(path)


def test_a_model_and_a_file_of_one_name() -> None:
    write("resnet50")
    with pytest.raises(NetArgumentError, match=r"a model and a file.*Write \./resnet50 for the file"):
        parse_net("resnet50")
    assert parse_net("./resnet50") == NetFile(Path("./resnet50"))


def test_a_folder_of_a_models_name_is_no_clash() -> None:
    Path("resnet50").mkdir()
    assert isinstance(parse_net("resnet50"), Registered)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m:f(open('x'))", r"open\('x'\) is no literal.*nothing is evaluated"),
        ("m:f(__import__('os').system('x'))", "is no literal"),
        ("m:f(x)", "the argument x is no literal"),
        ("m:f(1 + 1)", "is no literal"),
        ("m:f(f'{1}')", "is no literal"),
        ("m:f([i for i in (1, 2)])", "is no literal"),
        ("m:f({[]: 1})", "is no literal"),
        ("m:f(*[1])", "is no literal"),
        ("m:f(**{'a': 1})", "is no literal"),
        ("m:f(a=1, a=2)", "the argument a is given twice"),
        ("m:f(1", "cannot be read as arguments"),
        ("m:f()()", "expected one call"),
        ("m:f().g", "expected one call"),
        ("m:f() or m()", "expected one call"),
        ("m:f(1), g(2)", "expected one call"),
        (f"m:f({'(' * 500})", "cannot be read as arguments"),
        ("m:f('\0')", "cannot be read as arguments"),
        ("some-module:f", "neither the name of a Python module"),
        (".net:f", "neither the name of a Python module"),
        ("nets/absent.py:f", "there is no such file"),
        ("absent.py:f", "there is no such file"),
        ("nets/net:f", "a file of Python code ends in .py"),
        ("nets/net.onnx:f", "a file of Python code ends in .py"),
    ],
)
def test_bad_factory(text: str, message: str) -> None:
    with pytest.raises(NetArgumentError, match=message):
        parse_net(text)


def test_a_file_whose_suffix_was_left_out() -> None:
    write("nets/net.py")
    with pytest.raises(NetArgumentError, match=r"nets/net\.py is: write that"):
        parse_net("nets/net:f")


def test_a_file_whose_name_was_mistyped() -> None:
    write("nets/right.onnx")
    with pytest.raises(NetArgumentError, match=r"there is no such file; did you mean nets/right\.onnx\?"):
        parse_net("nets/rigth.onnx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no model or weights called ''"),
        ("resnet5", "Did you mean.*resnet50"),
        ("absent.onnx", "absent.onnx: there is no such file"),
        ("some/where", "there is no such file"),
        ("x" * 5000, "no model or weights called"),
        ("m:", "no model or weights called 'm:'"),
        (":f", "no model or weights called ':f'"),
    ],
)
def test_nothing_known(text: str, message: str) -> None:
    with pytest.raises(NetArgumentError, match=message):
        parse_net(text)


def test_an_option_is_named() -> None:
    with pytest.raises(NetArgumentError, match=r"--cell some_cells: expected package\.module:factory"):
        parse_factory("some_cells", "--cell")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("timm:create_model('resnet18')", "resnet18"),
        ("m:C.make", "make"),
        ("m:f('../../x')", "f"),
        ("m:f('')", "f"),
        ("m:f(3)", "f"),
    ],
)
def test_name(text: str, name: str) -> None:
    assert parse_net(text).name == name
