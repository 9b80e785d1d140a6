"""What people call runtimes, devices and precisions, and what is said where a word is none of them."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

RUNTIMES = ("mindspore", "pytorch", "onnx")
RUNTIME_ALIASES = {
    "torch": "pytorch",
    "pt": "pytorch",
    "ms": "mindspore",
    "ort": "onnx",
    "onnxruntime": "onnx",
    "ov": "openvino",
}
PRECISION_ALIASES = {
    "fp32": "float32",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "o0": "O0",
    "o1": "O1",
    "o2": "O2",
    "o3": "O3",
}
DEVICE_ALIASES = {"gpu": "cuda", "ascend": "npu"}


def meant(word: str, aliases: Mapping[str, str]) -> str:
    """Return the word that an alias stands for; any other word as it is."""
    return aliases.get(word.lower(), word)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the words that are like one; empty where none is."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""


# what one command calls otherwise than another, or people otherwise than we do
_OPTIONS_ALIKE = (
    {"--html", "--report"},
    {"--output", "--out", "--output-dir", "--output-file", "-o"},
    {"--runtime", "--runtimes", "--backend", "--provider"},
    {"--input", "--inputs", "--input-shape", "--shape"},
    {"--precision", "--dtype", "--fp16", "--half"},
    {"--size", "--img-size", "--image-size", "--resolution"},
    {"--data", "--dataset", "--images", "--data-dir"},
    {"--checkpoint", "--weights", "--ckpt"},
)


def options_meant(word: str, known: Sequence[str]) -> list[str]:
    """Return the options that may be meant by one that is not there: of one sense, or else spelt alike."""
    alike = [one for group in _OPTIONS_ALIKE if word in group for one in known if one in group]
    begun = [one for one in known if one.startswith(word) or word.startswith(one)]
    return alike or begun or difflib.get_close_matches(word, known, n=2, cutoff=0.65)


class Word(click.ParamType):
    """One of some words, or an alias of one."""

    def __init__(self, name: str, words: Sequence[str], aliases: Mapping[str, str]) -> None:
        self.name = name
        self.words = tuple(words)
        self.aliases = aliases

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word itself."""
        word = meant(value, self.aliases)
        known = self.known()
        if word not in known:
            hint = did_you_mean(value, (*known, *self.aliases))
            self.fail(f"{value!r} is not one of {', '.join(known)}.{hint}", param, ctx)
        return word

    def known(self) -> tuple[str, ...]:
        """Return the words."""
        return self.words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the words for the help."""
        return f"[{'|'.join(self.known())}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return the words that begin so."""
        return _beginning(incomplete, self.known())


class DeviceWord(click.ParamType):
    """A device, or an alias of its kind: gpu, gpu:1, ascend."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it as every runtime understands it."""
        kind, colon, index = value.partition(":")
        return f"{meant(kind, DEVICE_ALIASES)}{colon}{index}"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return the kinds of device that begin so."""
        return _beginning(incomplete, ("cpu", "cuda", "npu"))


class Precision(click.ParamType):
    """A precision, or an alias: fp16, bf16, o2. Whether a runtime computes so is said where it runs."""

    name = "precision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it."""
        return meant(value, PRECISION_ALIASES)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return the precisions that begin so."""
        from triport.parity.precision import PRECISIONS

        return _beginning(incomplete, PRECISIONS)


class Names(click.ParamType):
    """Runtimes with commas between, or aliases of them."""

    name = "NAME[,NAME...]"

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self.aliases = aliases

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return them as a tuple, each once."""
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(meant(name.strip(), self.aliases) for name in value.split(",")))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return what may follow the last comma, with all that stands before it."""
        before, comma, _ = incomplete.rpartition(",")
        return _beginning(incomplete, [f"{before}{comma}{name}" for name in _runtimes()])


def _beginning(incomplete: str, words: Iterable[str]) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_dialects(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Return the dialects whose names begin so."""
    from triport.reference_models.spec import all_models

    return _beginning(
        incomplete, sorted({dialect.name for spec in all_models().values() for dialect in spec.dialects})
    )


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Return the models and the published weights whose names begin so; nothing where a path is meant."""
    from click.shell_completion import CompletionItem

    from triport.reference_models.spec import all_models

    names = [name for spec in all_models().values() for name in (spec.name, *(w.name for w in spec.weights))]
    found = [CompletionItem(name) for name in names if incomplete and name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


class RunsIn(Word):
    """A runtime that runs networks: every file of their folder but the one of recorded outputs."""

    def __init__(self) -> None:
        super().__init__("runtime", (), RUNTIME_ALIASES)

    def known(self) -> tuple[str, ...]:
        """Return the runtimes by their files' names, without importing them."""
        return _runtimes()


@cache
def _runtimes() -> tuple[str, ...]:
    folder = Path(__file__).parents[2] / "parity" / "runtimes"
    return tuple(sorted(one.name for one in pkgutil.iter_modules([str(folder)]) if one.name != "recorded"))
