"""The Network of a mindspore.nn.Cell: itself, and the ONNX file that is made of it by way of MindIR."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from triport.reference_models.errors import counted
from triport.reference_models.network import Arrays, Input, Network, Realisation

from .foreign import NetworkError, Parameters
from .input_specs import InputSpec, network_inputs
from .samples import sample_of

if TYPE_CHECKING:
    import onnx

_OPSET = 17


def of_cell(
    cell: Any,
    build: Callable[[], Any],
    specs: Sequence[InputSpec],
    name: str,
    parameters: Parameters,
    input_names: Sequence[str] = (),
) -> Network:
    """Return the Network of a Cell.

    Args:
        cell: the user's; it is run once.
        build: returns a Cell of the same kind each time.
        specs: its inputs, in the order of its `construct`.
        name: what it is called.
        parameters: what `foreign.parameters_in` finds in it.
        input_names: what its inputs are called, where its `construct` does not say.

    Raises:
        TriportError: it cannot be run on such inputs.
    """
    from triport.converters.mindir.outputs import flatten, name_outputs, unique

    inputs, sizes = network_inputs(specs, input_names or _input_names(cell, len(specs), name))
    arrays = sample_of(inputs, sizes)
    result = _run(cell, [arrays[given.name] for given in inputs], name)
    count = len(flatten(result))
    plain = ["output"] if count == 1 else [f"output_{index}" for index in range(count)]
    found = name_outputs(result)
    outputs = unique(found if len(found) == count else plain, [given.name for given in inputs])
    realisation = Realisation(
        "mindspore",
        build,
        parameters.names,
        parameters.kept,
        partial(_exported, build, inputs, outputs, parameters),
        remade=True,
    )
    return Network(name, inputs, outputs, {"mindspore": realisation}, sizes)


def _input_names(cell: Any, count: int, name: str) -> list[str]:
    taken = inspect.signature(cell.construct).parameters.values()
    known = [one.name for one in taken if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    # *args takes any number, which have no names
    rest = next((one.name for one in taken if one.kind is one.VAR_POSITIONAL), None)
    if rest is not None:
        known += [f"{rest}_{number}" for number in range(count - len(known))]
    if len(known) < count:
        raise NetworkError(
            f"{name}: its construct takes {', '.join(known) or 'nothing'}, not {counted(count, 'input')}"
        )
    return known[:count]


def _run(cell: Any, arrays: Sequence[Any], name: str) -> Any:
    from triport.converters.environment import import_mindspore

    from .factories import users_code

    mindspore = import_mindspore()
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    with users_code(f"{name} on inputs of {', '.join(str(array.shape) for array in arrays)}"):
        return cell.set_train(False)(*[mindspore.Tensor(array) for array in arrays])


def _exported(
    build: Callable[[], Any],
    inputs: Sequence[Input],
    outputs: tuple[str, ...],
    parameters: Parameters,
    values: Arrays,
    feed: Arrays,
) -> onnx.ModelProto:
    """Return the Cell as an ONNX model with these values; its first free axis is free where it leads."""
    from triport.converters.environment import import_mindspore
    from triport.converters.mindir.batch_facts import learn_batch_axes
    from triport.converters.mindir.emit import onnx_from_graph
    from triport.converters.mindir.errors import FixedBatchError, UnsupportedOperatorsError
    from triport.converters.mindir.export import ExportError, exported_mindir
    from triport.converters.mindir.reader import read_mindir

    mindspore = import_mindspore()
    specs = [InputSpec(feed[given.name].shape, given.dtype) for given in inputs]

    def traced(specs: Sequence[InputSpec]) -> Any:
        cell = build().set_train(False)
        for parameter in cell.get_parameters():
            if parameter.name in parameters.names:
                parameter.set_data(mindspore.Tensor(values[parameters.names[parameter.name]]))
        with exported_mindir(cell, *specs) as path:
            return read_mindir(path)

    graph = learnt = traced(specs)
    leads = inputs[0].shape[:1]
    free = bool(leads) and isinstance(leads[0], str) and all(leads[0] not in one.shape[1:] for one in inputs)
    if free:
        size = feed[inputs[0].name].shape[0]
        other = [
            InputSpec((size + 1, *spec.shape[1:]), spec.dtype) if given.shape[:1] == leads else spec
            for given, spec in zip(inputs, specs, strict=True)
        ]
        try:
            learnt = learn_batch_axes(graph, traced(other), size, size + 1) or graph
        except ExportError:  # a .mindir file has one size
            free = False
    convert = partial(
        onnx_from_graph,
        opset=_OPSET,
        rename=parameters.names,
        input_names=[given.name for given in inputs],
        output_names=list(outputs),
    )
    try:
        return convert(learnt, free_batch=free)
    except (FixedBatchError, UnsupportedOperatorsError):  # not of all images at once, but maybe of these
        return convert(graph, free_batch=False)
