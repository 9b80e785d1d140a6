"""A torch.nn.Module in, an ONNX file out that is proven to compute what it computes; or no file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.mindir.asked import OF_WEIGHTS
from triport.converters.networks.input_specs import InputSpec, spec_of
from triport.converters.onnx_export.written_model import OPSETS
from triport.converters.request import ConvertRequest
from triport.converters.torch_export.network import ModuleError, TorchNet
from triport.converters.torch_export.weights import load
from triport.reference_models.errors import TriportError

from .axes import SizePlan, plan_axes
from .feeds import ordinary
from .judge import NOT_EQUAL, ModuleVerdict
from .keep import keep, reference_of
from .proof import SEED, Prover
from .ranges import learn_ranges
from .result import Attempt, ModuleConversion
from .search import find_right

Progress = Callable[[str], None]
REPEATED = 1e-3  # a run that differs from itself by more has something random in it


class ConvertModuleError(TriportError):
    """What was asked for of a Module makes no sense."""


def convert_module(
    module: Any, name: str, request: ConvertRequest, progress: Progress = lambda step: None
) -> ModuleConversion:
    """Convert a torch.nn.Module by whichever of torch's exporters is right.

    Args:
        module: the Module; its parameters and buffers are what they were afterwards, and it is in evaluation
            mode.
        name: what to call it, and the file where none is named.
        request: what was asked for.
        progress: is told each step.

    Raises:
        TriportError: the request makes no sense, the checkpoint does not fit, or the Module does not run.
    """
    specs = _check(name, request)
    output = request.output or _default_output(name)
    net = TorchNet(module, specs, name)
    notes = list(net.notes)
    if request.checkpoint is not None:
        progress(f"reading {request.checkpoint.name}")
        notes += load(net, request.checkpoint)
    progress(f"running {name}")
    with net.keeping():
        plan = plan_axes(net, SEED)
    with net.keeping():
        notes += _check_repeats(net, plan)
        net.name_outputs(ordinary(net.inputs, plan.traced, SEED).arrays)
        notes += learn_ranges(net, specs, plan.traced, request.opset, SEED)
    with net.keeping():
        prover = Prover(net)
        attempts: list[Attempt] = []
        with tempfile.TemporaryDirectory(prefix="triport-") as folder:
            found = find_right(prover, plan, request, attempts, Path(folder), progress)
        if found is None:
            return _none_is_right(name, prover, attempts, notes)
        progress(f"writing {output.name}")
        return keep(found, output, prover, plan, attempts, notes)


def _check(name: str, request: ConvertRequest) -> list[InputSpec]:
    if request.to != "onnx":
        raise ConvertModuleError(
            f"{name}: is a graph, which --to onnx writes as a file, and --to {request.to} as source "
            f"into the folder that -o DIR names"
        )
    given = request.given(*OF_WEIGHTS)
    if request.source_runtime not in (None, "pytorch"):
        given.append("--from")
    if given:
        raise ConvertModuleError(f"{name}: any Module is converted as it is: leave {', '.join(given)} out")
    if request.opset not in OPSETS:
        raise ConvertModuleError(f"--opset {request.opset}: {OPSETS[0]} to {OPSETS[-1]} can be written")
    if not request.inputs:
        raise ConvertModuleError(
            f"{name}: a Module needs the shape of each of its inputs: --input 1x3x224x224, or, of whole "
            f"numbers, --input tokens=1x128:int64:0..30522"
        )
    if request.output is not None and request.output.suffix.lower() != ".onnx":
        raise ConvertModuleError(f"{request.output}: an ONNX file's name ends in .onnx")
    specs = list(map(spec_of, request.inputs))
    for spec in specs:
        if spec.dtype == "bfloat16":
            raise ConvertModuleError(f"--input {spec}: inputs of bfloat16 are not supported, NumPy has none")
    return specs


def _default_output(name: str) -> Path:
    output = Path(f"{name}.onnx")
    if output.exists():
        raise ConvertModuleError(
            f"{output}: is there already; nothing was written. Say -o {output} to replace it, or name "
            f"another output"
        )
    return output


def _check_repeats(net: TorchNet, plan: SizePlan) -> list[str]:
    """Return a note where the run before decides what the Module gives for inputs of another size.

    Raises:
        ModuleError: it gives other outputs for the same inputs.
    """
    arrays = ordinary(net.inputs, plan.traced, SEED).arrays
    with net.keeping():
        if not _are_close(net.run(arrays), net.run(arrays)):
            raise ModuleError(
                f"{net.name}: gives other outputs for the same inputs, so nothing can be compared with it. "
                f"In evaluation mode something is still random (dropout with training=True, torch.rand), "
                f"or it keeps a state from call to call"
            )
    sizes = plan.proofs[0]
    others = ordinary(net.inputs, sizes, SEED).arrays
    with net.keeping():
        fresh = net.run(others)
    with net.keeping():
        net.run(arrays)
        if _are_close(fresh, net.run(others)):
            return []
    before, after = (
        ", ".join(f"{axis}={size}" for axis, size in one.items() if plan.proofs[0][axis] != plan.traced[axis])
        for one in (plan.traced, sizes)
    )
    return [
        f"{net.name} keeps something of its earlier inputs: with {after} it gives other outputs after a run "
        f"with {before} than at first. The graph is compared with what it gives at first"
    ]


def _are_close(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Whether two runs gave the same, but for roundings."""
    for first, second in zip(ones, others, strict=True):
        if first.shape != second.shape:
            return False
        if first.dtype.kind == "f":
            finite = np.isfinite(first) & np.isfinite(second)
            largest = np.abs(first[finite]).max(initial=0.0)
            if np.abs(first[finite] - second[finite]).max(initial=0.0) > REPEATED * largest:
                return False
    return True


def _none_is_right(
    name: str, prover: Prover, attempts: Sequence[Attempt], notes: Sequence[str]
) -> ModuleConversion:
    verdicts = [attempt.why for attempt in attempts if attempt.verdict == NOT_EQUAL]
    reads = [
        f"a value of a tensor decides at {place}: {', '.join(sorted(values)[:4])} on the inputs tried. A "
        f"graph has one way for all; torch.where and torch.cond stay in it"
        for place, values in prover.own.reads.items()
    ]
    why = "no exporter's graph is right" if verdicts else "no exporter makes a graph"
    return ModuleConversion(
        source=name,
        output=None,
        exporter=None,
        opset=0,
        inputs=(),
        outputs=(),
        nodes=0,
        tensors_written=0,
        dropped=(),
        verdict=ModuleVerdict(NOT_EQUAL if verdicts else "not exported", float("inf"), why=why),
        free=(),
        fixed=(),
        attempts=tuple(attempts),
        left_out=tuple(prover.net.left_out),
        warnings=(*notes, *reads),
        reference=reference_of(prover),
    )
