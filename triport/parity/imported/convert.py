"""An ONNX graph to a folder of source and weights, kept if it computes what ONNX Runtime does."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.converters.formats.atomic import check_place, replacing
from triport.converters.onnx_import.asked import module_name
from triport.converters.onnx_import.damaged import naming
from triport.converters.onnx_import.reading import ImportRefusedError, read_model
from triport.converters.onnx_import.targets import Target
from triport.converters.onnx_import.tree import blocks_of
from triport.converters.onnx_import.writer import Source, source_of
from triport.converters.onnx_import.written import load, write
from triport.parity.judge.tolerance import FLOAT32, WIDEST
from triport.parity.onnx_graphs.crashes import Forerunner
from triport.reference_models.errors import TriportError

from .by_modules import proven_by_modules
from .by_nodes import furthest_node
from .exact import InDouble
from .feeds import feed_of, sizes_to_try
from .judge import Reference, UnoptimisedRuntime, in_double, notes_on, trial
from .key_lengths import KeyLengths
from .nan import notes_on_nan, notes_on_outputs_without_numbers
from .open_order import NOTE, with_order
from .page import page_of
from .probes import first_divergence, shortened
from .references import graph_in_double, references_of
from .result import ImportedSource, SourceTrial
from .runs import Run, remembered, run
from .steered import proven_by_exact_steps, proven_by_steps
from .twice import notes_on_weights_held_twice
from .zeros import NOTE as CONSTANT
from .zeros import are_constant, proven_behind_zeros, proven_with_numbers


def convert_to_source(
    path: Path,
    output: Path,
    target: Target,
    progress: Callable[[str], None] = lambda step: None,
    name: str | None = None,
    report: Path | None = None,
    shown: str | None = None,
) -> ImportedSource:
    """Write a graph's source and weights into a folder, if they compute what the graph does.

    Args:
        path: the ONNX file.
        output: the folder; it is made if it is not there.
        target: "pytorch" or "mindspore".
        progress: is told each step.
        name: of the module that is written; None is the file's.
        report: the page of the source's modules, if one is to be written; whether the source is kept or not.
        shown: what the page calls the file.

    Raises:
        TriportError: the file is no ONNX graph, or a node of it has no translation.
    """
    name = name or module_name(path)
    check_folder(output, name)
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        source, done = imported(path, target, name, progress, Path(folder))
        page = ""
        if report is not None:
            progress("comparing module by module")
            page = page_of(path, source, done, shown or str(path))
        with contextlib.ExitStack() as files:  # all are written before the first takes its place
            if done.is_equal:
                files.enter_context(_folder(output))
            if report is not None:
                temporary = files.enter_context(replacing(report))
                temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
            for suffix in ("py", "safetensors") if done.is_equal else ():
                temporary = files.enter_context(replacing(output / f"{name}.{suffix}"))
                shutil.copyfile(Path(folder) / f"{name}.{suffix}", temporary)
    if not done.is_equal:
        return done
    written = str(output / f"{name}.py")
    return replace(done, output=written, tensors_written=len(source.weights))


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make a folder that is not there yet, and take it away again if what is to go into it is not written."""
    made = not path.exists()
    path.mkdir(exist_ok=True)
    try:
        yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def imported(
    path: Path,
    target: Target,
    name: str,
    progress: Callable[[str], None] = lambda step: None,
    folder: Path | None = None,
) -> tuple[Source, ImportedSource]:
    """Return the source of a graph, and how it compares with ONNX Runtime.

    Args:
        path: the ONNX file.
        target: "pytorch" or "mindspore".
        name: of the module.
        progress: is told each step.
        folder: where the files that are compared stay; None keeps nothing.

    Raises:
        TriportError: the file is no ONNX graph, a node of it has no translation, the framework is not
            installed, or nothing can be compared.
    """
    with tempfile.TemporaryDirectory(prefix="triport-") as own:
        source, done, are_same = _compared(path, target, name, progress, folder or Path(own))
    if done.is_equal:
        proof = proven_with_numbers if are_same else proven_behind_zeros
        done = proof(path, source, done, lambda other: _again(other, target, name, progress))
    return source, done


def _again(
    path: Path, target: Target, name: str, progress: Callable[[str], None] = lambda step: None
) -> tuple[Source, ImportedSource]:
    """Return the source of a graph and how it compares; where its outputs are the same too, that is noted."""
    progress("comparing with other weights in the place of zeros")
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        source, done, are_same = _compared(path, target, name, lambda step: None, Path(folder))
    return source, replace(done, notes=(*done.notes, CONSTANT)) if are_same else done


