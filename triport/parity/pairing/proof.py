"""What shows that a map is right: outputs of both sides with weights that the map moved, on several draws.

The noise that float32 makes on this network, these weights and this input is parity's, and so is what it
allows. Every parameter has values of its own; those that reach no output have other ones on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from triport.converters.naming.pair_names import PairNames
from triport.parity.noise import FLOAT32, noise_of, rounded_runner
from triport.parity.noise.redrawn import Redrawn, RedrawnRunner
from triport.parity.random_weights import seeded_value
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.reference_models.network import Arrays

from .comparing import apart
from .result import Trial
from .sides import Side
from .ties import Ties
from .values import own_value

Progress = Callable[[str], None]
TRIALS = 3


def drawn_values(side: Side, seed: int, constants: Mapping[str, float], ties: Ties) -> dict[str, np.ndarray]:
    """Return seeded values for every parameter of the first side, each of its own.

    Args:
        side: whose.
        seed: of the values.
        constants: names of what must have one value: zeros of a bias that the other side lacks.
        ties: names that must have the values of another.
    """
    values = {
        name: np.full(one.shape, constants[name], np.float32)
        if name in constants
        else seeded_value(name, one.shape, one.leaf.seeding, seed)
        if one.leaf is not None and one.leaf.seeding != "count"
        else own_value(one.shape, one.role, f"trial {seed} {name}")
        for name, one in side.parameters.items()
    }
    return {**values, **{other: values[name] for name, others in ties.items() for other in others}}


def feed_of(side: Side, seed: int) -> list[np.ndarray]:
    """Return values for the inputs of a side, in order."""
    random = np.random.default_rng([seed, 7])
    return [given.draw(side.network.sizes, random) for given in side.network.inputs]


def even(array: np.ndarray) -> np.ndarray:
    """Return images of a single colour each: what pads or shifts otherwise sees little of it there.

    Args:
        array: (N, C, H, W) of any dtype; another rank, and what is not floating point, stays.
    """
    if array.ndim != 4 or array.dtype.kind != "f":
        return array
    return np.ascontiguousarray(np.broadcast_to(array[:, :, :1, :1], array.shape)).astype(array.dtype)


def moved(side: Side, other: Side, names: PairNames, values: Arrays) -> dict[str, np.ndarray]:
    """Return the second side's values, of the first's; tied weights stand there under their first name."""
    known = {alias: one.name for one in side.parameters.values() for alias in one.aliases}
    given = {**values, **{alias: values[name] for alias, name in known.items()}}
    found = names.forward(given)
    return {name: found[name] for name in other.parameters if name in found}


def is_bit_equal(side: Side, names: PairNames, values: Arrays) -> bool:
    """Return whether values come back from the second side's names bit for bit."""
    known = {alias: one.name for one in side.parameters.values() for alias in one.aliases}
    given = {**values, **{alias: values[name] for alias, name in known.items()}}
    kept = PairNames(tuple(row for row in names.rows if not row.computes))
    back = kept.backward(kept.forward(given))
    return all(
        array.dtype == given[name].dtype and array.tobytes() == np.ascontiguousarray(given[name]).tobytes()
        for name, array in back.items()
    )


def tolerance_of(a: Side, b: Side, values: tuple[Arrays, Arrays], feed: Sequence[np.ndarray]) -> float:
    """Return what the noise of float32 allows: of a Module where one of the sides is, else of the Cell."""
    place = 0 if a.runtime == "pytorch" or b.runtime != "pytorch" else 1
    side, own = (a, b)[place], values[place]
    network = side.network
    names = network.realisations[side.runtime].names
    given = {
        names.get(alias, alias): array
        for name, array in own.items()
        for alias in (name, *side.parameters[name].aliases)
    }
    inputs = {one.name: array for one, array in zip(network.inputs, feed, strict=True)}
    runner: Redrawn
    if side.runtime == "pytorch":
        runner = rounded_runner(network, given, "float32", 0)
    else:
        runner = RedrawnRunner(MindSporeRunner(network, given), network)
    largest = {name: float(np.abs(array).max(initial=0.0)) for name, array in runner.run(inputs).items()}
    noise = noise_of(runner, inputs, 0, largest)
    return FLOAT32.tolerance_of(max(noise.values(), default=0.0))


def trial_of(a: Side, b: Side, names: PairNames, values: Arrays, seed: int) -> Trial:
    """Return how both sides compare with these weights, which are set on both."""
    feed = feed_of(a, seed)
    a.set_values(values)
    theirs = moved(a, b, names, values)
    b.set_values(theirs)
    needed = apart(a.outputs(feed), b.outputs(feed))
    return Trial(seed, needed, tolerance_of(a, b, (values, theirs), feed))
