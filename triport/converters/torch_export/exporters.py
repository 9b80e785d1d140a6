"""torch's two exporters, each asked for a graph with every parameter unfolded and under its own name.

The TorchScript exporter is asked for a graph without values: with them it merges tensors that are equal, and
no file can be over 2 GB. The newer one keeps its values as the Module's own tensors until they are written.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from triport.converters.environment import import_torch
from triport.converters.mindir.quiet import silenced
from triport.converters.networks.factories import users_code
from triport.converters.versions.torch_onnx import (
    OLDEST_WITH_DYNAMO,
    by_torchscript,
    has_dynamo,
    held,
    newest_opset_of_torchscript,
)
from triport.reference_models.errors import TriportError

from .network import PREFIX, TorchNet

TORCHSCRIPT, DYNAMO = "torchscript", "dynamo"
OLDEST_OF_DYNAMO = 18
_LOGGERS = (
    "torch.onnx",
    "torch.export",
    "torch._dynamo",
    "torch.fx",
    "torch._subclasses",
    "onnxscript",
    "onnx_ir",
)


class NotExportedError(TriportError):
    """An exporter made no graph."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A graph as an exporter made it: its initializers have the names of the Module's state dict.

    `model` has no values yet for those; `free` are the axes that the graph was asked to have free.
    """

    exporter: str
    model: ir.Model
    opset: int
    free: tuple[str, ...]


Export = Callable[..., Exported]


def export_torchscript(
    net: TorchNet, arrays: Sequence[np.ndarray], free: Sequence[str], opset: int, *, wrapped: Any = None
) -> Exported:
    """Trace the Module with these inputs by TorchScript.

    Raises:
        NotExportedError: the exporter cannot.
    """
    torch = import_torch()
    # the graph of what it does not know goes to stdout otherwise, where a result is to stand
    torch._C._jit_set_onnx_log_output_stream("stderr")
    buffer, newest = io.BytesIO(), newest_opset_of_torchscript(torch)
    names = net.output_names if wrapped is None else wrapped.names()
    with net.keeping():
        _check_no_error_is_caught(net, arrays, wrapped)
    with _exporting(TORCHSCRIPT, net):
        torch.onnx.export(
            net.wrapped if wrapped is None else wrapped,
            net.tensors(arrays),
            buffer,
            export_params=False,
            opset_version=min(opset, newest),
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            input_names=[given.name for given in net.inputs],
            output_names=list(names),
            dynamic_axes={name: axes for name, axes in free_axes(net, free).items() if axes},
            **by_torchscript(torch),
        )
    proto = onnx.load_from_string(buffer.getvalue())
    if opset > newest:
        proto = onnx.version_converter.convert_version(proto, opset)
    model = ir.from_proto(proto)
    given = {one.name for one in net.inputs}
    for value in [value for value in model.graph.inputs if value.name not in given]:
        name = _own_name(value.name or "")
        if name not in net.state:
            raise NotExportedError(f"the graph wants {value.name}, which is neither an input nor a parameter")
        model.graph.inputs.remove(value)
        value.const_value = held(net.state[name])
        model.graph.register_initializer(value)
    return _finished(net, TORCHSCRIPT, model, free)


def _check_no_error_is_caught(net: TorchNet, arrays: Sequence[np.ndarray], wrapped: Any) -> None:
    """Raise NotExportedError where the Module goes on after an error of PyTorch: tracing ends the process."""
    torch, failed = import_torch(), list[str]()
    mode: Any = torch.overrides.TorchFunctionMode

    class Noted(mode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            try:
                return func(*args, **(kwargs or {}))
            except RuntimeError:
                failed.append(getattr(func, "__name__", str(func)))
                raise

    with Noted():
        net.run(arrays, wrapped=wrapped)
    if failed:
        raise NotExportedError(
            f"the code of {net.name} catches an error of PyTorch ({failed[0]}) and goes on, with which this "
            f"exporter would end the process"
        )


def export_dynamo(
    net: TorchNet, arrays: Sequence[np.ndarray], free: Sequence[str], opset: int, *, wrapped: Any = None
) -> Exported:
    """Have torch.export capture the Module with these inputs, and translate that; opset 18 at the lowest.

    Raises:
        NotExportedError: the exporter cannot.
    """
    torch = import_torch()
    if not has_dynamo(torch):
        raise NotExportedError(
            f"PyTorch {torch.__version__} does not have it; PyTorch {OLDEST_WITH_DYNAMO} and later do"
        )
    dims: dict[str, Any] = {}
    shapes = tuple(
        {place: dims.setdefault(axis, torch.export.Dim(axis)) for place, axis in axes.items()} or None
        for axes in free_axes(net, free).values()
    )
    names = net.output_names if wrapped is None else wrapped.names()
    with _exporting(DYNAMO, net):
        program = torch.onnx.export(
            net.wrapped if wrapped is None else wrapped,
            net.tensors(arrays),
            dynamo=True,
            optimize=False,
            opset_version=max(opset, OLDEST_OF_DYNAMO),
            input_names=[given.name for given in net.inputs],
            output_names=list(names),
            dynamic_shapes=(shapes,) if any(shapes) else None,
            verbose=False,
        )
    return _finished(net, DYNAMO, program.model, free)


EXPORTERS: dict[str, Export] = {TORCHSCRIPT: export_torchscript, DYNAMO: export_dynamo}


def free_axes(net: TorchNet, free: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return which places of each input's shape are free, by name of the input."""
    return {
        given.name: {
            place: axis for place, axis in enumerate(given.shape) if isinstance(axis, str) and axis in free
        }
        for given in net.inputs
    }


def _own_name(name: str) -> str:
    return name.removeprefix(PREFIX)


def _finished(net: TorchNet, exporter: str, model: ir.Model, free: Sequence[str]) -> Exported:
    """Return the graph with the state dict's names, without what exporters write for themselves."""
    for node in model.graph.all_nodes():
        for result in node.outputs:
            if result.name in net.state:  # an exporter's own name for a value between nodes
                result.name = f"{result.name}:value"
    for value in list(model.graph.initializers.values()):
        written = value.name or ""
        name = _own_name(written)
        if name != written and name in net.state:
            model.graph.initializers.pop(written)
            value.name = name
            model.graph.initializers[name] = value
    found = [value.name for value in model.graph.inputs]
    lost = [given.name for given in net.inputs if given.name not in found]
    if lost:
        raise NotExportedError(f"{exporter}: the graph lost the input {', '.join(lost)}")
    return Exported(exporter, model, model.opset_imports.get("", 0), tuple(free))


@contextlib.contextmanager
def _exporting(exporter: str, net: TorchNet) -> Iterator[None]:
    """Let an exporter work without its logs and advice; whatever it raises is one sentence."""
    net.refresh()  # what it keeps would become a constant of the graph
    try:
        # what it keeps of the tracing is no number
        with net.keeping(), without_logs(), users_code(exporter):
            yield
    except TriportError as error:
        raise NotExportedError(_reason(error.__cause__ or error)) from error


@contextlib.contextmanager
def without_logs() -> Iterator[None]:
    """Let nothing of torch's own be printed: logs, warnings and advice."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with silenced(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _reason(error: BaseException) -> str:
    """Return what an exporter says, in one line: the first cause, without its advice and decorations."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -=#")]
    text = lines[0] if lines else ""
    if text.endswith(":") and len(lines) > 1:
        text = f"{text} {lines[1]}"
    return f"{type(error).__name__}: {text[:400]}"
