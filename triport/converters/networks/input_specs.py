"""What --input says of one input: its shape, its free axes, its element type and its whole numbers.

    SPEC = [NAME=]SIZExSIZE...[:DTYPE][:LOW..HIGH]      1x3x224x224   tokens=1x128:int64:0..30522
    SIZE = a number, or a number@NAME for a free axis that was traced with that number: 1x128@length

The leading size is free by default: inputs whose leading size is that of the first have the free axis N. An
input that names a free axis has only those that it names. An input without axes is written ().
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Axis, Input, Integers, Normal

DTYPES = (
    *("float32", "float16", "bfloat16", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
BATCH = "N"  # the name of the leading axis, as in every ONNX file that triport writes
MOST_ELEMENTS = 2**31  # of one input; more is a slip of the pen

_SIZE = r"[0-9]+(?:@(?![xX][0-9])[A-Za-z_][A-Za-z0-9_]*?)?"
_SPEC = re.compile(
    rf"(?:(?P<name>[A-Za-z_][A-Za-z0-9_.]*)=)?(?P<sizes>\(\)|{_SIZE}(?:[xX]{_SIZE})*)"
    r"(?::(?P<dtype>[a-z]+[0-9]*))?(?::(?P<low>-?[0-9]+)\.\.(?P<high>-?[0-9]+))?"
)
_AXIS = re.compile(rf"({_SIZE})(?:[xX]|$)")


class InputSpecError(TriportError):
    """An input is described wrongly."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input as it was described: `shape` are the sizes to trace with.

    `free` has, for each axis, its name where the user named it as free. `values` are the whole numbers that
    it takes; None where the user did not say.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str | None = None
    free: tuple[str | None, ...] = ()
    values: Integers | None = None

    def __str__(self) -> str:
        free = self.free or (None,) * len(self.shape)
        sizes = (f"{size}@{axis}" if axis else f"{size}" for size, axis in zip(self.shape, free, strict=True))
        name = f"{self.name}=" if self.name else ""
        values = f":{self.values.low}..{self.values.high}" if self.values else ""
        return f"{name}{'x'.join(sizes) or '()'}:{self.dtype}{values}"


def parse_input(text: str) -> InputSpec:
    """Return what "1x3x224x224" or "tokens=8x128:int32:0..1000" describes; "1" is a vector of one element.

    Raises:
        InputSpecError: it is not of that form.
    """
    match = _SPEC.fullmatch(text) if len(text) < 1000 else None
    dtype = (match["dtype"] or "float32") if match else ""
    if match is None or dtype not in DTYPES:
        raise InputSpecError(
            f"--input {short(text)}: expected sizes and, if not float32, an element type, as 1x3x224x224 or "
            f"8x128:int32; with a name, free axes and whole numbers: tokens=1x128@length:int64:0..30522. "
            f"Element types: {', '.join(DTYPES)}"
        )
    axes = [] if match["sizes"] == "()" else [axis.split("@") for axis in _AXIS.findall(match["sizes"])]
    shape = tuple(int(axis[0]) for axis in axes)
    free = tuple(axis[1] if len(axis) > 1 else None for axis in axes)
    if 0 in shape or math.prod(shape) > MOST_ELEMENTS:
        raise InputSpecError(
            f"--input {short(text)}: expected sizes from 1 up, and at most {MOST_ELEMENTS:,} elements in all"
        )
    named = [axis for axis in free if axis]
    if len(set(named)) < len(named) and len({*zip(free, shape, strict=True)}) > len({*free}):
        raise InputSpecError(f"--input {short(text)}: one free axis has two sizes")
    return InputSpec(shape, dtype, match["name"], free if named else (), _values(match, text, dtype))


def spec_of(given: InputSpec | str | Sequence[int]) -> InputSpec:
    """Return an input as a caller of the library describes it: as `--input` does, or by its shape (float32).

    Raises:
        InputSpecError: it is none of these.
    """
    if isinstance(given, InputSpec):
        return given
    if isinstance(given, str):
        return parse_input(given)
    if isinstance(given, Sequence) and all(isinstance(size, Integral) for size in given):
        return parse_input("x".join(map(str, given)) or "()")
    raise InputSpecError(
        f"inputs: expected texts such as 2x3x32x32, or shapes such as (2, 3, 32, 32); found a "
        f"{type(given).__name__}"
    )


def _values(match: re.Match[str], text: str, dtype: str) -> Integers | None:
    if match["low"] is None:
        return None
    low, high = int(match["low"]), int(match["high"])
    if dtype == "bool" or "int" not in dtype:
        raise InputSpecError(f"--input {short(text)}: {low}..{high} are whole numbers, and {dtype} has none")
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    least, most = (0, 2**bits) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not least <= low < high <= most:
        raise InputSpecError(
            f"--input {short(text)}: expected LOW..HIGH with LOW below HIGH, which is not taken itself, and "
            f"both within {dtype}, from {least} to {most}"
        )
    return Integers(low, high)


def network_inputs(
    specs: Sequence[InputSpec], names: Iterable[str]
) -> tuple[tuple[Input, ...], dict[str, int]]:
    """Return the inputs with their free axes, and the size with which each free axis is traced.

    Args:
        specs: what the user said of each.
        names: what the network calls each, in order; a name that the user gave comes first.

    Raises:
        InputSpecError: a free axis has two sizes, or two inputs have one name.
    """
    leading = next((spec.shape[0] for spec in specs if spec.shape and not spec.free), None)
    inputs: list[Input] = []
    sizes: dict[str, int] = {}
    for spec, name in zip(specs, names, strict=True):
        free = spec.free
        if not free:
            is_batched = spec.shape[:1] == (leading,)
            free = tuple(BATCH if is_batched and not place else None for place in range(len(spec.shape)))
        for axis, size in zip(free, spec.shape, strict=True):
            if axis is not None and sizes.setdefault(axis, size) != size:
                raise InputSpecError(
                    f"--input {spec}: its free axis {axis} is {sizes[axis]} in another input"
                )
        shape: tuple[Axis, ...] = tuple(axis or size for axis, size in zip(free, spec.shape, strict=True))
        values = spec.values or (Normal() if "float" in spec.dtype else Integers())
        inputs.append(Input(spec.name or name, shape, spec.dtype, values))
    found = [given.name for given in inputs]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise InputSpecError(f"--input: two inputs are called {', '.join(twice)}")
    return tuple(inputs), sizes
