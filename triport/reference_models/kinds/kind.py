"""What is known of a kind of layer, without any framework: one record, a row of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from triport.reference_models.errors import TriportError

from .fault import Fault

# How a value is drawn for a check; triport/parity/subjects/random_weights.py has the numbers.
Seeding = Literal["weight", "unit", "embedding", "scale", "shift", "variance", "slope", "count"]

# weight_ih_l0, weight_hh_l1_reverse: of a layer, of a direction
_OF_LAYER = re.compile(r"_l\d+(_reverse)?$")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter or buffer of a layer.

    `name` is PyTorch's and canonical; mindspore.mint.nn and ONNX files with canonical names have it too.
    `mindspore` is that of mindspore.nn where it is another. `fresh` is the value that frameworks start with,
    None where that is random. `optional`: a layer may be without it. `statistic`: it is not trained, a
    batch is counted into it.
    """

    name: str
    seeding: Seeding
    mindspore: str = ""
    fresh: float | None = None
    optional: bool = False
    statistic: bool = False

    @property
    def in_mindspore(self) -> str:
        """Its name in mindspore.nn."""
        return self.mindspore or self.name


@dataclass(frozen=True, slots=True)
class Inexact:
    """By how many roundings a library's function is off, which no library rounds exactly.

    Roundings are of 1 where its values are between -1 and 1, of the input where it is a factor, or of the
    output.
    """

    roundings: int
    of: Literal["one", "input", "output"] = "one"


@dataclass(frozen=True, slots=True)
class Summed:
    """What a layer sums over, so that the same sum can be taken in the opposite order.

    `axis` of its `inputs` and these axes of its leaves are turned round together, and `output`, an axis
    of what it returns, is turned back. An axis may be the name of the module's attribute that says it.
    `where` says of which modules that holds.
    """

    axis: int | str
    leaves: Mapping[str, int] = field(default_factory=dict)
    output: int | str | None = None
    inputs: tuple[str, ...] = ("input",)
    where: Callable[[Any], bool] = lambda module: True


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of layer.

    `name` is how our tables call it, `title` how people do. `torch` and `mindspore` are the classes, by the
    names under which users import them; what inherits from one is of its kind. `onnx` lists the operators
    that alone are such a layer. `leaves` are its parameters and buffers. `whole`: the modules inside it are
    parts of it, which are not called on their own. `quantised`: int8 tools round its weights and its input.
    `gates` is the order of a recurrent layer's gates, by runtime, in the blocks of its weights.
    """

    name: str
    title: str
    torch: tuple[str, ...] = ()
    mindspore: tuple[str, ...] = ()
    onnx: tuple[str, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    whole: bool = False
    quantised: bool = False
    gates: Mapping[str, str] = field(default_factory=dict)
    inexact: Inexact | None = None
    summed: Summed | None = None
    faults: tuple[Fault, ...] = ()

    def leaf(self, name: str) -> Leaf | None:
        """Return the leaf of a PyTorch or MindSpore name, of any layer and direction; None: it has none."""
        plain = _OF_LAYER.sub("", name)
        return next((leaf for leaf in self.leaves if plain in (leaf.name, leaf.in_mindspore)), None)

    @property
    def values(self) -> tuple[Leaf, ...]:
        """The leaves that hold numbers: all but counts."""
        return tuple(leaf for leaf in self.leaves if leaf.seeding != "count")


class KindError(TriportError):
    """The table of kinds contradicts itself."""