def _compared(
    path: Path, target: Target, name: str, progress: Callable[[str], None], folder: Path
) -> tuple[Source, ImportedSource, bool]:
    """Return the source of a graph, how it compares, and whether its outputs are the same for all inputs."""
    progress(f"reading {path.name}")
    model = read_model(path)
    progress("writing source")
    with naming(path):
        source = source_of(model, target, name, blocks_of(model.graph))
    progress("comparing with ONNX Runtime")
    with Forerunner.of_file(path) as forerunner:
        write(folder, source)
        trials, first, notes, feed, are_same = proven(path, model, source, folder, target, forerunner)
    return source, replace(_result(path, source, trials, first, notes), feed=feed), are_same


def check_folder(output: Path, name: str) -> None:
    """Raise TriportError unless the two files can be written there."""
    if output.exists() and not output.is_dir():
        raise TriportError(f"{output}: is a file; the source is written into a folder")
    if output.is_dir():
        for suffix in ("py", "safetensors"):
            check_place(output / f"{name}.{suffix}")
    else:
        check_place(output)


def _result(
    path: Path, source: Source, trials: list[SourceTrial], first: str, notes: list[str]
) -> ImportedSource:
    return ImportedSource(
        source=str(path),
        output=None,
        target=source.target,
        nodes=source.nodes,
        source_lines=source.lines,
        classes=source.classes,
        tensors_written=0,
        renamed=tuple(source.renamed.items()),
        trials=tuple(trials),
        first_divergence=first,
        notes=tuple(notes),
    )


def proven(
    path: Path, model: Any, source: Source, folder: Path, target: Target, forerunner: Forerunner
) -> tuple[list[SourceTrial], str, list[str], dict[str, np.ndarray], bool]:
    """Return how source and graph compare, the first node that parts, what should be known, and the inputs.

    The inputs are those on which the two part, or else the first ones; `forerunner` tries each before. Last
    comes whether the outputs are the same for all of them.

    Raises:
        TriportError: ONNX Runtime cannot run the graph, so that nothing can be said.
    """
    ordered = with_order(path)
    notes = [] if ordered is None else [NOTE]
    try:
        runtime = UnoptimisedRuntime.of(ordered or path).remembering()
    except Exception as error:
        raise ImportRefusedError(f"{path}: ONNX Runtime does not load it: {shortened(str(error))}") from None
    try:
        network = load(folder, source.name, target)
    except MissingRuntimeError:
        raise
    except Exception as error:  # a fault of ours, as a wrong result is one
        why = f"the source does not build: {shortened(str(error))}"
        return [SourceTrial((), float("inf"), "runtime", False, why)], "", notes, {}, False

    ran = remembered(lambda feed: run(network, target, list(feed.values())))

    def runs(feed: dict[str, np.ndarray]) -> bool:
        try:
            ran(feed)
        except Exception as error:
            sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in feed.items())
            notes.append(f"does not run on {sizes}, on which ONNX Runtime does: {shortened(str(error))}")
            return False
        return True

    counted = KeyLengths.of_file(path)
    feeds = feeds_of(path, model, runtime, counted, runs, forerunner.check)
    exact = InDouble(model, source)
    notes += [*notes_on(exact.arithmetic), *notes_on_nan(model, target), *filter(None, [counted.note])]
    notes += notes_on_weights_held_twice(source.weights)
    trials = [_tried(path, network, target, ran, runtime, feed, exact) for feed in feeds]
    failed = next(
        (feed for feed, each in zip(feeds, trials, strict=True) if not each.passed and each.is_decided), None
    )
    first = first_divergence(path, target, failed) if failed is not None else ""
    notes += _disagreement(path, target, feeds, trials)
    batches = {array.shape[:1] for feed in feeds for array in feed.values()}
    if len(batches) == 1 and any(sizes_to_try(model.graph)[0]):
        notes.append("compared at one batch size only")
    outputs = [runtime.run(feed) for feed in feeds]
    notes += notes_on_outputs_without_numbers([value.name for value in model.graph.outputs], outputs)
    are_same = bool(feeds[0]) and are_constant(outputs)
    return trials, first, notes, failed if failed is not None else feeds[0], are_same


