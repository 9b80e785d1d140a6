"""The sample of a network of one's own: named inputs and outputs, and the file that is run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats import ArrayTensor, open_checkpoint, short, write_checkpoint
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.parity.candidates import GIVEN_FILE
from triport.parity.judge.comparison import compare_outputs
from triport.parity.runtimes import runtime_called
from triport.parity.runtimes.onnx import OnnxRunner
from triport.publishing.form import CheckResult, not_asked_for, ran
from triport.reference_models.network import Arrays, Input, Network

from .files import SAMPLE_FILE

_INPUT, _OUTPUT = "input.", "output."


def write_sample(folder: Path, feed: Arrays, outputs: Arrays, values: Mapping[str, Any]) -> None:
    """Write inputs and outputs under the names and in the types of the graph."""
    tensors = {
        f"{_INPUT}{one['name']}": ArrayTensor(np.ascontiguousarray(array))
        for one, array in zip(values["inputs"], feed.values(), strict=True)
    }
    for one, array in zip(values["outputs"], outputs.values(), strict=True):
        tensors[f"{_OUTPUT}{one['name']}"] = ArrayTensor(np.ascontiguousarray(array.astype(one["dtype"])))
    write_checkpoint(folder / SAMPLE_FILE, "pytorch", tensors)


def read_sample(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the sample's inputs and outputs by name."""
    tensors = open_checkpoint(folder / SAMPLE_FILE).tensors
    return (
        {name.removeprefix(_INPUT): one.numpy() for name, one in tensors.items() if name.startswith(_INPUT)},
        {
            name.removeprefix(_OUTPUT): one.numpy()
            for name, one in tensors.items()
            if name.startswith(_OUTPUT)
        },
    )


def sample_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the sample is none of the graph's inputs and outputs, or has values that prove nothing."""
    tensors = open_checkpoint(folder / SAMPLE_FILE).tensors
    expected = {
        f"{start}{one['name']}": one
        for start, side in ((_INPUT, "inputs"), (_OUTPUT, "outputs"))
        for one in values[side]
    }
    if tensors.keys() != expected.keys():
        yield f"{SAMPLE_FILE}: is of {short(', '.join(tensors), 300)}, not of the graph's inputs and outputs"
        return
    for name, one in expected.items():
        tensor = tensors[name]
        fixed = [(size, axis) for size, axis in zip(tensor.shape, one["shape"], strict=False)]
        fits = len(tensor.shape) == len(one["shape"]) and all(
            isinstance(axis, str) or size == axis for size, axis in fixed
        )
        if not fits or tensor.dtype != one["dtype"]:
            yield (
                f"{SAMPLE_FILE}: {short(name)} is {tensor.dtype}{list(tensor.shape)}, {MANIFEST} says "
                f"{one['dtype']}{one['shape']}"
            )
        elif not tensor.count or not np.isfinite(tensor.numpy()).all():
            yield f"{SAMPLE_FILE}: {short(name)} has values that are no numbers, or none"


def allowed_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Return how far each output of the graph may be from the sample's: what parity allowed the file."""
    [pair] = [one for one in values["parity"]["pairs"] if one["candidate"] == GIVEN_FILE]
    return {name: float(one["tolerance"]) for name, one in pair["outputs"].items()}


def samples_run(
    folder: Path,
    values: Mapping[str, Any],
    runtimes: Sequence[str],
    device: str,
    progress: Callable[[str], None],
) -> Iterator[CheckResult]:
    """Yield what the graph computes of the sample; what needs the publisher's code is not run, and said."""
    for net in values["nets"]:
        if net["file"] != MODEL_FILE:
            why = f"needs {net['net']}, the publisher's own network, which verify never runs"
            yield CheckResult(f"sample: {net['file']}", "not run", why)
    if "onnx" not in runtimes:
        yield not_asked_for(MODEL_FILE, "onnx")
        return
    progress(f"running {MODEL_FILE}")
    yield ran(MODEL_FILE, lambda: _compared(folder, values, device))


def _compared(folder: Path, values: Mapping[str, Any], device: str) -> CheckResult:
    """Return whether the graph computes the sample's outputs."""
    version = runtime_called("onnx").framework().__version__
    inputs, expected = read_sample(folder)
    known = tuple(Input(one["name"], tuple(one["shape"]), one["dtype"]) for one in values["inputs"])
    network = Network(values["network"], known, tuple(one["name"] for one in values["outputs"]), {})
    outputs = OnnxRunner(folder / MODEL_FILE, network, device).run(inputs)
    found = compare_outputs(expected, outputs, allowed_of(values))
    detail = "; ".join(
        f"{short(output)}: {one.max_rel:.1e} of the largest value, allowed {one.tolerance:.1e}"
        for output, one in found.items()
    )
    detail = f"onnxruntime {version}: {detail}"
    wrong = [output for output, one in found.items() if not one.passed]
    problems = (f"{MODEL_FILE}: the sample's {', '.join(map(short, wrong))} differ: {detail}",)
    status = "failed" if wrong else "passed"
    return CheckResult(f"sample: {MODEL_FILE}", status, detail, problems if wrong else ())
