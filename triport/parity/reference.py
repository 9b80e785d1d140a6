"""What every candidate is judged by: the reference's outputs on every input, and what noise allows there.

The reference is PyTorch in float64, where the network has a Module. Otherwise it is the Cell in MindSpore, or
the ONNX file in ONNX Runtime without its optimiser, in float32: that is off by as much as any candidate may
be, and is said. A registered model's is MindSpore only where PyTorch is not installed and no runtime was
asked for by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.parity.kernels.approximations import Approximation
from triport.reference_models.network import Arrays, Network

from .candidates import ParityError, framework_errors
from .further import FurtherReference, Main, expected_of
from .inputs import Inputs, further_inputs
from .judge.tolerance import CALIBRATIONS, least_of
from .layers.reference import StepReference
from .noise import noise_of, rounded_runner
from .noise.redrawn import Redrawn, RedrawnRunner
from .options import Options
from .precision import FULL
from .rows import rows_of
from .runtimes.mindspore import MindSporeRunner
from .runtimes.onnx import OnnxRunner
from .runtimes.pytorch import PyTorchRunner

REFERENCE = "pytorch-float64"
WITHOUT_TORCH = "mindspore-float32"
OF_A_GRAPH = "onnxruntime-float32"
REFERENCES = (REFERENCE, WITHOUT_TORCH, OF_A_GRAPH)
# how far float32 may be from itself when the rows are looked for there
_ROWS_IN_FLOAT32 = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class CheckedNetwork:
    """A network with its parameters, its inputs, and how it is judged.

    `imitated` are kernels of another runtime, as which the reference is to compute some functions.
    """

    network: Network
    parameters: Arrays
    inputs: Inputs
    options: Options
    imitated: tuple[Approximation, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class NetworkReference:
    """The reference's outputs of the main feed, what is allowed there, and what further inputs are judged by.

    `network` is the one that was given, with its rows where they have been found. `traces` are of the
    modules, by whether each is fed apart. `is_of` are the candidates that are the reference itself, and
    that need not be judged. `met` are the functions that it computed as another runtime's kernels. `unsure`
    are the places of whole numbers that hang on a rounding, by output.
    """

    name: str
    network: Network
    is_of: tuple[str, ...]
    outputs: Arrays
    noise: Mapping[str, float]
    allowed: Mapping[str, float]
    seconds: float
    expected: tuple[FurtherReference, ...]
    traces: Mapping[bool, StepReference]
    not_run: tuple[str, ...]
    met: frozenset[str] = frozenset()
    unsure: Mapping[str, np.ndarray] = field(default_factory=dict)


def reference_of(subject: CheckedNetwork, exact_is_done: Callable[[], None]) -> NetworkReference:
    """Run the reference, and what tells the noise, on every input.

    Args:
        subject: what to run.
        exact_is_done: called before the noise is drawn.
    """
    start = time.perf_counter()
    options, feed = subject.options, subject.inputs.feed
    not_run = list(subject.network.left_out)
    name, exact = _reference_runner(subject, not_run)
    runtime = name.partition("-")[0]
    with framework_errors(name):
        computed = exact.run(feed)
        _check_comparable(subject.network.name, computed)
        outputs = {name: array.astype(np.float64) for name, array in computed.items()}
        equal = {} if name == REFERENCE else {"equal": _ROWS_IN_FLOAT32}
        network = replace(subject.network, rows=rows_of(subject.network, exact, feed, outputs, **equal))
        exact.network = network
    seconds = time.perf_counter() - start
    exact_is_done()
    with framework_errors(runtime):
        rounded = _rounded(subject, network, exact)
        noises = noise_of(rounded, feed, options.seed, outputs)
        noise = {name: one.size for name, one in noises.items()}
        unsure = {name: one.unsure for name, one in noises.items() if one.unsure.any()}
        if all(one.unsure.size and one.unsure.all() for one in noises.values()):
            raise ParityError(
                f"{subject.network.name}: every whole number that it returns hangs on a rounding, so nothing "
                "can be compared. Return what they are made of as well, or give other inputs (--seed)"
            )
        not_run += _unsure_said(unsure)
        calibration = CALIBRATIONS[options.precision]
        allowed = {
            name: calibration.tolerance_of(one, least_of(computed[name], calibration))
            if options.tolerance is None
            else options.tolerance
            for name, one in noise.items()
        }
        main = Main(outputs, allowed, network.rows, unsure)
        expected = _expected(replace(subject, network=network), exact, rounded, main, not_run)
        traces = {alone: _trace(subject, exact, rounded, alone) for alone in options.alone}
    is_of = {WITHOUT_TORCH: ("mindspore",)}.get(name, ())
    return NetworkReference(
        name,
        network,
        is_of,
        outputs,
        noise,
        allowed,
        seconds,
        tuple(expected),
        traces,
        tuple(not_run),
        frozenset(getattr(exact, "met", ())),
        unsure,
    )


def _trace(subject: CheckedNetwork, exact: Any, rounded: Redrawn, alone: bool) -> StepReference:
    """Return what every module gives, and how noisy each is.

    Raises:
        ParityError: there is none.
    """
    trace = StepReference(exact, rounded, subject.inputs.feed, seed=subject.options.seed, alone=alone)
    if not trace.steps:
        raise ParityError(
            f"{subject.network.name}: has no modules that could be compared: leave --layers and --isolate out"
        )
    return trace


def _check_comparable(network: str, computed: Arrays) -> None:
    """Raise ParityError where an output has no elements."""
    for name, array in computed.items():
        if not array.size:
            raise ParityError(
                f"{network}: its output {name} has no elements ({', '.join(map(str, array.shape))}), so that "
                "nothing of it can be compared. Give inputs of other sizes, or do not return it"
            )


def _unsure_said(unsure: Mapping[str, np.ndarray]) -> list[str]:
    """Return in words what of the outputs is not compared, as it hangs on a rounding."""
    return [
        f"{name}: {int(places.sum())} of its {places.size} whole numbers, which hang on a rounding in the "
        "reference itself"
        for name, places in unsure.items()
    ]


def _reference_runner(subject: CheckedNetwork, not_run: list[str]) -> tuple[str, Any]:
    """Return the reference's name and its runner; say where it is no PyTorch in float64."""
    network, options = subject.network, subject.options
    known = network.realisations
    if "pytorch" in known:
        try:
            with framework_errors(REFERENCE):
                exact = PyTorchRunner(network, subject.parameters, dtype="float64")
                exact.imitated = subject.imitated
                return REFERENCE, exact
        except MissingRuntimeError as error:
            lower = options.observed or options.precision not in FULL
            if not options.skip_missing or lower or "mindspore" not in known:
                raise
            why = f"{REFERENCE}: {error}. The reference"
    else:
        why = f"{REFERENCE}: {network.name} has no PyTorch module. The reference"
        if options.precision not in FULL:
            raise ParityError(
                f"--precision {options.precision}: its noise is drawn in PyTorch, and {network.name} has no "
                f"PyTorch module. Leave --precision out"
            )
    if "mindspore" in known:
        with framework_errors(WITHOUT_TORCH):
            not_run.append(f"{why} is MindSpore in float32, itself off by the noise")
            return WITHOUT_TORCH, MindSporeRunner(network, subject.parameters)
    if options.observed:
        raise ParityError(
            f"{network.name}: an ONNX graph alone has no modules to compare. Leave --layers and --isolate "
            f"out, or name the Module or the Cell that it was made from as well"
        )
    with framework_errors(OF_A_GRAPH):
        not_run.append(f"{why} is ONNX Runtime in float32 without its optimiser, itself off by the noise")
        return OF_A_GRAPH, OnnxRunner(known["onnx"].build(), network, optimize=False)


