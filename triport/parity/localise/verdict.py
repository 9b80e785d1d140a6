"""What differs between two files that should be equal: weights, graph, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from triport.converters.comparison import Difference
from triport.converters.convert import exporter_for
from triport.converters.environment import MissingRuntimeError
from triport.converters.identify import IdentifyError
from triport.converters.networks.registered import of_model
from triport.converters.onnx_model import LOGITS
from triport.parity.check import ModelReport
from triport.parity.onnx_graphs import described, in_order, nodes_after, own_operators
from triport.parity.onnx_graphs.float16 import has_float16
from triport.parity.onnx_graphs.quantised import (
    has_integer_layers,
    has_one_step_for_a_layer,
    is_quantised,
    without_rounding,
)
from triport.parity.report import layers_line, off_by
from triport.parity.runtimes.onnx import OnnxFileError, OnnxRunner
from triport.reference_models.errors import listed
from triport.reference_models.network import Arrays, Network
from triport.reference_models.spec import ModelSpec, get_model

from .folded import FoldedComparison, FoldedDifference, Step, compare_folded
from .inputs import file_pair
from .outputs import first_part
from .units import units_of
from .weights import compare_named, sentence

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
    return Localisation(
        str(first), str(second), model, "by name", found.compared, found.differences, tuple(graph)
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


def by_structure(
    known: Path,
    foreign: Path,
    report: ModelReport,
    spec: ModelSpec,
    num_classes: int,
    parameters: Mapping[str, np.ndarray],
    feed: Arrays,
    seed: int = 0,
    tell: Callable[[str], None] = lambda step: None,
) -> Localisation:
    """Compare a foreign ONNX file with the model and the weights of a known one.

    Args:
        known: the file with the weights.
        foreign: the ONNX file.
        report: on the foreign graph against the known weights.
        spec: of the known file.
        num_classes: of the known file.
        parameters: of the known file.
        feed: the one of the report.
        seed: of the noise's draws.
        tell: is told each step.

    Raises:
        IdentifyError: less than half of the model is found in the file.
    """
    import onnx

    tell(f"laying {foreign.name} over {spec.name}")
    file = in_order(onnx.load(foreign))
    pair = file_pair(report)
    assert pair is not None
    own = own_operators(file.graph)
    if own or has_integer_layers(file):
        why = _INTEGERS if has_integer_layers(file) else _OWN_OPERATORS.format(", ".join(own[:5]))
        graph = () if pair.passed else (f"{foreign}: another function ({off_by(pair)})",)
        return Localisation(
            str(known), str(foreign), spec.name, "by structure", 0, (), graph, f"{foreign}: {why}"
        )
    try:
        model = exporter_for("pytorch").export(spec, num_classes, parameters)
    except MissingRuntimeError:
        model = exporter_for("mindspore").export(spec, num_classes, parameters)
    advice = f"{foreign}: {_COARSE}" if has_one_step_for_a_layer(file) else ""
    halves = has_float16(file)
    if halves and report.precision == "float32" and not pair.passed:
        advice = f"{foreign}: {_HALVES}"
    elif halves and report.precision == "float16":
        advice = f"{foreign}: its weights and results were allowed what float16 rounds"
    quantised: Step | None = None
    if is_quantised(file):
        file = without_rounding(file)
        # one step for a layer is as good as one for each channel until it is seen in the logits
        quantised = "layer" if pair.passed else "channel"
    found = compare_folded(
        units_of(model),
        units_of(file),
        quantised=quantised,
        halves=halves and report.precision == "float16",
    )
    total = found.compared + len(found.unmatched)
    if found.compared < SAME_MODEL * total:
        raise IdentifyError(
            f"{foreign}: its names are of no known model, and its layers are not those of {spec.name}, which "
            f"{known} is of: {found.compared} of {total} are found by shape and connections, not among them\n"
            f"{listed(found.unmatched)}\nCompare files of one model"
        )
    faults, not_judged = _structure(found, foreign), ""
    if not faults and not found.differences and not pair.passed:
        try:
            part = first_part(
                spec,
                num_classes,
                parameters,
                feed,
                seed=seed,
                precision=report.precision,
                file=foreign,
                outputs=found.outputs,
                feeding=found.feeding,
                tell=tell,
            )
            where = str(part) if part else _after_the_last(file, foreign, found, of_model(spec, num_classes))
        except (OnnxFileError, MissingRuntimeError) as error:
            where = str(error)
        faults.append(f"{foreign}: the same folded weights, another function ({off_by(pair)}); {where}")
    elif found.differences and not faults:
        not_judged = f"the graph of {foreign} was not judged: that takes equal weights"
    return Localisation(
        str(known),
        str(foreign),
        spec.name,
        "by structure",
        found.compared,
        found.differences,
        tuple(faults),
        not_judged,
        advice,
    )


def _after_the_last(file: onnx.ModelProto, foreign: Path, found: FoldedComparison, network: Network) -> str:
    """Return what follows the last layer, which is at fault where no layer's output parts."""
    module, tensor = list(found.outputs.items())[-1]
    nodes = nodes_after(file.graph, tensor, OnnxRunner(foreign, network).outputs[LOGITS])
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
