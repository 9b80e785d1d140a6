"""Files that should be equal, beside one another: by how much they are apart, where, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triport.converters.networks.registered import of_model
from triport.converters.published import model_file
from triport.parity.subjects.asked import Subject, files_of
from triport.parity.subjects.loading import check, loaded_of
from triport.reference_models.network import Arrays

from .beside import beside, why_not_comparable
from .candidates import GIVEN_FILE
from .check import ModelReport
from .inputs import Inputs
from .judge.comparison import compare_outputs
from .layers.judge import LayerReport
from .layers.reference import StepReference
from .layers.trace import following, layers_of
from .localise.inputs import file_pair, telling_feed
from .localise.verdict import KnownFile, Localisation, by_name, by_structure
from .noise import rounded_runner
from .options import Options
from .runtimes import Runner
from .runtimes.onnx import OnnxRunner
from .runtimes.pytorch import PyTorchRunner


def with_files_beside(
    subjects: Sequence[Subject], reports: Sequence[ModelReport], *, layers: bool, seed: int
) -> list[ModelReport]:
    """Return the reports, in the first file's of which the first rows compare every other file with it.

    Args:
        subjects: what `subjects_of` returned.
        reports: one on each.
        layers: whether to compare the modules of the files too.
        seed: of the reports.
    """
    files = files_of(subjects)
    if not files:
        return list(reports)
    first = files[0]
    pairs = []
    for other in files[1:]:
        paths = [subjects[index].path for index in (first, other)]
        assert paths[0] and paths[1]
        both = reports[first], reports[other]
        pair = beside(paths[0], paths[1], both)
        if layers and not why_not_comparable(both):
            pair = replace(pair, layers=layers_beside(subjects[first], subjects[other], both, seed=seed))
        pairs.append(pair)
    found = list(reports)
    found[first] = replace(found[first], pairs=(*pairs, *found[first].pairs))
    return found


def telling_report(reports: Sequence[ModelReport]) -> ModelReport:
    """Return the first of a file's reports on which an ONNX file is wrong, or else the first."""
    wrong = (report for report in reports if (pair := file_pair(report)) is not None and not pair.passed)
    return next(wrong, reports[0])


def localise(
    subjects: Sequence[Subject],
    reports: Sequence[ModelReport],
    *,
    device: str,
    seed: int,
    progress: Callable[[str], None],
) -> list[Localisation]:
    """Say what differs between the first file and each other; nothing where there are no two files.

    Args:
        subjects: what `subjects_of` returned.
        reports: one on each, the one on which an ONNX file is wrong if there is one.
        device: where a wrong graph's layers are computed.
        seed: of the reports.
        progress: is told each step.
    """
    files = files_of(subjects)
    found = []
    for other in files[1:]:
        first = files[0]
        if subjects[first].graph and subjects[other].graph:
            # neither has names: each is matched with the file that has
            first = next(index for index in files if not subjects[index].graph)
        pair = subjects[first], subjects[other]
        found.append(
            _localised(pair, (reports[first], reports[other]), device=device, seed=seed, progress=progress)
        )
    return found


def _localised(
    subjects: tuple[Subject, Subject],
    reports: tuple[ModelReport, ModelReport],
    *,
    device: str,
    seed: int,
    progress: Callable[[str], None],
) -> Localisation:
    foreign = next((index for index, subject in enumerate(subjects) if subject.graph), None)
    if foreign is None:

        def with_layers(index: int) -> ModelReport:
            return check(
                subjects[index],
                Options((), device, seed=seed, layers=True),
                progress=progress,
                inputs=Inputs(telling_feed(reports[index]), ()),
            )

        first, second = (Path(model_file(subject.weights)) for subject in subjects if subject.weights)
        return by_name(first, second, reports, with_layers)
    subject = subjects[foreign]
    loaded = loaded_of(subject, seed)
    assert subject.weights is not None and subject.graph is not None
    known = KnownFile(
        subject.weights,
        loaded.spec,
        loaded.num_classes,
        loaded.parameters,
        reports[foreign],
        telling_feed(reports[foreign]),
        seed,
    )
    return by_structure(known, subject.graph, progress)


def layers_beside(
    first: Subject, other: Subject, reports: tuple[ModelReport, ModelReport], *, seed: int
) -> LayerReport | None:
    """Compare the modules of two files; None where there is nothing to go by.

    The reference is what the first file's weights make. That is no help where the first is an ONNX file whose
    own graph is wrong, or where either has no names.
    """
    function = reports[0].function
    assert function is not None
    given = (pair for pair in reports[0].pairs if pair.candidate == GIVEN_FILE)
    if first.graph or other.graph or not all(pair.comparison.passed for pair in given):
        return None
    ours, theirs = loaded_of(first, seed), loaded_of(other, seed)
    network = of_model(ours.spec, ours.num_classes)
    exact = PyTorchRunner(network, ours.parameters, dtype="float64")
    rounded = rounded_runner(network, ours.parameters, reports[0].precision, seed)
    reference = StepReference(exact, rounded, function.feed, seed=seed)
    del exact, rounded
    other_network = of_model(theirs.spec, theirs.num_classes)
    runner: Runner = (
        OnnxRunner(theirs.onnx_file, other_network, keep_model=True)
        if theirs.onnx_file
        else PyTorchRunner(other_network, theirs.parameters)
    )
    layers = layers_of(runner, reference)
    is_right = bool(layers.steps) and layers.parting is None
    if is_right and not _equal(function.outputs, runner.run(function.feed), function.allowed):
        return replace(layers, behind=following(runner, reference, layers))
    return layers


def _equal(reference: Arrays, candidate: Arrays, allowed: Mapping[str, float]) -> bool:
    return all(one.passed for one in compare_outputs(reference, candidate, allowed).values())
