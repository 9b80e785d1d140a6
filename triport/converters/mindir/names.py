"""What the parameters, inputs and outputs of a converted graph are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from triport.converters.formats.tensors import short
from triport.reference_models.errors import TriportError, counted, listed

from .graph import Graph
from .outputs import unique


def name_parameters(graph: Graph, rename: Mapping[str, str]) -> dict[str, str]:
    """Return the initializers' names by the parameters' ids.

    Raises:
        TriportError: two would have the same name.
    """
    names = {id_: rename.get(parameter.name, parameter.name) for id_, parameter in graph.parameters.items()}
    clashes = sorted(name for name, count in Counter(names.values()).items() if count > 1)
    if clashes:
        raise TriportError(
            f"{counted(len(clashes), 'initializer name')} would be used twice\n{listed(map(short, clashes))}"
        )
    return names


def name_inputs(graph: Graph, given: Sequence[str] | None) -> dict[str, str]:
    """Return the inputs' names by id: as given, "input" if there is one, else the Cell's arguments'."""
    names = list(given or (["input"] if len(graph.inputs) == 1 else []))
    names = names or [id_.rpartition(":")[2] for id_ in graph.inputs]
    if len(names) != len(graph.inputs):
        raise TriportError(
            f"{counted(len(names), 'input name was', 'input names were')} given for "
            f"{counted(len(graph.inputs), 'input')}"
        )
    return dict(zip(graph.inputs, names, strict=True))


def name_outputs(graph: Graph, count: int, given: Sequence[str] | None, reserved: set[str]) -> list[str]:
    """Return the outputs' names: as given, the keys of the Cell's dictionaries, "logits" if there is one."""
    names = list(given or unique(graph.output_names, sorted(reserved)))
    names = names or (["logits"] if count == 1 else [f"output_{i}" for i in range(count)])
    if len(names) != count:
        raise TriportError(
            f"{counted(len(names), 'output name was', 'output names were')} given for "
            f"{counted(count, 'output')}"
        )
    return names
