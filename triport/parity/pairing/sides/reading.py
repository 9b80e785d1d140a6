"""A side of a NET: a factory in the user's code, a file with a graph, a model of triport's, or an object."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from triport.converters.formats import open_checkpoint
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import Factory, NetArgumentError, Registered, net_of
from triport.converters.networks.cell import of_cell
from triport.converters.networks.factories import make
from triport.converters.networks.foreign import parameters_in
from triport.converters.networks.given import Given
from triport.converters.networks.input_specs import InputSpec
from triport.converters.networks.module import of_module
from triport.reference_models.spec import Runtime

from . import Side
from .cell import CellSide
from .copying import copied
from .initializers import GraphFile, initializers_of
from .module import ModuleSide
from .spectral import spectral_vectors

Progress = Callable[[str], None]


def side_of(net: Any, specs: Sequence[InputSpec], progress: Progress = lambda step: None) -> Side:
    """Return a side of what a user named or made.

    Args:
        net: a NET. A copy of a Module is worked with; of a Cell there is none, and `as_given` gives it back
            what it had.
        specs: the inputs, in order.
        progress: is told each step.

    Raises:
        TriportError: there is no such network, or it cannot be run on such inputs.
    """
    said = net_of(net)
    if isinstance(said, Given):
        mine = copied(said.network) if said.runtime == "pytorch" else said.network
        return _side(mine, said.runtime, lambda: mine, specs, said.name, said.text)
    progress(f"building {said.text}")
    if isinstance(said, Factory):
        made = make(said)
        return _side(made.network, made.runtime, lambda: make(said).network, specs, said.name, said.text)
    if isinstance(said, Registered):
        module = said.spec.build_torch(said.spec.num_classes)
        return _side(module, "pytorch", lambda: module, specs, said.name, said.text)
    return _of_file(said.path, specs, said.text)


def _of_file(path: Path, specs: Sequence[InputSpec], label: str) -> Side:
    if is_mindir(path):
        return _of_mindir(path, specs, label)
    if open_checkpoint(path).runtime != "onnx":
        raise NetArgumentError(
            f"{label}: holds weights and no graph. A pair is of two networks: name a Module, a Cell, or a "
            f".onnx or .mindir file"
        )
    return _imported(path, "onnx", specs, path.stem, label)


def _of_mindir(path: Path, specs: Sequence[InputSpec], label: str) -> Side:
    """Return a side of a MindIR: MindSpore's own Cell of one has no gradients of its parameters."""
    import onnx

    from triport.converters.mindir.emit import onnx_from_graph
    from triport.converters.mindir.reader import read_mindir

    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        graph = Path(folder) / "graph.onnx"
        onnx.save(onnx_from_graph(read_mindir(path), free_batch=False), graph)
        return _imported(graph, "mindspore", specs, path.stem, label)


def _imported(path: Path, runtime: Runtime, specs: Sequence[InputSpec], name: str, label: str) -> Side:
    """Return a side of the Module that an ONNX graph is translated to.

    Args:
        path: of the graph.
        runtime: of whom the file is that the user named.
        specs: the inputs, in order.
        name: of the network.
        label: what the user called it.
    """
    from triport.converters.onnx_import.reading import ImportRefusedError, read_model
    from triport.converters.onnx_import.tree import flat
    from triport.converters.onnx_import.weights import write_weights
    from triport.converters.onnx_import.writer import source_of
    from triport.converters.onnx_import.written import load

    model = read_model(path)
    try:
        source = source_of(model, "pytorch", "imported", flat(model.graph))
    except ImportRefusedError as error:
        raise ImportRefusedError(f"{label}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        work = Path(folder)
        (work / "imported.py").write_text(source.text, encoding="utf-8")
        write_weights(work / "imported.safetensors", source.weights, "pytorch")
        module = load(work, "imported", "pytorch")
    graph_file = GraphFile(runtime, initializers_of(model, source, path))
    return _side(module, "pytorch", lambda: module, specs, name, label, graph_file)


def _side(
    net: Any,
    runtime: Runtime,
    build: Callable[[], Any],
    specs: Sequence[InputSpec],
    name: str,
    label: str,
    graph_file: GraphFile | None = None,
) -> Side:
    parameters = parameters_in(net)
    if runtime == "mindspore":
        return CellSide(net, of_cell(net, build, specs, name, parameters), label)
    network = of_module(net, specs, name, parameters)
    known = network.realisations["pytorch"]
    side = ModuleSide(net, network, label, graph_file)
    # parity's runners load values of their own into a copy
    weights = [name for name in known.names if name not in known.kept]
    build = partial(_without_values, side, weights)
    known = replace(known, build=build, kept=known.kept - spectral_vectors(net))
    side.network = replace(network, realisations={"pytorch": known})
    return side


def _without_values(side: ModuleSide, weights: Sequence[str]) -> Any:
    """Return a copy of a side's Module whose weights take no memory; they are to be loaded."""
    state = side.net.state_dict(keep_vars=True)
    empty = {id(state[name]): type(state[name])(state[name].detach().to("meta")) for name in weights}
    for tensor in empty.values():
        tensor.requires_grad_(False)
    return side.copied(empty)
