"""One call of `evaluate`: opens what was asked for, joins the ranks, runs, and says how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from triport.converters import environment
from triport.parity.pages import run_facts
from triport.parity.ranks.launch import device_of_rank, join, ranks_here
from triport.parity.ranks.rank import Ranks
from triport.parity.ranks.together import check_same, together
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.result import SCHEMA_VERSION

from .batches import default_batch_size
from .compare import PreprocessingComparison, compare_preprocessing
from .dataset import ImageDataset, open_dataset, printable
from .decoding import workers_of_machine
from .evaluate import Contender, Evaluation, Scoring, score
from .mistakes import Mistakes
from .model_page import model_page
from .pair import PairTally
from .pair_of_rows import DoneWithRows, are_rows, compare_rows
from .pair_page import PageSide, pair_page
from .preprocess import pillow_version
from .profiles import variants_of
from .rows import RowFile
from .subject import ScoredNetwork, open_subject


class RequestError(TriportError):
    """The options do not go together."""


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """The options of `evaluate`; runtime, model, profile and precision for all, or for each of `what`."""

    what: Sequence[Any]
    data: Path | None = None
    labels: Path | None = None
    classes: Path | None = None
    runtime: Sequence[str] = ()
    device: str = "cpu"
    model: Sequence[str] = ()
    profile: Sequence[str] = ()
    precision: Sequence[str] = ()
    compare_preprocessing: bool = False
    limit: int | None = None
    allow_subset: bool = False
    allow_duplicates: bool = False
    batch_size: int | None = None
    workers: int | None = None
    rows: Path | None = None
    resume: bool = False
    keep_predictions: bool = False
    html: Path | None = None

    def check(self) -> None:
        """Raise RequestError where options do not go together."""
        if self.data is None:
            raise RequestError(
                "--data is missing: name the labelled images. Only two files of rows need none"
            )
        if len(self.what) > 2:
            raise RequestError(f"evaluate takes one model, or two to compare; found {len(self.what)}")
        for name in ("runtime", "model", "profile", "precision"):
            if len(getattr(self, name)) not in (0, 1, len(self.what)):
                raise RequestError(
                    f"--{name} is given {counted(len(getattr(self, name)), 'time')} for "
                    f"{counted(len(self.what), 'model')}"
                )
        if self.compare_preprocessing and len(self.what) > 1:
            raise RequestError("--compare-preprocessing takes one model")
        if self.html is not None and self.compare_preprocessing:
            raise RequestError("--html shows one way of preparing images: leave --compare-preprocessing out")
        if self.resume and self.rows is None:
            raise RequestError("--resume goes on with the file of --rows: name it")

    def check_of_rows(self) -> None:
        """Raise RequestError where there are options of runs: rows are compared and nothing is run."""
        meant = {"what", "allow_subset", "html"}
        given = [
            f"--{option.name.removeprefix('keep_').replace('_', '-')}"
            for option in fields(self)
            if option.name not in meant and getattr(self, option.name) not in (option.default, ())
        ]
        if given:
            raise RequestError(
                f"{', '.join(given)}: files of rows are compared as they are, and nothing is run. "
                "They take --allow-subset, --html and --json"
            )

    def of(self, name: str, index: int) -> Any:
        """Return an option's value for one of `what`."""
        values = getattr(self, name)
        return values[min(index, len(values) - 1)] if values else None


