"""What a conversion is asked for, in one record, as the command line and the API both state it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from triport.converters.formats import WHOLE_FILE, Selection, short
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import Runtime, get_model

if TYPE_CHECKING:
    from triport.converters.statements.preparation import Preparation

# fields whose option has another name
_OPTIONS = {"source_runtime": "--from", "with_head": "--no-head", "inputs": "--input", "check": "--no-check"}
_OPTIONS["io_dtype"] = "--io-dtype"
_SELECTION = ("--key", "--prefix", "--rename")


class ConvertError(TriportError):
    """A conversion that was asked for makes no sense, or the weights are not fit to be converted."""


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """The options of `convert`.

    Attributes:
        to: the runtime to write for.
        output: the file to write; None is the source's name with the runtime's suffix, in the
            working directory.
        source_runtime: what the source must be; None takes what it is.
        model: a model's or published weights' name; None finds it from names and shapes.
        dialect: whose names to write; None takes those of the definition in `reference_models`.
        dtype: convert the values to float16, bfloat16 or float32; None takes float32 weights only.
        opset: for ONNX, 13 to 21; of a graph, 11 to 21.
        optimize: for ONNX, fold BatchNorm into the convolutions: faster, no longer convertible.
        crc: for .ckpt, end the file with the CRC-32 that MindSpore's crc_check=True compares.
        plain: for .ckpt, write the bytes that MindSpore would, which do not say what model they are of.
        prepared: what the output states of how images are prepared; None is what the source states, or
            else its publisher's, which is then said to be assumed.
        selection: which tensors of the source are meant, where it holds more than one network.
        with_head: whether the last layer must be there; without it, it is not written either.
        cell: any MindSpore Cell, or "package.module:factory", that is converted instead of a checkpoint.
        checkpoint: the parameters of `cell`.
        inputs: what each input of `cell` is like, such as "1x3x224x224:float32".
        check: whether a graph is compared with what it was made of.
        names: a NAMES.toml by which weights are moved from one network of a pair to the other.
        into: which network of `names` to write for, where the source has the names of both.
        size: for ONNX, the side of the images in pixels, or "free" for any; None is the model's own.
        io_dtype: for ONNX in float16, what its input and output are: "float32" or "float16".
        report: of a graph's source, the page with its modules and how far each is from ONNX Runtime.
    """

    to: Runtime
    output: Path | None = None
    source_runtime: Runtime | None = None
    model: str | None = None
    dialect: str | None = None
    dtype: str | None = None
    opset: int = 17
    optimize: bool = False
    crc: bool = False
    plain: bool = False
    prepared: Preparation | None = None
    selection: Selection = WHOLE_FILE
    with_head: bool = True
    cell: Any = None
    checkpoint: Path | None = None
    inputs: Sequence[Any] = ()
    check: bool = True
    names: Path | None = None
    into: Literal["a", "b"] | None = None
    size: int | str | None = None
    io_dtype: str = "float32"
    report: Path | None = None

    def given(self, *names: str) -> list[str]:
        """Return the options, as the command line writes them, of those fields that were set."""
        defaults = {field.name: field.default for field in fields(self)}
        options = []
        for name in names:
            value = getattr(self, name)
            if value == defaults[name]:
                continue
            if name == "selection":
                options += [option for option, part in zip(_SELECTION, value, strict=True) if part]
            else:
                options.append(_OPTIONS.get(name, f"--{name}"))
        return options

    def weights_of_model(self, name: str) -> tuple[Path, ConvertRequest]:
        """Return what is asked for of a model that is named: its checkpoint, which must be of that model.

        Raises:
            ConvertError: no checkpoint was given, or what is of networks in code only.
        """
        if self.checkpoint is None:
            known = [one.name for one in get_model(name).weights if one.url]
            published = f"Published are {', '.join(known)}: give one of these names" if known else ""
            raise ConvertError(
                f"{name}: is a model's name, and has no weights of its own. "
                f"{published or 'Give a file'}, or say which with --checkpoint FILE"
            )
        if self.inputs or self.cell is not None:
            raise ConvertError(
                f"{name}: is a model of triport's: leave {'--input' if self.inputs else '--cell'} out"
            )
        if self.model not in (None, name):
            raise ConvertError(f"{name} and --model {self.model} are two different models; leave --model out")
        return self.checkpoint, replace(self, checkpoint=None, model=name)

    def check_weights(self) -> None:
        """Raise ConvertError where options make no sense, or do not go together, for a checkpoint."""
        for name, value, known in (
            ("--dtype", "float32" if self.dtype is None else self.dtype, ("float16", "bfloat16", "float32")),
            ("--io-dtype", self.io_dtype, ("float16", "float32")),
        ):
            if value not in known:
                raise ConvertError(f"{name} {short(value)}: expected {', '.join(known)}")
        if self.size not in (None, "free") and not re.fullmatch("[1-9][0-9]{0,8}", str(self.size)):
            raise ConvertError(
                f"--size {short(str(self.size))}: expected a number of pixels, from 1 up, or free"
            )
        if not self.with_head and self.to == "onnx":
            raise ConvertError("--no-head: a graph needs its head; weights alone go to pytorch or mindspore")
        if self.dtype == "bfloat16" and self.to == "onnx":
            raise ConvertError(
                "--dtype bfloat16: an ONNX file is written in float32 or float16. Only a file of weights can "
                "have bfloat16"
            )
        if self.io_dtype != "float32" and (self.to, self.dtype) != ("onnx", "float16"):
            raise ConvertError(
                "--io-dtype float16: is for ONNX files in float16: add --to onnx --dtype float16"
            )
        if self.size is not None and self.to != "onnx":
            raise ConvertError("--size: weights have no image size; only an ONNX file has")
        of_graphs = [] if self.to == "onnx" else self.given("opset", "optimize")
        if of_graphs:
            raise ConvertError(f"{of_graphs[0]}: is of ONNX files, and {self.to} gets weights: leave it out")
        if self.crc and self.to == "onnx":
            raise ConvertError("--crc: an ONNX file has no place for a CRC; only a .ckpt has")
        named = self.output is not None and self.output.suffix.lower() != ".ckpt"
        if self.plain and (self.to != "mindspore" or named):
            raise ConvertError(
                "--plain: is for a .ckpt, which is then written as MindSpore itself would, byte by byte"
            )
