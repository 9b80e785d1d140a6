"""What shows that a map is right: outputs of both sides with weights that the map moved, on several draws.

The noise that float32 makes on this network, these weights and this input is parity's, and so is what it
allows. Every parameter has values of its own; those that reach no output have other ones on either side.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from triport.converters.environment import import_mindspore, import_torch
from triport.converters.naming.pair_names import PairNames
from triport.parity.judge.tolerance import FLOAT32, WIDEST
from triport.parity.kernels.approximations import approximated, told
from triport.parity.kernels.mindspore import KERNELS
from triport.parity.noise import noise_of, rounded_runner
from triport.parity.noise.redrawn import Redrawn, RedrawnRunner
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.subjects.random_weights import seeded_value

from .calm import calm_statistics
from .comparing import apart
from .pieces import Piece, pieces_named
from .result import Trial
from .sides import Side, SideParameter
from .ties import Ties
from .values import own_value

Progress = Callable[[str], None]
TRIALS = 3
_WIDTH = 16.0


class Draw:
    """Seeded values for every parameter of the first side, and for the second side's by the rows.

    Args:
        a: the first side.
        names: the complete map.
        constants: what must have one value: zeros of a bias, or of a block of it, that the other side lacks.
        ties: names that must have the values of another.
        seed: of the values.
        is_wide: whether values are large: a clamp, or a ReLU that ends at 6, is seen by these alone.
        is_calm: whether norms have statistics that are near those of what they are given, as after training:
            what grows from block to block else leaves gates and softmaxes at their ends, where a rounding
            turns them over.
        signed: names of vectors that have both signs; one value alone is negative.
    """

    def __init__(
        self,
        a: Side,
        names: PairNames,
        constants: Mapping[Piece, float],
        ties: Ties,
        seed: int,
        *,
        is_wide: bool = False,
        is_calm: bool = False,
        signed: frozenset[str] = frozenset(),
    ) -> None:
        self._side, self._names = a, names
        self._constants = pieces_named(constants)
        self._values = constants
        aliases = {alias: one.name for one in a.parameters.values() for alias in one.aliases}
        self.seed, self.is_wide, self._is_calm = seed, is_wide, is_calm
        self._statistics: dict[str, np.ndarray] = {}
        self._signed = signed
        self._first = aliases | {other: name for name, others in ties.items() for other in others}

    def give(self, b: Side) -> None:
        """Set the values on both sides, row by row: no side is held a second time.

        Raises:
            AssertionError: a row does not give back, bit for bit, what it was given: a fault of ours.
        """
        if self._is_calm and not self._statistics:
            self._side.set_values({name: self.of(name) for name in self._side.parameters})
            self._statistics = calm_statistics(self._side, self.feed())
        for row in self._names.rows:
            arrays = [self.of(name) for name in row.a]
            moved = row.forward(arrays)
            if not row.computes:
                for name, array, back in zip(row.a, arrays, row.backward(moved), strict=True):
                    if array.tobytes() != np.ascontiguousarray(back).tobytes():
                        raise AssertionError(f"{name}: its row does not give back what it was given")
            given = zip(row.a, arrays, strict=True)
            self._side.set_values({name: array for name, array in given if name in self._side.parameters})
            others = zip(row.b, moved, strict=True)
            b.set_values({name: array for name, array in others if name in b.parameters})

    def feed(self) -> list[np.ndarray]:
        """Return what goes into both."""
        given = feed_of(self._side, self.seed)
        return [_wide(array) for array in given] if self.is_wide else given

    def of(self, name: str) -> np.ndarray:
        """Return the values of a parameter of the first side."""
        first = self._first.get(name, name)
        one = self._side.parameters[first]
        value = self._drawn(one)
        if first in self._signed:
            value = value * _signs(value.shape, f"trial {self.seed} {first}")
        for piece in self._constants.get(first, ()):
            piece.of(value)[...] = self._values[piece]
        return value

    def _drawn(self, one: SideParameter) -> np.ndarray:
        if one.name in self._statistics:
            return self._statistics[one.name].copy()
        if one.leaf is not None and one.leaf.seeding != "count":
            value = seeded_value(one.name, one.shape, one.leaf.seeding, self.seed)
            return value * np.float32(_WIDTH) if self.is_wide and _sets_width(one) else value
        return own_value(one.shape, one.role, f"trial {self.seed} {one.name}")


def _signs(shape: tuple[int, ...], tag: str) -> np.ndarray:
    """Return signs of which the first is negative, and the last is not where there are several."""
    found = np.random.default_rng([zlib.crc32(tag.encode())]).choice(np.array([-1, 1], np.float32), shape)
    found.reshape(-1)[-1:] = 1
    found.reshape(-1)[:1] = -1
    return found


def _sets_width(one: SideParameter) -> bool:
    """Whether the values behind a parameter are as large as it is, whatever the network is given."""
    assert one.leaf is not None and one.kind is not None
    if one.leaf.seeding == "embedding":
        return True
    return one.leaf.seeding == "scale" and not any(leaf.statistic for leaf in one.kind.leaves)


def feed_of(side: Side, seed: int) -> list[np.ndarray]:
    """Return values for the inputs of a side, in order."""
    random = np.random.default_rng([seed, 7])
    return [given.draw(side.network.sizes, random) for given in side.network.inputs]


def _wide(array: np.ndarray) -> np.ndarray:
    """Return large values; whole numbers stay, which are indices."""
    return array * array.dtype.type(_WIDTH) if array.dtype.kind == "f" else array


def even(array: np.ndarray) -> np.ndarray:
    """Return images of a single colour each: what pads or shifts otherwise sees little of it there.

    Args:
        array: (N, C, H, W) of any dtype; another rank, and what is not floating point, stays.
    """
    if array.ndim != 4 or array.dtype.kind != "f":
        return array
    return np.ascontiguousarray(np.broadcast_to(array[:, :, :1, :1], array.shape)).astype(array.dtype)


def tolerance_of(a: Side, b: Side, feed: Sequence[np.ndarray]) -> float:
    """Return what the noise of float32 allows, with the values that the sides have.

    It is that of a Module where one of the sides is, else of the Cell.
    """
    side = b if b.runtime == "pytorch" and a.runtime != "pytorch" else a
    network = side.network
    names = network.realisations[side.runtime].names
    given = {
        names.get(alias, alias): array
        for name, array in side.values().items()
        for alias in (name, *side.parameters[name].aliases)
    }
    given |= {names.get(name, name): array for name, array in side.constants.items()}
    inputs = {one.name: array for one, array in zip(network.inputs, feed, strict=True)}
    runner: Redrawn
    if side.runtime == "pytorch":
        runner = rounded_runner(network, given, "float32", 0)
    else:
        runner = RedrawnRunner(MindSporeRunner(network, given), network)
    noise = noise_of(runner, inputs, 0, runner.run(inputs))
    return min(FLOAT32.tolerance_of(max((one.size for one in noise.values()), default=0.0)), WIDEST)


def trial_of(a: Side, b: Side, draw: Draw) -> Trial:
    """Return how both sides compare with the weights of a draw, which are set on both."""
    feed = draw.feed()
    draw.give(b)
    outputs = a.outputs(feed), b.outputs(feed)
    trial = Trial(draw.seed, apart(*outputs), tolerance_of(a, b, feed), reshaped=_reshaped(*outputs))
    return trial if trial.passed else _but_for_kernels(trial, (a, b), outputs, feed)


def _reshaped(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> str:
    """Return which outputs have other shapes; their values are compared in order."""
    shapes = [(one.shape, other.shape) for one, other in zip(a, b, strict=False) if one.shape != other.shape]
    return ", ".join(f"{one} and {other}" for one, other in shapes)


def is_random(side: Side) -> bool:
    """Whether a network returns other values each time that it is run on the same input."""
    feed = feed_of(side, 0)
    first, second = side.outputs(feed), side.outputs(feed)
    return any(not np.array_equal(*pair, equal_nan=True) for pair in zip(first, second, strict=False))


def runs_kernels(a: Side, b: Side) -> bool:
    """Whether a Module stands beside a Cell whose kernels are known, so that it can compute with them."""
    if {a.runtime, b.runtime} != {"pytorch", "mindspore"}:
        return False
    return bool(import_mindspore().get_context("device_target") == "CPU")


def _but_for_kernels(
    trial: Trial,
    sides: tuple[Side, Side],
    outputs: tuple[list[np.ndarray], list[np.ndarray]],
    feed: Sequence[np.ndarray],
) -> Trial:
    """Return a trial in which PyTorch computes with MindSpore's kernels, if that is all the difference."""
    places = {side.runtime: place for place, side in enumerate(sides)}
    if not runs_kernels(*sides):
        return trial
    met: set[str] = set()
    with approximated(import_torch(), KERNELS, met):
        imitating = sides[places["pytorch"]].outputs(feed)
    needed = apart(outputs[places["mindspore"]], imitating)
    said = (
        f"MindSpore's kernels compute {told(KERNELS, met)}: with that in PyTorch the outputs are equal, "
        f"without it {trial.needed_tolerance:.1e} of the largest value apart, where {trial.tolerance:.1e} is "
        "allowed"
    )
    again = replace(trial, needed_tolerance=needed, but_for=said)
    return again if met and again.passed else trial
