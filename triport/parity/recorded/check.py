"""Judges outputs that were computed elsewhere, by the noise of the network on the same inputs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from triport.converters.formats import file_sha256
from triport.parity.candidates import Candidate
from triport.parity.check import ModelReport, Progress, check_model
from triport.parity.inputs import Inputs
from triport.parity.options import Options, ReportSources
from triport.parity.runtimes import recorded as runtime
from triport.reference_models.network import Arrays, Network

from .recorded_outputs import RecordedOutputs, read_outputs
from .saved_inputs import RecordedError, read_inputs


def check_recorded(
    network: Network,
    parameters: Arrays,
    inputs: Path,
    outputs: Path,
    options: Options,
    *,
    told: ReportSources | None = None,
    progress: Progress | None = None,
) -> ModelReport:
    """Judge the outputs of a file on the inputs of another, as `check_model` judges a runtime.

    Args:
        network: what has been run.
        parameters: by its names, which it was run with.
        inputs: what `save_inputs` wrote.
        outputs: what came back; its modules are compared too, where it has any.
        options: how; the runtimes that it names are run on the same inputs.
        told: what the report repeats.
        progress: called before every step.

    Raises:
        TriportError: a file is damaged, is of other inputs or weights, or lacks an output.
    """
    if options.isolate:
        raise RecordedError("--isolate feeds every module apart, which recorded outputs cannot be")
    saved = read_inputs(inputs, network, parameters, seed=options.seed)
    found = read_outputs(outputs, saved, network)
    told = told or ReportSources()
    files = {**told.files, **saved.files, str(outputs): file_sha256(outputs)}
    given = runtime.with_outputs(network, found)
    label = f"{runtime.LABEL} ({outputs.name})"
    if found.runtime:
        label = f"{runtime.LABEL} ({outputs.name}, {found.runtime})"
    report = check_model(
        network,
        parameters,
        _recorded_of(found),
        replace(options, layers=options.layers or bool(found.modules)),
        told=replace(told, files=files, inputs=f"{saved.source} in {inputs}"),
        given=[Candidate(label, partial(runtime.load, given, parameters))],
        progress=progress,
    )
    return replace(report, seed=saved.seed)


def _recorded_of(found: RecordedOutputs) -> Inputs:
    """Return the inputs of which there are outputs."""
    inputs = found.saved.inputs
    batches = found.saved.batches[1:]
    further = [
        one for batch, one in zip(batches, inputs.further or (), strict=True) if batch in found.batches
    ]
    return Inputs(inputs.feed, tuple(further))
