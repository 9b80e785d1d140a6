"""What differs between two files that should be equal: weights, graph, or neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from triport.converters.comparison import Difference
from triport.converters.environment import MissingRuntimeError
from triport.converters.formats import open_checkpoint
from triport.converters.identification.identify import IdentifyError
from triport.converters.networks.registered import of_model
from triport.converters.not_compared import reaches_no_output
from triport.converters.onnx_export import exporter_for
from triport.converters.onnx_export.written_model import LOGITS
from triport.parity.check import ModelReport, Pair
from triport.parity.onnx_graphs import described, in_order, nodes_after, own_operators
from triport.parity.onnx_graphs.float16 import has_float16
from triport.parity.onnx_graphs.quantised import (
    has_integer_layers,
    has_one_step_for_a_layer,
    is_quantised,
    without_rounding,
)
from triport.parity.reports.terminal import layers_line, off_by
from triport.parity.runtimes.onnx import OnnxFileError, OnnxRunner
from triport.reference_models.errors import listed
from triport.reference_models.network import Arrays, Network
from triport.reference_models.spec import ModelSpec, get_model

from .folded import FoldedComparison, FoldedDifference, Step, compare_folded
from .inputs import file_pair
from .outputs import RunSettings, first_part
from .units import units_of
from .weights import compare_named, sentence
from .written import further_outputs, written_otherwise

if TYPE_CHECKING:
    import onnx

# A file of whose layers the model has fewer than this share is not of that model.
SAME_MODEL = 0.5
_INTEGERS = (
    "its layers are operators on integers (QLinearConv and the like), so only its logits were compared. "
    "Quantise it with QuantizeLinear and DequantizeLinear (ONNX Runtime's QuantFormat.QDQ) for the rest"
)
_OWN_OPERATORS = (
    "only its logits were compared, it has operators that are not of the ONNX standard ({}). Give the file "
    "that it was made of for the rest"
)
_HALVES = (
    "some of it computes in float16. Add --precision float16 to allow what float16 rounds, and not float32"
)
_COARSE = (
    "the weights of a layer have one step together, and a channel of small weights loses most. Quantise them "
    "by output channel (per_channel=True in ONNX Runtime's quantize_static)"
)


@dataclass(frozen=True, slots=True)
class Localisation:
    """The verdict on two files.

    `weights` are the tensors that differ (by name), or the layers whose folded weights do (by structure);
    `graph` says what is wrong in either's graph. `how` is "by name" or "by structure", and `compared` how
    many tensors, or layers, were compared. `not_judged` says what could not be, and why; `advice` what to do
    about a file that is no other function and yet not as good as it could be.
    """

    first: str
    second: str
    model: str | None
    how: str
    compared: int
    weights: tuple[Difference | FoldedDifference, ...]
    graph: tuple[str, ...]
    not_judged: str = ""
    advice: str = ""

    @property
    def cause(self) -> str:
        """What differs: "weights", "graph", "weights and graph", "neither", or "another model"."""
        if self.model is None:
            return "another model"
        found = [name for name, faults in (("weights", self.weights), ("graph", self.graph)) if faults]
        return " and ".join(found) or "neither"

    @property
    def passed(self) -> bool:
        """Whether the files are of one model and nothing differs."""
        return self.model is not None and not (self.weights or self.graph)

    def lines(self, limit: int | None = None) -> list[str]:
        """Return the advice, and one line for each thing that differs, those of the weights up to `limit`."""
        shown = [sentence(one) if isinstance(one, Difference) else str(one) for one in self.weights[:limit]]
        if limit is not None and len(self.weights) > limit:
            shown.append(f"... and {len(self.weights) - limit} more")
        return [*filter(None, [self.advice]), *shown, *self.graph, *filter(None, [self.not_judged])]


def by_name(
    first: Path,
    second: Path,
    reports: tuple[ModelReport, ModelReport],
    with_layers: Callable[[int], ModelReport],
) -> Localisation:
    """Compare two files of the same names.

    Args:
        first: a file.
        second: the other.
        reports: on each file apart, with its own weights.
        with_layers: index of a file -> its report, layers compared; asked for where its graph is wrong.
    """
    found = compare_named(first, second)
    names = [report.model for report in reports]
    graph: list[str] = []
    if found.model is not None:
        if names[0] != names[1]:
            other = next((o for o in get_model(names[0]).same_weights_as if o.model == names[1]), None)
            why = f": {other.why}" if other else ""
            graph.append(
                f"{first} is of {names[0]} and {second} of {names[1]}, which computes another function{why}"
            )
        for index, path in enumerate((first, second)):
            graph += [f"{path}: {line}" for line in wrong_graph(reports[index], with_layers, index)]
    model = None if found.model is None else names[0]
    notes = [*map(further_outputs, (first, second)), *found.left_out] if model is not None else []
    if model is not None and not graph and reports[0].precision == "float32":
        notes += map(written_otherwise, (first, second), names)
    return Localisation(
        str(first),
        str(second),
        model,
        "by name",
        found.compared,
        found.differences,
        tuple(graph),
        _joined(notes),
    )


def wrong_graph(report: ModelReport, with_layers: Callable[[int], ModelReport], index: int) -> list[str]:
    """Return what is wrong in a file's own graph, which its own weights tell."""
    pair = file_pair(report)
    if pair is None or pair.passed:
        return []
    where = ""
    if not any(result.failed for result in pair.further):
        layers = pair.layers if not pair.comparison.passed else None
        try:
            again = None if layers else file_pair(with_layers(index))
        except MissingRuntimeError as error:
            return [f"its graph computes another function ({off_by(pair)}); {error}"]
        layers = layers or (again.layers if again else None)
        where = f"; {layers_line(layers)}" if layers and (layers.parting or layers.behind) else ""
    return [f"its graph computes another function ({off_by(pair)}){where}"]


