"""docs/operators.md, made from the registry: python -m triport.converters.mindir.operator_table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triport.reference_models.errors import counted

from .emit import HIGHEST_OPSET, LOWEST_OPSET
from .operators import MindirOperator, load_operators
from .support import description_of, limits_of

PATH = Path(__file__).resolve().parents[3] / "docs" / "operators.md"
INTRODUCTION = f"""# MindIR operators that become ONNX

Made from the registry by `python -m triport.converters.mindir.operator_table`; a test fails when it is stale.

`python cli.py operators` lists them, and `python cli.py operators FILE.mindir` what a graph needs of them and
lacks, before anything is converted: each call is read as `convert` would read it. Besides what holds for all
operators, a converter refuses for no other reason than those that its operator declares: the limits below.

Opsets {LOWEST_OPSET} to {HIGHEST_OPSET} can be written; a primitive that needs a later one says so.
"writes x" is an in-place operator: its result, and later reads of what it overwrote, are both right. A
view that is written into is refused. Limits are the values that an argument must have; anything else, as any
attribute that no converter reads, is an error that names the operator and its scope. Control flow
on computed values (named by its place), encrypted files, quantised parameters, and results whose size
depends on values (`NonZero`, `MaskedSelect`, `Unique2`) are errors as well.

`nn.GRU`, `nn.RNN`, their cells, `nn.LSTM` in both directions, `nn.MultiheadAttention` and the transformer
layers reach MindIR taken apart into the primitives below, and are tested as layers.

What is written is compared with MindSpore. Of a Cell the batch axis is free only where MindSpore, asked
at a larger batch size and at one image, with other images each time, gives what the file gives, and
where its trace of 65 images computes the same, and its traces at the numbers that its own code compares
with; where it has no kernel, where its traces at these sizes compute the same. "Free" says what was
tested: a branch at a size beyond these, whose number is computed, is not found. A `.mindir` file has
the numbers of one batch size: its batch is free where each image gives what it gives alone, and a sum over
the batch fixes it.
One with an unknown batch size is traced by MindSpore. Inputs are normal numbers, then numbers around
30 and 1000, then whole numbers and halves; whole numbers take the range that Gather, OneHot, lengths and
divisors give them. Each output may differ by eight times the Cell's own noise, or by 16 roundings of float32:
how far MindSpore's outputs move when every input and parameter is one rounding off, which says nothing of
the file. With float16 inside it is four times the noise of float16 roundings, of the Cell or of the graph,
whichever is less, and never above 2 %. Whole numbers must be equal. Where the noise allows more than 1e-3,
the Cell is called ill-conditioned. Two things
are said and are no fault of the file: exp, tanh and cubic interpolation, which MindSpore's CPU kernels
approximate, where a copy of the file with that approximation equals MindSpore; and rows in the order of
scores that tie within a rounding.

bfloat16 is compared with MindSpore where that has kernels for it on CPU (additions, products with
numbers, casts, splits and few others): in ONNX Runtime, or, where ONNX Runtime has none, in
ONNX's reference implementation, which the result names. Everything else of that type is converted and not
compared, and the result says so.
"""


DIFFERENCES = """## Where MindSpore gives something else

Found by comparing on NaN, infinities, zeros of both signs and whole numbers at their limits
(`tests/mindir/test_special_numbers.py`). MindSpore's are its CPU kernels; other devices' may be others. What
is compared for a verdict seldom holds such numbers: a Cell whose result hangs on them is called equal all the
same. Of every operator: subnormal numbers may be 0 or other ones in MindSpore (its log reads their bits
as those of normal numbers); the sign of a zero may be another; whole
numbers that overflow may become others. `convert` says in a note which of these a graph can meet.
ONNX Runtime refuses to divide whole numbers by 0, and the least one by -1 ends its process on x86.

| primitives | on which numbers: what MindSpore gives, and what the file |
|---|---|
"""


def make_table() -> str:
    """Return the whole document."""
    operators = load_operators()
    modules: dict[str, list[MindirOperator]] = {}
    for operator in operators.values():
        modules.setdefault(operator.module, []).append(operator)
    parts = [INTRODUCTION, f"{counted(len(operators), 'primitive')}.\n"]
    for module, members in sorted(modules.items()):
        title = module.rpartition(".")[2]
        rows = [f"| {', '.join(names)} | {what} | {notes} |" for what, notes, names in _rows(members)]
        parts.append(
            "\n".join([f"## {title}\n", "| primitives | what they do | limits |", "|---|---|---|", *rows, ""])
        )
    return "\n".join([*parts, DIFFERENCES + "\n".join(_differences()), ""])


def _differences() -> Iterator[str]:
    """Yield the primitives of one difference together."""
    by_text: dict[str, list[str]] = {}
    for operator in load_operators().values():
        if operator.differs:
            by_text.setdefault(operator.differs, []).append(f"`{operator.primitive}`")
    for text, names in by_text.items():
        yield f"| {', '.join(names)} | {text} |"


def _rows(operators: list[MindirOperator]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the primitives of one function together."""
    by_function: dict[object, list[MindirOperator]] = {}
    for operator in operators:
        by_function.setdefault(operator.convert, []).append(operator)
    for members in by_function.values():
        first = members[0]
        what = description_of(first).replace("|", "\\|")
        yield what, "; ".join(limits_of(first)), [f"`{operator.primitive}`" for operator in members]


def main() -> None:
    """Write the document."""
    PATH.write_text(make_table(), encoding="utf-8")


if __name__ == "__main__":
    main()