@dataclass(frozen=True, slots=True)
class Done:
    """How it went: the accuracy of each model, and of a pair or a comparison what that says."""

    names: Sequence[str]
    evaluations: Sequence[Evaluation]
    pair: PairTally | None
    comparison: PreprocessingComparison | None
    rank: int
    mistakes: Mistakes | None = None
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether no accuracy is lower than published, and a pair is equal but for chance."""
        lower = any((v := e.verdict()) is not None and v.word == "lower" for e in self.evaluations)
        return not lower and (self.pair is None or self.pair.equal)

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints: the one model's keys, or both models and the pair."""
        return {"schema_version": self.schema_version, **self._keys()}

    def _keys(self) -> dict[str, Any]:
        if self.comparison is not None:
            return self.comparison.json()
        if self.pair is None:
            return self.evaluations[0].json()
        return {"models": [evaluation.json() for evaluation in self.evaluations], "pair": self.pair.json()}

    def page(self, command: str | None = None) -> str:
        """Return the page of the one model, or of a pair.

        Args:
            command: what was typed, for the page; None where a program called.
        """
        hashes = {name: one.sha256 for name, one in zip(self.names, self.evaluations, strict=True)}
        versions = {name: value for one in self.evaluations for name, value in one.versions.items()}
        facts = run_facts(command, {name: value for name, value in hashes.items() if value}, versions)
        if self.pair is None:
            assert self.mistakes is not None
            return model_page(self.names[0], self.evaluations[0], self.mistakes, facts)
        a, b = (
            PageSide(letter, name, evaluation)
            for letter, name, evaluation in zip("AB", self.names, self.evaluations, strict=True)
        )
        return pair_page(a, b, self.pair, facts=facts)


def run(request: EvaluateRequest, tell: Callable[[str], None] = lambda step: None) -> Done | DoneWithRows:
    """Do what `evaluate` was asked for.

    Raises:
        TriportError: something of it is not there or does not fit.
    """
    if are_rows(request.what):
        request.check_of_rows()
        return compare_rows([Path(what) for what in request.what], allow_subset=request.allow_subset)
    request.check()
    environment.share_cpu()
    device = device_of_rank(request.device)
    ranks = join(device, request.of("runtime", 0))
    try:
        return _run(request, device, ranks, tell)
    finally:
        ranks.close()


def _run(request: EvaluateRequest, device: str, ranks: Ranks, tell: Callable[[str], None]) -> Done:
    subjects, dataset = together(ranks, lambda: _opened(request, device, tell))
    identity = _identity(request, subjects)
    contenders = _contenders(subjects, identity)
    batch_size = request.batch_size or default_batch_size(contenders)
    check_same(ranks, _facts(request, identity, dataset, batch_size))
    workers = request.workers or workers_of_machine(ranks_here())

    def rows_of_first() -> RowFile | None:
        if ranks.rank != 0:
            return None
        return _rows(request, identity, contenders, dataset, batch_size=batch_size, workers=workers)

    rows = together(ranks, rows_of_first)
    scoring = Scoring(
        batch_size=batch_size,
        workers=workers,
        rows=rows,
        ranks=ranks,
        allow_duplicates=request.allow_duplicates,
        keep_predictions=request.keep_predictions,
        progress=lambda done, total, rate: tell(_progress(done, total, rate)),
    )
    pair = PairTally(dataset) if len(subjects) == 2 else None
    mistakes = Mistakes(dataset) if request.html is not None and pair is None else None
    listeners = [one.add for one in (pair, mistakes) if one is not None]
    comparison = None
    try:
        if request.compare_preprocessing:
            comparison = compare_preprocessing(contenders[0], dataset, scoring)
            evaluations: Sequence[Evaluation] = [comparison.stated]
        else:
            evaluations = score(contenders, dataset, scoring, listeners)
    finally:
        if rows is not None:
            rows.close()
    names = [
        f"{printable(what) if isinstance(what, str) else s.name} in {s.runner.runtime}"
        for what, s in zip(request.what, subjects, strict=True)
    ]
    return Done(names, evaluations, pair, comparison, ranks.rank, mistakes)