@dataclass(frozen=True, slots=True, eq=False)
class KnownFile:
    """The file whose weights have names: its model, its weights by canonical name, and how it was run.

    `report` is on the foreign graph against these weights, on `feed`; `seed` is of the noise's draws.
    """

    path: Path
    spec: ModelSpec
    num_classes: int
    parameters: Mapping[str, np.ndarray]
    report: ModelReport
    feed: Arrays
    seed: int = 0


def by_structure(
    known: KnownFile, foreign: Path, tell: Callable[[str], None] = lambda step: None
) -> Localisation:
    """Compare a foreign ONNX file with the model and the weights of a known one.

    Raises:
        IdentifyError: less than half of the model is found in the file.
    """
    import onnx

    spec, report = known.spec, known.report
    tell(f"matching the layers of {foreign.name} with those of {spec.name}")
    file = in_order(onnx.load(foreign))
    pair = file_pair(report)
    assert pair is not None
    found_at = str(known.path), str(foreign), spec.name, "by structure"
    why_not = _why_not_judged(file)
    if why_not:
        graph = () if pair.passed else (f"{foreign}: another function ({off_by(pair)})",)
        return Localisation(
            *found_at, 0, (), graph, _joined([f"{foreign}: {why_not}", further_outputs(foreign)])
        )
    halves = has_float16(file)
    advice = _advice(file, pair, report.precision)
    quantised: Step | None = None
    if is_quantised(file):
        file = without_rounding(file)
        # one step for a layer is as good as one for each channel until it is seen in the logits
        quantised = "layer" if pair.passed else "channel"
    found = compare_folded(
        units_of(_model_of(known)),
        units_of(file),
        quantised=quantised,
        halves=halves and report.precision == "float16",
    )
    _check_same_model(found, known, foreign)
    faults, not_judged = _structure(found, foreign), ""
    if not faults and not found.differences and not pair.passed:
        where = _where_it_parts(known, foreign, file, found, tell)
        faults.append(f"{foreign}: the same folded weights, another function ({off_by(pair)}); {where}")
    elif found.differences and not faults:
        not_judged = f"the graph of {foreign} was not judged: that takes equal weights"
    unread = [line for path in (known.path, foreign) for line in reaches_no_output(open_checkpoint(path))]
    return Localisation(
        *found_at,
        found.compared,
        found.differences,
        tuple(faults),
        _joined([not_judged, *map(further_outputs, (known.path, foreign)), *unread]),
        f"{foreign}: {advice}" if advice else "",
    )


def _joined(notes: Iterable[str]) -> str:
    return ". ".join(filter(None, notes))


def _why_not_judged(file: onnx.ModelProto) -> str:
    """Return why only a file's logits can be compared; empty where its layers can."""
    if has_integer_layers(file):
        return _INTEGERS
    own = own_operators(file)
    return _OWN_OPERATORS.format(", ".join(own[:5])) if own else ""


def _advice(file: onnx.ModelProto, pair: Pair, precision: str) -> str:
    """Return what to do about a file that may be no other function and yet not as good as it could be."""
    if has_float16(file):
        if precision == "float32" and not pair.passed:
            return _HALVES
        if precision == "float16":
            return "its weights and results were allowed what float16 rounds"
    return _COARSE if has_one_step_for_a_layer(file) else ""


def _model_of(known: KnownFile) -> onnx.ModelProto:
    """Return the known file's model as a graph, whose initializers have canonical names."""
    given = known.spec, known.num_classes, known.parameters
    try:
        return exporter_for("pytorch").export(*given)
    except MissingRuntimeError:
        return exporter_for("mindspore").export(*given)


def _check_same_model(found: FoldedComparison, known: KnownFile, foreign: Path) -> None:
    """Raise IdentifyError where too few layers of the model are in the file."""
    total = found.compared + len(found.unmatched)
    if found.compared < SAME_MODEL * total:
        raise IdentifyError(
            f"{foreign}: its names are of no known model, and its layers are not those of "
            f"{known.spec.name}, which {known.path} is of: {found.compared} of {total} are found by shape "
            f"and connections, not among them\n{listed(found.unmatched)}\nCompare files of one model"
        )


def _where_it_parts(
    known: KnownFile,
    foreign: Path,
    file: onnx.ModelProto,
    found: FoldedComparison,
    tell: Callable[[str], None],
) -> str:
    """Return where a file of the same weights first computes something else, or why that is not known."""
    network = of_model(known.spec, known.num_classes)
    try:
        run = RunSettings(network, known.parameters, known.feed, known.report.precision, known.seed)
        part = first_part(run, foreign, found, tell)
        return str(part) if part else _after_the_last(file, foreign, found, network)
    except (OnnxFileError, MissingRuntimeError) as error:
        return str(error)


def _after_the_last(file: onnx.ModelProto, foreign: Path, found: FoldedComparison, network: Network) -> str:
    """Return what follows the last layer, which is at fault where no layer's output parts."""
    module, tensor = list(found.outputs.items())[-1]
    nodes = nodes_after(file, tensor, OnnxRunner(foreign, network).outputs[LOGITS])
    behind = f": {described(nodes)}" if nodes else ""
    return f"every layer's output is right, so the fault is in what follows the last, {module}{behind}"


def _structure(found: FoldedComparison, foreign: Path) -> list[str]:
    if found.parts is None:
        return []
    return [
        f"{foreign}: its layers are other ones or connected otherwise, first at {found.parts}; "
        f"{len(found.unmatched)} of the model's have no counterpart, {found.strange} of its own are not the "
        f"model's"
    ]