def _tried(
    path: Path,
    network: Any,
    target: Target,
    ran: Run,
    runtime: UnoptimisedRuntime,
    feed: dict[str, np.ndarray],
    exact: InDouble,
) -> SourceTrial:
    """Compare once, and where that says too little once more, with the same values at roundings."""
    graphs = [_once(graph) for graph in graph_in_double(path)]
    try:
        one, _ = trial(ran, runtime, feed, exact, references_of(path), graphs)
        if not one.passed:
            one = proven_by_steps(one, path, network, target, feed, exact)
        if not one.passed:
            one = _proven_by_parts(one, path, network, target, feed, exact, runtime, graphs)
    except Exception as error:
        shown = tuple(f"{name} {list(array.shape)}" for name, array in feed.items())
        why = f"the source does not run: {shortened(str(error))}"
        return SourceTrial(shown, float("inf"), "runtime", False, why)
    return one


def _proven_by_parts(
    verdict: SourceTrial,
    path: Path,
    network: Any,
    target: Target,
    feed: dict[str, np.ndarray],
    exact: InDouble,
    runtime: UnoptimisedRuntime,
    graphs: list[Reference],
) -> SourceTrial:
    """Return the verdict of runs that are given float64's values at roundings, or at modules."""
    if exact.arithmetic is not FLOAT32:
        return verdict
    same = in_double(feed, runtime.run(feed), exact, graphs, lambda: furthest_node(path, feed))
    if same is None:
        return verdict
    if not exact.is_source and same.node is None:
        verdict = proven_by_exact_steps(verdict, network, target, feed, exact, same)
    return verdict if verdict.passed else proven_by_modules(verdict, network, target, feed, exact, same)


def _once(graph: Reference) -> Reference:
    """Return a graph that is run on the first input alone, which is the only one: it may take minutes."""
    known: list[list[np.ndarray] | None] = []

    def asked(feed: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        if not known:
            known.append(graph(feed))
        return known[0]

    return asked


def _disagreement(
    path: Path, target: Target, feeds: list[dict[str, np.ndarray]], trials: list[SourceTrial]
) -> list[str]:
    """Return what should be known where ONNX Runtime is further off than any rounding."""
    for feed, each in zip(feeds, trials, strict=True):
        if each.judged_by == "reference" and each.max_rel > WIDEST:
            at = first_divergence(path, target, feed)
            return [
                f"ONNX Runtime returns something else, by {each.max_rel:.1e} of the largest value: more "
                f"than rounding{f'; it begins at {at}' if at.startswith('node') else ''}. The source agrees "
                f"with {each.agreed} and does not give the numbers of ONNX Runtime as it is run for this file"
            ]
    return []


def feeds_of(
    path: Path,
    model: Any,
    runtime: UnoptimisedRuntime,
    counted: KeyLengths,
    runs: Callable[[dict[str, np.ndarray]], bool] = lambda feed: True,
    survives: Callable[[dict[str, np.ndarray]], None] = lambda feed: None,
) -> list[dict[str, np.ndarray]]:
    """Return inputs that ONNX Runtime takes: two sizes of the free axes if there are any, and two kinds.

    Args:
        path: the file, for messages.
        model: its onnx_ir.Model.
        runtime: ONNX Runtime with it.
        counted: the inputs that say how many keys count.
        runs: whether the source runs on inputs; sizes on which it does not are too small for most networks.
        survives: is asked first, and raises where ONNX Runtime would crash.
    """
    found: list[dict[str, np.ndarray]] = []
    empty: list[dict[str, np.ndarray]] = []
    problem = ""
    shapes: set[tuple[Any, ...]] = set()
    tries = [*counted.sizes(), *sizes_to_try(model.graph)]
    for sizes in tries:
        feed = counted.fitted(feed_of(model.graph, sizes, seed=len(found)))
        shape = tuple(array.shape for array in feed.values())
        if shape in shapes:
            continue
        survives(feed)
        try:
            outputs = runtime.run(feed)
        except Exception as error:
            problem = problem or shortened(str(error))
            continue
        if any(array.size == 0 or _has_nan(array) for array in outputs) or not runs(feed):
            empty.append(feed)
            continue
        shapes.add(shape)
        found.append(feed)
        if len(found) == 2:
            return found
    found = found or empty[:1]
    if not found:
        raise ImportRefusedError(
            f"{path}: ONNX Runtime does not run it on any inputs that were tried: {problem}"
        )
    again = counted.fitted(
        feed_of(model.graph, next(s for s in tries if _fits(model.graph, s, found[0])), seed=1)
    )
    survives(again)
    try:
        runtime.run(again)
    except Exception:
        return found
    return [*found, again]


def _has_nan(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _fits(graph: Any, sizes: dict[str, int], feed: dict[str, np.ndarray]) -> bool:
    drawn = feed_of(graph, sizes, seed=0)
    return all(drawn[name].shape == array.shape for name, array in feed.items())