def _opened(
    request: EvaluateRequest, device: str, tell: Callable[[str], None]
) -> tuple[list[ScoredNetwork], ImageDataset]:
    """Return the models in their runtimes, and the images."""
    subjects = [
        open_subject(
            what,
            model=request.of("model", index),
            runtime=request.of("runtime", index),
            device=device,
            profile=request.of("profile", index),
            precision=request.of("precision", index) or "float32",
            progress=tell,
        )
        for index, what in enumerate(request.what)
    ]
    classes = {subject.num_classes for subject in subjects}
    if len(classes) > 1:
        raise RequestError(f"the two models have {' and '.join(map(str, sorted(classes)))} classes")
    assert request.data is not None
    tell(f"reading {request.data}")
    dataset = open_dataset(
        request.data,
        subjects[0].num_classes,
        labels=request.labels,
        classes=request.classes,
        allow_subset=request.allow_subset,
        stated=_labels_of(subjects),
    )
    return subjects, dataset.limited(request.limit)


def _labels_of(subjects: Sequence[ScoredNetwork]) -> tuple[str, ...]:
    """Return what the networks' own files call their outputs, in order.

    Raises:
        RequestError: the two have them in different orders.
    """
    found = {subject.labels for subject in subjects if subject.labels}
    if len(found) > 1:
        raise RequestError(
            "the config.json beside the one network names its classes otherwise, or in another order, than "
            "that beside the other: their outputs are not of the same classes"
        )
    return found.pop() if found else ()


def _identity(request: EvaluateRequest, subjects: Sequence[ScoredNetwork]) -> dict[str, Any]:
    """Return what makes rows what they are, beside the images."""
    return {
        "models": [subject.identity() for subject in subjects],
        "compare_preprocessing": request.compare_preprocessing,
        "pillow": pillow_version(),
    }


def _contenders(subjects: Sequence[ScoredNetwork], identity: dict[str, Any]) -> list[Contender]:
    return [
        Contender(
            subject.name,
            subject.runner,
            subject.profile,
            subject.published,
            stated["weights_sha256"],
            subject.assumed,
            subject.no_figure,
        )
        for subject, stated in zip(subjects, identity["models"], strict=True)
    ]


def _facts(
    request: EvaluateRequest, identity: dict[str, Any], dataset: ImageDataset, batch_size: int
) -> dict[str, str]:
    """Return what all ranks must have in common, by what it is."""
    models = identity["models"]

    def of_models(*keys: str) -> str:
        return "; ".join(", ".join(_in_words(model[key]) for key in keys) for model in models)

    return {
        "models": ", ".join(model["model"] for model in models),
        "weights (SHA-256)": ", ".join(
            digest for model in models for digest in (model["weights_sha256"], *model["data_sha256"])
        ),
        "runtime and device": of_models("runtime", "device"),
        "versions": f"{of_models('versions')}; Pillow {identity['pillow']}",
        "preprocessing": of_models("preprocess"),
        "images and labels (SHA-256)": dataset.fingerprint(),
        "options": f"--batch-size {batch_size}, --compare-preprocessing "
        f"{request.compare_preprocessing}, --allow-duplicates {request.allow_duplicates}",
    }


def _in_words(stated: Any) -> str:
    """Return what a model's identity has under one key; a table as its names and values."""
    if isinstance(stated, dict):
        return ", ".join(f"{name} {stated[name]}" for name in sorted(stated))
    return str(stated)


def _rows(
    request: EvaluateRequest,
    identity: dict[str, Any],
    contenders: Sequence[Contender],
    dataset: ImageDataset,
    *,
    batch_size: int,
    workers: int,
) -> RowFile | None:
    if request.rows is None:
        return None
    count = len(contenders)
    if request.compare_preprocessing:
        count = len(variants_of(contenders[0].profile))
    return RowFile(
        request.rows,
        identity,
        dataset,
        contenders=count,
        batch_size=batch_size,
        resume=request.resume,
        workers=workers,
    )


def _progress(done: int, total: int, rate: float) -> str:
    left = (total - done) / rate if rate > 0 else 0.0
    minutes, seconds = divmod(round(left), 60)
    time_left = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{done} of {total} images, {rate:.1f} images/s, {time_left} left"
