"""What --input says of an input."""

from __future__ import annotations

import pytest

from triport.converters.networks.input_specs import InputSpec, InputSpecError, network_inputs, parse_input
from triport.reference_models.network import Input, Integers, Normal


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("1x3x224x224", InputSpec((1, 3, 224, 224))),
        ("8x128:int32", InputSpec((8, 128), "int32")),
        ("7:float16", InputSpec((7,), "float16")),
        ("1X3", InputSpec((1, 3))),
        ("()", InputSpec(())),
        ("scale=():float64", InputSpec((), "float64", "scale")),
        ("tokens=1x128:int64", InputSpec((1, 128), "int64", "tokens")),
        ("1x128:int64:0..30522", InputSpec((1, 128), "int64", values=Integers(0, 30522))),
        ("1x4:int8:-128..128", InputSpec((1, 4), "int8", values=Integers(-128, 128))),
        ("1x8@length", InputSpec((1, 8), free=(None, "length"))),
        ("i.x=2@Nx3x8@Hx9@W", InputSpec((2, 3, 8, 9), "float32", "i.x", ("N", None, "H", "W"))),
        ("4@Ax4@A", InputSpec((4, 4), free=("A", "A"))),
    ],
)
def test_parse_input(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec
    assert parse_input(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1x",
        "1x-3",
        "1x3:float31",
        "1,3,224",
        "1xy",
        "=1x3",
        "a b=1x3",
        "1@x3",
        "1x3:int64:0-3",
        "1:",
        "²x3",
    ],
)
def test_another_form(text: str) -> None:
    with pytest.raises(InputSpecError, match="expected sizes"):
        parse_input(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0x3", "sizes from 1 up"),
        ("99999x99999", "at most 2,147,483,648 elements"),
        ("4@Ax5@A", "one free axis has two sizes"),
        ("1x3:float32:0..3", "float32 has none"),
        ("1x3:bool:0..2", "bool has none"),
        ("1x3:int64:3..3", "LOW below HIGH"),
        ("1x3:uint8:-1..3", "within uint8, from 0 to 256"),
        ("1x3:uint8:0..257", "within uint8"),
    ],
)
def test_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(InputSpecError, match=message):
        parse_input(text)


def test_leading_sizes_that_are_the_first_ones_are_free() -> None:
    specs = [parse_input(text) for text in ("2x5:int64:0..9", "mask=2x5:bool", "7x5", "()")]
    inputs, sizes = network_inputs(specs, ["ids", "b", "table", "scale"])
    assert inputs == (
        Input("ids", ("N", 5), "int64", Integers(0, 9)),
        Input("mask", ("N", 5), "bool", Integers()),
        Input("table", (7, 5), "float32", Normal()),
        Input("scale", (), "float32", Normal()),
    )
    assert sizes == {"N": 2}


def test_an_input_that_names_free_axes_has_only_these() -> None:
    specs = [parse_input(text) for text in ("1x16x32", "1x1@Nx32")]
    inputs, sizes = network_inputs(specs, ["x", "state"])
    assert [given.shape for given in inputs] == [("N", 16, 32), (1, "N", 32)]
    assert sizes == {"N": 1}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("2@Nx3", "4@Nx3"), "its free axis N is 2 in another input"),
        (("a=2x3", "a=2x3"), "two inputs are called a"),
        (("2x3", "a=2x3"), "two inputs are called a"),
    ],
)
def test_inputs_that_do_not_go_together(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputSpecError, match=message):
        network_inputs([parse_input(text) for text in texts], ["a", "b"])