def _rounded(subject: CheckedNetwork, network: Network, exact: Any) -> Redrawn:
    if isinstance(exact, PyTorchRunner):
        options = subject.options
        rounded = rounded_runner(network, subject.parameters, options.precision, options.seed)
        rounded.imitated = subject.imitated
        return rounded
    return RedrawnRunner(exact, network)


def _expected(
    subject: CheckedNetwork, exact: Any, rounded: Redrawn, main: Main, not_run: list[str]
) -> list[FurtherReference]:
    """Return what is expected on every further input that the network takes; say which it does not."""
    options, inputs = subject.options, subject.inputs
    further = inputs.further
    if further is None:
        further = tuple(further_inputs(subject.network, inputs.feed, options.precision, options.seed))
    calibration = CALIBRATIONS[options.precision]
    found = []
    for given in further:
        try:
            one = expected_of(given, exact, rounded, main, calibration, options.tolerance, options.seed)
        except Exception as error:
            if not given.other_size:
                raise
            reason = next(iter(str(error).strip().splitlines()), "")
            not_run.append(f"{given}: {subject.network.name} does not take it ({reason})")
            continue
        for what, judged in zip(given.images, one.judged, strict=True):
            if judged is None:
                not_run.append(f"{given}, {what}: the reference itself has values there that are no numbers")
        found.append(one)
    return found
