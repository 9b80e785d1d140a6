"""One run of `parity`: everything that is asked for, checked one after the other, and what came of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triport.converters.networks.arguments import text_of
from triport.converters.networks.given import as_given, runtime_of
from triport.parity.reports.record import json_of
from triport.parity.subjects.asked import Subject, check_precision_of, files_of, subjects_of
from triport.parity.subjects.loading import LEAST_TO_TRAIN_ON, FeedShape, check, inputs_like, train, train_net
from triport.parity.subjects.own import LoadedNet, NetSubject, load_nets, net_subject
from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION

from .check import ModelReport, check_model
from .files import localise, telling_report, with_files_beside
from .inputs import Inputs, sample_feed
from .localise import report as localise_report
from .localise.own_graphs import localise_graph
from .localise.verdict import Localisation
from .options import Options, ReportSources
from .precision import FULL, check_known
from .recorded.session import AskedNetwork, SavedResult, judge
from .recorded.session import save as save_recorded
from .runtimes import runtimes_with
from .training import report as training_report
from .training.result import TrainingReport
from .worker.deciding import worker_for
from .worker.process import WorkerProcess

_ROWS = (2,)
_SAID_BY_INPUT = "the sizes of your own network stand in --input: write 4x3x224x224 there"


@dataclass(frozen=True, slots=True)
class ParityRequest:
    """What `parity` is asked; every field means what the command's option of that name does.

    `what` are texts, or Modules and Cells. `runtimes` None are those that run by default and compute in
    `precision`. `inputs` describe what goes into networks of the user's own.
    """

    what: tuple[Any, ...] = ()
    every: bool = False
    weights: str | None = None
    model: str | None = None
    inputs: tuple[str, ...] = ()
    runtimes: tuple[str, ...] | None = None
    device: str = "cpu"
    precision: str = "float32"
    tolerance: float | None = None
    seed: int = 0
    batch_sizes: tuple[int, ...] = _ROWS
    sizes: tuple[int, ...] | None = None
    images: Path | None = None
    layers: bool = False
    isolate: bool = False
    gradients: bool = False
    steps: int | None = None
    save_inputs: Path | None = None
    recorded_inputs: Path | None = None
    recorded_outputs: Path | None = None
    names: Path | None = None

    def check_recorded(self) -> None:
        """Raise TriportError where options do not go with saved inputs, or with outputs that came back."""
        saves, judges = self.save_inputs is not None, self.recorded_outputs is not None
        if judges != (self.recorded_inputs is not None):
            raise TriportError(
                "--inputs and --outputs go together: what --save-inputs wrote, and what came back"
            )
        if saves and judges:
            raise TriportError("--save-inputs writes what --inputs reads: give one of them")
        others: dict[str, Any] = {"--all": self.every, "--gradients": self.gradients, "--steps": self.steps}
        if saves:
            others |= {"--runtimes": self.runtimes, "--layers": self.layers, "--isolate": self.isolate}
            others |= {"several --batch-size or --size": len(self.shapes) > 1}
        else:
            others |= {"--size": self.sizes, "--images": self.images}
        asked = [option for option, value in others.items() if value]
        if asked:
            which = "--save-inputs" if saves else "--outputs"
            raise TriportError(f"{', '.join(asked)}: does not go with {which}: leave it out")

    def check_nets(self) -> None:
        """Raise TriportError where options do not go with networks of the user's own."""
        not_theirs = {
            "--all": (self.every, "is for the models that triport knows: leave it or --input out"),
            "--model": (self.model, "names a model that triport knows: leave it or --input out"),
            "--size": (self.sizes, _SAID_BY_INPUT),
            "--batch-size": (self.batch_sizes != _ROWS, _SAID_BY_INPUT),
            "--images": (self.images, "how images are prepared is known of triport's own models alone"),
        }
        has_cell = any(runtime_of(one) == "mindspore" for one in self.what)
        if has_cell and (self.precision != "float32" or self.trains):
            raise TriportError(
                "a Cell that is given cannot be copied, and would be changed for good: name the factory that "
                'makes it, as "package.module:factory", for training and for other precisions than float32'
            )
        wrong = [f"{option}: {why}" for option, (asked, why) in not_theirs.items() if asked]
        if wrong:
            raise TriportError("; ".join(wrong))

    @property
    def net_words(self) -> tuple[str, ...]:
        """What says again which networks of the user's own are checked."""
        weights = ("--weights", self.weights) if self.weights else ()
        inputs = [word for spec in self.inputs for word in ("--input", spec)]
        return (*map(text_of, self.what), *inputs, *weights)

    @property
    def asked(self) -> AskedNetwork:
        """Which network's inputs and outputs are recorded."""
        return AskedNetwork(self.what, self.inputs, self.weights, self.model, self.seed)

    @property
    def options(self) -> Options:
        """How each network is checked."""
        return Options(
            self.runtimes if self.runtimes is not None else runtimes_with(self.precision),
            self.device,
            self.precision,
            self.tolerance,
            self.seed,
            self.layers,
            self.isolate,
            skip_missing=self.runtimes is None,
        )

    @property
    def shapes(self) -> list[FeedShape]:
        """The main feeds of images, each to be checked."""
        return [
            FeedShape(count, size, self.images)
            for size in self.sizes or (None,)
            for count in self.batch_sizes
        ]

    @property
    def trains(self) -> bool:
        """Whether training is compared too."""
        return self.gradients or bool(self.steps)


