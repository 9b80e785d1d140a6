"""Runs one network in every runtime on one feed, and a few further ones, and judges each against float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.parity.kernels.approximations import Approximation, told
from triport.reference_models.network import Arrays, Network

from .but_for import ButForKernels
from .candidates import GIVEN_FILE, Candidate, Exporter, ParityError, candidates_of, framework_errors
from .device import parse_device
from .further import Computed, FurtherReference, FurtherResult, computed
from .inputs import Inputs
from .judge.comparison import Comparison, ComparisonError, compare_outputs, deciding
from .judge.tolerance import CALIBRATIONS
from .judge.words import share_of_largest
from .layers.judge import LayerReport
from .layers.reference import StepReference
from .layers.trace import following, layers_of
from .one_output import gives_one_output
from .options import DEFAULT_OPTIONS, NOTHING_TOLD, Options, ReportSources
from .precision import check_precision
from .reference import REFERENCE, REFERENCES, WITHOUT_TORCH, CheckedNetwork, NetworkReference, reference_of
from .runtimes import Runner, runtime_called
from .subjects.parameters import no_wider_than_float32

# What a report calls its inputs where they are not noise: this, and the folder.
IMAGES_OF = "images in "
# What it says of weights that a foreign graph was run with: this, and both files.
GRAPH_OF = "the graph of "

# Called with what begins, how many steps are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate, its verdict, what it ran on, and how long it took from its weights to its outputs.

    `comparison` is of the output that needs most of its tolerance, which decides; `outputs` has all outputs
    by name. `layers` and `isolated` compare modules, if asked for; `further` is what the further inputs
    showed; `notes` say what was not compared, or was run otherwise than elsewhere. `but_for` says for which
    kernels of its runtime this pair's reference computes as they do; None: it is exact.
    """

    reference: str
    candidate: str
    device: str
    comparison: Comparison
    seconds: float
    versions: Mapping[str, str]
    layers: LayerReport | None = None
    isolated: LayerReport | None = None
    further: tuple[FurtherResult, ...] = ()
    notes: tuple[str, ...] = ()
    outputs: Mapping[str, Comparison] = field(default_factory=dict)
    but_for: ButForKernels | None = None

    @property
    def passed(self) -> bool:
        """Whether the outputs for every input, and the modules that were compared, are within tolerance."""
        return (
            self.comparison.passed
            and not any(report and report.differs for report in (self.layers, self.isolated))
            and all(result.passed for result in self.further)
        )

    @property
    def of_files(self) -> bool:
        """Whether it is two files beside one another."""
        return self.reference not in REFERENCES

    @property
    def decides(self) -> str:
        """The name of the output that decides, where there are several."""
        return deciding(self.outputs) if len(self.outputs) > 1 else ""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """What a subject computes: by its own graph where it is an ONNX file, and otherwise in float64.

    `outputs` is of the main feed, `further` of each that `expected` is of, in the same order. `unsure` are
    the places of whole numbers that hang on a rounding, by output.
    """

    feed: Arrays
    outputs: Arrays
    allowed: Mapping[str, float]
    expected: tuple[FurtherReference, ...]
    further: tuple[Computed, ...]
    unsure: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The verdict on a network.

    `noise` is how far `precision` is from itself in PyTorch on the CPU (see noise/), relative to the largest
    value of an output, the largest of all outputs, whose own are `noises`; `weights` says which ("random seed
    0", or a file), `files` the SHA-256 of every file; `seed` is the input's, None where it is made of images;
    `not_run` says what was left out, and why. `input_shape` is the first input's. `repeat` is what the
    command is given of networks that are neither a model nor a file.
    `is_one` says that every input gives one output.
    """

    model: str
    weights: str
    input_shape: tuple[int, ...]
    noise: float
    pairs: tuple[Pair, ...]
    reference_seconds: float
    inputs: str = "noise"
    seed: int | None = 0
    precision: str = "float32"
    files: Mapping[str, str] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()
    function: Function | None = field(default=None, compare=False, repr=False)
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    noises: Mapping[str, float] = field(default_factory=dict)
    repeat: tuple[str, ...] = ()
    is_one: bool = False

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)

    @property
    def candidates(self) -> tuple[Pair, ...]:
        """The pairs of a candidate and the reference, without those of two files."""
        return tuple(pair for pair in self.pairs if not pair.of_files)


def check_model(
    network: Network,
    parameters: Arrays,
    inputs: Inputs,
    options: Options = DEFAULT_OPTIONS,
    *,
    told: ReportSources = NOTHING_TOLD,
    given: Sequence[Candidate] = (),
    exporters: Mapping[str, Exporter] | None = None,
    progress: Progress | None = None,
) -> ModelReport:
    """Compare every runtime's outputs with those of the reference, PyTorch in float64 on the CPU.

    One model is in memory at a time, beside the parameters.

    Args:
        network: what is checked.
        parameters: values by the network's names, all of them; float64 ones are rounded to float32 first.
        inputs: what it is run on; ONNX files are made for the sizes of the main feed.
        options: which runtimes, and how.
        told: what the report repeats.
        given: more candidates, such as an ONNX file that is run as it is; these are never left out.
        exporters: "mindspore" and "pytorch" to functions that make ONNX; the realisations' own by default.
        progress: called before every step.

    Raises:
        TriportError: a runtime or the device is missing, the parameters do not fit, or a runtime failed.
    """
    parameters = no_wider_than_float32(parameters)
    candidates = [*candidates_of(network, parameters, inputs.feed, options, exporters), *given]
    if not candidates:
        raise ParityError(f"{network.name}: {_nothing_to_run(network, options)}")
    for name in options.runtimes:
        one = runtime_called(name)
        check_precision(options.precision, parse_device(options.device), name, one.PRECISIONS, one.WHY_NOT)
    total = len(candidates) + 2
    tell = progress or (lambda what, done, total: None)
    tell(REFERENCE, 0, total)
    subject = CheckedNetwork(network, parameters, inputs, options)
    reference = reference_of(subject, lambda: tell(f"noise of {options.precision}", 1, total))
    judged: dict[str, _Judged] = {}
    not_run = list(reference.not_run)
    for number, candidate in enumerate(sorted(candidates, key=lambda one: one.is_elsewhere)):
        if candidate.name in reference.is_of:
            continue
        tell(candidate.name, 2 + number, total)
        try:
            judged[candidate.name] = _but_for_kernels(
                _judged(candidate, inputs.feed, reference, options), candidate, subject, reference
            )
        except MissingRuntimeError as error:
            if candidate in given or not (options.skip_missing or candidate.unasked):
                raise
            not_run.append(f"{candidate.name}: {error}")
    judged = {one.name: judged[one.name] for one in candidates if one.name in judged}
    if not judged:
        raise ParityError(f"no runtime could be compared with {reference.name}:\n  " + "\n  ".join(not_run))
    not_run += _made_for_one_size(judged, reference, inputs.feed)
    tell("", total, total)
    return _report(subject, reference, judged, told, not_run)


def _report(
    subject: CheckedNetwork,
    reference: NetworkReference,
    judged: Mapping[str, _Judged],
    told: ReportSources,
    not_run: Sequence[str],
) -> ModelReport:
    shapes = {name: array.shape for name, array in subject.inputs.feed.items()}
    return ModelReport(
        subject.network.name,
        told.weights,
        next(iter(shapes.values())),
        max(reference.noise.values()),
        tuple(one.pair for one in judged.values()),
        reference.seconds,
        inputs=told.inputs,
        seed=subject.options.seed,
        precision=subject.options.precision,
        files=dict(told.files),
        not_run=tuple(not_run),
        function=_function(subject.inputs.feed, reference, judged.get(GIVEN_FILE)),
        input_shapes=shapes,
        noises=reference.noise,
        repeat=told.repeat,
        is_one=gives_one_output(reference.outputs, reference.expected, reference.allowed),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A candidate's verdict, and what it computed of the main feed and of the further inputs."""

    pair: Pair
    outputs: Arrays
    further: tuple[Computed, ...]
    approximations: tuple[Approximation, ...] = ()


def _but_for_kernels(
    judged: _Judged, candidate: Candidate, subject: CheckedNetwork, reference: NetworkReference
) -> _Judged:
    """Judge a candidate that differs by a reference that imitates its kernels; say so where that is all."""
    if reference.name == WITHOUT_TORCH and candidate.kernels is not None and not judged.pair.passed:
        return _but_for_reference(judged, candidate, subject, reference)
    if judged.pair.passed or not judged.approximations or reference.name != REFERENCE:
        return judged
    imitating = reference_of(replace(subject, imitated=judged.approximations), lambda: None)
    if not imitating.met:
        return judged
    again = _judged(candidate, subject.inputs.feed, imitating, subject.options)
    if not again.pair.passed:
        return judged
    how = told(judged.approximations, imitating.met)
    but_for = ButForKernels(tuple(sorted(imitating.met)), how, _worst_of(judged.pair))
    return replace(again, pair=replace(again.pair, but_for=but_for))


def _but_for_reference(
    judged: _Judged, candidate: Candidate, subject: CheckedNetwork, reference: NetworkReference
) -> _Judged:
    """Judge a graph that computes as MindSpore's kernels do, where MindSpore itself is the reference.

    The graph must also give what exact functions do, which MindSpore's and ONNX Runtime's both only approach.
    """
    feed, kernels = subject.inputs.feed, candidate.kernels
    assert kernels is not None
    again = _judged(replace(candidate, make=kernels.imitating), feed, reference, subject.options)
    if not (kernels.names and again.pair.passed):
        return judged
    with framework_errors(candidate.name):
        runner = kernels.exact()
        exact = compare_outputs(runner.run(feed), judged.outputs, reference.allowed, reference.unsure)
        ideal = [computed(runner, one.given) for one in reference.expected]
    further = zip(reference.expected, ideal, judged.further, strict=True)
    verdicts = (
        replace(expected, outputs=right).verdict(found)
        for expected, right, found in further
        if isinstance(right, dict) and found is not None
    )
    if not (all(one.passed for one in exact.values()) and all(one.passed for one in verdicts)):
        return judged
    functions = tuple(sorted(name.partition(" ")[0] for name in kernels.names))
    how = " and ".join(sorted(kernels.names))
    but_for = ButForKernels(functions, how, _worst_of(judged.pair), of_reference=True)
    return replace(again, pair=replace(again.pair, but_for=but_for))


def _worst_of(pair: Pair) -> str:
    """Return by how much a candidate is off the exact reference, where most, and what is allowed there."""
    out = [("its outputs", pair.comparison.needed_tolerance, pair.comparison.tolerance)]
    out += [
        (f"{one.input}, {image.what}", image.needed_tolerance, image.tolerance)
        for one in pair.further
        for image in one.images
    ]
    out += [
        (step.name, step.error, step.tolerance)
        for layers in (pair.layers, pair.isolated)
        if layers is not None
        for step in layers.steps
    ]
    where, needed, allowed = max(out, key=lambda one: one[1] / one[2] if one[2] else one[1])
    return f"{share_of_largest(needed, 'the largest value')} in {where}, where {allowed:.1e} is allowed"


def _judged(candidate: Candidate, feed: Arrays, reference: NetworkReference, options: Options) -> _Judged:
    start = time.perf_counter()
    with framework_errors(candidate.name):
        runner = candidate.make()
        outputs = runner.run(feed)
        seconds = time.perf_counter() - start
        if candidate.unseen_seconds is not None:
            seconds += candidate.unseen_seconds()
        # its own rows are those of the network, which may only have been found since it was made
        runner.network = reference.network
        compared = _compared(reference, outputs, runner, candidate)
        comparison = compared[deciding(compared)]
        further = tuple(computed(runner, one.given) for one in reference.expected)
        found = {
            alone: layers_of(
                runner,
                trace,
                alone=alone,
                calibration=CALIBRATIONS[options.precision],
                tolerance=options.tolerance,
            )
            for alone, trace in reference.traces.items()
        }
        if False in found:
            found[False] = _with_what_follows(found[False], comparison, runner, reference.traces[False])
    pair = Pair(
        reference.name,
        candidate.name,
        runner.device,
        comparison,
        seconds,
        runner.versions(),
        found.get(False),
        found.get(True),
        tuple(
            one.verdict(output)
            for one, output in zip(reference.expected, further, strict=True)
            if output is not None
        ),
        tuple(runner.notes),
        compared,
    )
    return _Judged(pair, outputs, further, getattr(runner, "approximations", ()))


def _compared(
    reference: NetworkReference, outputs: Arrays, runner: Runner, candidate: Candidate
) -> dict[str, Comparison]:
    """Compare the main feed's outputs; where that cannot be done, say of which candidate or file."""
    try:
        return compare_outputs(reference.outputs, outputs, reference.allowed, reference.unsure)
    except ComparisonError as error:
        what = getattr(runner, "what", candidate.name)
        same = "Compare what gives the same outputs: one model, as many classes"
        raise ParityError(f"{what}: {error}. {same}") from error


def _with_what_follows(
    layers: LayerReport, comparison: Comparison, runner: Runner, trace: StepReference
) -> LayerReport:
    """Name what follows the last module where the outputs are out and no module is."""
    if comparison.passed or layers.parting is not None or not layers.steps:
        return layers
    return replace(layers, behind=following(runner, trace, layers))


def _made_for_one_size(judged: Mapping[str, _Judged], reference: NetworkReference, feed: Arrays) -> list[str]:
    """Return in words which candidates take inputs of no other size."""
    fixed = [name for name, one in judged.items() if any(output is None for output in one.further)]
    if not fixed:
        return []
    sizes = dict.fromkeys(side for array in feed.values() for side in array.shape[2:])
    size = f"than {' x '.join(map(str, sizes))} px" if _is_of_images(feed) else "of inputs"
    return [f"other sizes {size}: {', '.join(fixed)}, made for that size"]


def _is_of_images(feed: Arrays) -> bool:
    return all(array.ndim == 4 for array in feed.values())


def _function(feed: Arrays, reference: NetworkReference, own: _Judged | None) -> Function:
    outputs, further = (
        (own.outputs, own.further)
        if own
        else (reference.outputs, tuple(one.outputs for one in reference.expected))
    )
    return Function(feed, outputs, reference.allowed, reference.expected, further, reference.unsure)


def _nothing_to_run(network: Network, options: Options) -> str:
    if not options.runtimes:
        return "no runtime was named"
    return f"{', '.join(options.runtimes)} cannot run it: it is there for {', '.join(network.realisations)}"