@dataclass(frozen=True, slots=True)
class ParityResult:
    """What came of a request: a report of each subject and shape, of each pair of files, of each training."""

    reports: tuple[ModelReport, ...]
    localised: tuple[Localisation, ...] = ()
    trained: tuple[TrainingReport, ...] = ()

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""
        return SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether everything is equal."""
        verdicts = [[one.passed for one in found] for found in (self.reports, self.localised, self.trained)]
        return all(map(all, verdicts))

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        localised = [localise_report.json_of(one) for one in self.localised]
        return {
            "schema_version": self.schema_version,
            **json_of(self.reports),
            **({"localisation": localised[0], "localisations": localised} if localised else {}),
            **({"training": training_report.json_of(self.trained)} if self.trained else {}),
        }


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told of a run: each step, and each report once it is complete."""

    progress: Callable[[str], None] = lambda step: None
    report: Callable[[ModelReport], None] = lambda report: None
    training: Callable[[TrainingReport], None] = lambda report: None

    def at(self, where: str) -> Callable[[str], None]:
        """Return what is told the steps of a place."""
        return functools.partial(_tell, self.progress, where)


NOBODY = Listener()


def run(request: ParityRequest, listener: Listener = NOBODY) -> ParityResult:
    """Check everything that is asked for.

    Raises:
        TriportError: the request makes no sense, or something cannot be run.
    """
    check_known(request.precision)
    if request.recorded_inputs is not None or request.recorded_outputs is not None:
        return _run_recorded(request, listener)
    if request.precision not in FULL and request.trains:
        raise TriportError(
            f"--precision {request.precision}: training is compared in float32 alone. Leave --precision out, "
            f"or --gradients and --steps"
        )
    if request.names is not None and not request.inputs:
        raise TriportError("--names: is for networks of your own: say with --input what goes into them")
    if request.inputs:
        return _run_nets(request, listener)
    weights = None if request.weights is None else Path(request.weights)
    subjects = subjects_of(
        request.what, every=request.every, weights=weights, seed=request.seed, model=request.model
    )
    check_precision_of(subjects, request.precision)
    with worker_for(request.options) if not request.trains else nullcontext() as worker:
        return _run_subjects(request, subjects, worker, listener)


def save(request: ParityRequest) -> SavedResult:
    """Write the inputs of a check, to be run elsewhere.

    Raises:
        TriportError: the request makes no sense, or the file cannot be written.
    """
    check_known(request.precision)
    request.check_recorded()
    assert request.save_inputs is not None
    return save_recorded(request.asked, request.save_inputs, request.shapes[0], request.precision)


def _run_recorded(request: ParityRequest, listener: Listener) -> ParityResult:
    """Judge outputs that came back; a runtime runs beside them only if it is named."""
    request.check_recorded()
    assert request.recorded_inputs is not None and request.recorded_outputs is not None
    options = replace(request.options, runtimes=request.runtimes or ())
    tell = listener.at(text_of(request.what[0]) if request.what else "")
    report = judge(request.asked, request.recorded_inputs, request.recorded_outputs, options, tell)
    listener.report(report)
    return ParityResult((report,))


def _run_subjects(
    request: ParityRequest, subjects: list[Subject], worker: WorkerProcess | None, listener: Listener
) -> ParityResult:
    files = files_of(subjects)
    checked: list[list[ModelReport]] = []
    trained: list[TrainingReport] = []
    for index, subject in enumerate(subjects):
        tell = listener.at(f"{index + 1}/{len(subjects)} {subject.name}")
        like = checked[files[0]] if index in files[1:] else None
        show = None if files else listener.report
        checked.append(_reports(request, subject, like, worker, tell, show))
        if request.trains:
            trained += _trainings(request, subject, tell, listener)
    localised = localise(
        subjects,
        [telling_report(of_subject) for of_subject in checked],
        device=request.device,
        seed=request.seed,
        progress=listener.at("files"),
    )
    by_shape = [
        with_files_beside(subjects, of_shape, layers=request.layers, seed=request.seed)
        for of_shape in zip(*checked, strict=True)
    ]
    reports = [report for of_subject in zip(*by_shape, strict=True) for report in of_subject]
    for report in reports if files else ():
        listener.report(report)
    return ParityResult(tuple(reports), tuple(localised), tuple(trained))


def _reports(
    request: ParityRequest,
    subject: Subject,
    like: list[ModelReport] | None,
    worker: WorkerProcess | None,
    tell: Callable[[str], None],
    show: Callable[[ModelReport], None] | None,
) -> list[ModelReport]:
    """Return a subject's report for each shape, on the inputs of the reports that it is to be `like`."""
    found = []
    for number, shape in enumerate(request.shapes):
        report = check(
            subject,
            request.options,
            shape,
            # once for each subject
            further=number == 0,
            inputs=inputs_like(like[number], subject, shape) if like else None,
            worker=worker,
            progress=tell,
        )
        if show is not None:
            # files are compared by what they compute; of all others that need not be kept
            report = replace(report, function=None)
            show(report)
        found.append(report)
    return found


def _trainings(
    request: ParityRequest, subject: Subject, tell: Callable[[str], None], listener: Listener
) -> list[TrainingReport]:
    found = []
    shapes = [replace(shape, batch_size=max(shape.batch_size, LEAST_TO_TRAIN_ON)) for shape in request.shapes]
    for shape in dict.fromkeys(shapes):
        found.append(train(subject, request.options, shape, request.steps or 0, tell))
        listener.training(found[-1])
    return found


def _run_nets(request: ParityRequest, listener: Listener) -> ParityResult:
    """Check networks of the user's own: one network, whatever realises it."""
    request.check_nets()
    subject = net_subject(request.what, request.inputs, request.weights, request.names)
    tell = listener.at(subject.name)
    tell("making the network")
    with as_given(*request.what):
        return _checked_nets(request, subject, tell, listener)


def _checked_nets(
    request: ParityRequest, subject: NetSubject, tell: Callable[[str], None], listener: Listener
) -> ParityResult:
    loaded = load_nets(subject, request.seed)
    if request.trains and not loaded.parameters:
        raise TriportError(
            f"{subject.name}: has its weights within, which nothing trains: leave --gradients and --steps "
            f"out, or convert it to source (convert FILE --to pytorch -o DIR) and name DIR"
        )
    inputs = Inputs(sample_feed(loaded.network, {}, request.seed))
    report = _checked(request, loaded, inputs, tell)
    listener.report(report)
    localised = [
        localise_graph(loaded.network, loaded.parameters, loaded.source, path, inputs, request.options, tell)
        for path in loaded.graphs
        if request.precision in FULL
    ]
    if not request.trains:
        return ParityResult((report,), tuple(localised))
    trained = train_net(loaded, request.options, request.steps or 0, request.net_words, tell)
    listener.training(trained)
    return ParityResult((report,), tuple(localised), (trained,))


def _checked(
    request: ParityRequest, loaded: LoadedNet, inputs: Inputs, tell: Callable[[str], None]
) -> ModelReport:
    options = request.options
    report = check_model(
        loaded.network,
        loaded.parameters,
        inputs,
        options,
        told=ReportSources(loaded.source, loaded.files, repeat=request.net_words),
        given=loaded.candidates(options),
        progress=lambda step, done, total: tell(step),
    )
    refused = [one for one in loaded.refused if one.partition(":")[0] in options.runtimes]
    return replace(report, not_run=(*report.not_run, *refused))


def _tell(progress: Callable[[str], None], where: str, step: str) -> None:
    if step:  # the end is none
        progress(f"{where}: {step}")
