"""Networks of the user's own: NETs that are to compute the same, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.convert import read_parameters
from triport.converters.formats import file_sha256, open_checkpoint
from triport.converters.mindir.asked import is_mindir
from triport.converters.networks.arguments import (
    Factory,
    Net,
    NetArgumentError,
    NetFile,
    Registered,
    net_of,
)
from triport.converters.networks.cell import of_cell
from triport.converters.networks.factories import make
from triport.converters.networks.foreign import (
    NetworkError,
    Parameters,
    check_same,
    own_values,
    parameters_in,
)
from triport.converters.networks.given import Given
from triport.converters.networks.imported import with_imports
from triport.converters.networks.input_specs import InputSpec, spec_of
from triport.converters.networks.module import of_module
from triport.converters.networks.onnx_file import is_onnx_file, of_onnx_file
from triport.converters.networks.registered import of_model
from triport.parity.candidates import Candidate, with_file
from triport.parity.options import Options
from triport.parity.runtimes import runtime_called
from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.network import Arrays, Network, Realisation, Runtime
from triport.reference_models.spec import ModelSpec

from .by_names import PairFile, pair_file
from .random_weights import seeded_parameters

# what --weights says for the weights that a network is made with
OWN = "own"
# what is written from the graph of an ONNX file, to run beside it
IMPORTED = ("pytorch", "mindspore")


@dataclass(frozen=True, slots=True)
class NetSubject:
    """NETs, and FILEs with weights or graphs of theirs.

    `specs` are the inputs of all of them; `pair` says which parameters belong together whose names differ.
    """

    nets: tuple[Net, ...]
    specs: tuple[InputSpec, ...]
    weights: str | None = None
    pair: PairFile | None = None

    @property
    def name(self) -> str:
        """What the progress line calls it."""
        return self.nets[0].text


@dataclass(slots=True)
class _Read:
    """What the NETs have said so far.

    `spec` is the registered model among them, if there is one. `own` are the weights that the first network
    has by itself, None where there are none; `rivals` are further networks of a runtime that is there
    already.
    """

    network: Network | None = None
    parameters: Parameters | None = None
    net: Any = None
    own: Arrays | None = None
    name: str = ""
    rivals: list[tuple[str, Runtime, Realisation]] = field(default_factory=list)
    graphs: list[Path] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    pair: PairFile | None = None
    spec: ModelSpec | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNet:
    """A network with its weights, what a report says of these, and the candidates that stand beside it.

    `graphs` are those of them that are ONNX files beside a Module or a Cell. `refused` says for which
    runtimes nothing could be written from a graph, and why; each begins with the runtime's name.
    """

    network: Network
    parameters: Arrays
    source: str
    files: dict[str, str]
    rivals: tuple[tuple[str, Runtime, Network], ...]
    graphs: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()

    def candidates(self, options: Options) -> list[Candidate]:
        """Return what stands beside the network, each in its runtime."""
        return [
            Candidate(
                f"{runtime_called(runtime).LABEL} ({name})",
                partial(
                    runtime_called(runtime).load,
                    network,
                    self.parameters,
                    options.device,
                    options.precision,
                    options.observed,
                ),
            )
            for name, runtime, network in self.rivals
        ]


def net_subject(
    what: Sequence[Any], specs: Sequence[Any], weights: str | None, names: Path | None = None
) -> NetSubject:
    """Return what NETs, --input and --names say.

    An ONNX file among networks in code comes last, wherever it is named: it has weights for the first.

    Raises:
        TriportError: an input is described wrongly, or one is no NET.
    """
    nets = sorted(map(net_of, what), key=lambda net: isinstance(net, NetFile) and is_onnx_file(net.path))
    return NetSubject(tuple(nets), tuple(map(spec_of, specs)), weights, pair_file(names))


def load_nets(subject: NetSubject, seed: int) -> LoadedNet:
    """Make the networks and their weights.

    Raises:
        TriportError: one cannot be made, or their parameters do not agree by name.
    """
    read = _Read(pair=subject.pair)
    for net in subject.nets:
        _read_net(read, net, subject.specs)
    if read.network is None:
        raise NetArgumentError(
            f"{', '.join(net.text for net in subject.nets)}: holds weights and no graph. Name the network "
            "that has them, a Module or a Cell in code, or an .onnx or .mindir file; for weights of a model "
            "that triport knows, leave --input out"
        )
    parameters, source, used = _weights(read, subject, seed)
    if subject.pair is not None:
        source = f"{source}, {subject.pair}"
        used = [*used, subject.pair.path]
    rivals = [
        (name, runtime, replace(read.network, realisations={runtime: realisation}))
        for name, runtime, realisation in read.rivals
    ]
    rivals += [(str(path), "onnx", with_file(read.network, path)) for path in read.graphs]
    files = {str(path): file_sha256(path) for path in dict.fromkeys([*used, *read.graphs])}
    graphs = tuple(read.graphs) if read.parameters is not None else ()
    return LoadedNet(read.network, parameters, source, files, tuple(rivals), graphs, tuple(read.refused))


def _read_net(read: _Read, net: Net, specs: Sequence[InputSpec]) -> None:
    if isinstance(net, Factory | Given):
        _read_code(read, net, specs)
    elif isinstance(net, Registered):
        _read_registered(read, net, specs)
    elif is_mindir(net.path):
        _read_mindir(read, net.path, specs)
    elif not is_onnx_file(net.path):
        read.checkpoints.append(net.path)
    elif read.network is None:
        network, read.refused = with_imports(of_onnx_file(net.path, specs), net.path, IMPORTED)
        read.network, read.own, read.name = network, {}, net.text
    else:
        read.graphs.append(net.path)


def _read_code(read: _Read, net: Factory | Given, specs: Sequence[InputSpec]) -> None:
    made = make(net)
    found = parameters_in(made.network)
    if made.runtime == "pytorch":
        network = _with_proven_export(made.network, specs, of_module(made.network, specs, net.name, found))
    else:
        network = of_cell(made.network, lambda: make(net).network, specs, net.name, found)
    _add(read, net.text, made.runtime, network, found, made.network)


def _read_registered(read: _Read, net: Registered, specs: Sequence[InputSpec]) -> None:
    """Take in both definitions of a model that triport knows, on the inputs that the user describes."""
    read.spec = net.spec
    module = net.spec.build_torch(net.spec.num_classes)
    found = parameters_in(module)
    network = _with_proven_export(module, specs, of_module(module, specs, net.name, found))
    _add(read, net.text, "pytorch", network, found, module)
    cell = of_model(net.spec)
    own = Parameters(cell.realisations["mindspore"].names, found.shapes, found.kept)
    _add(read, net.text, "mindspore", cell, own, None)


def _with_proven_export(module: Any, specs: Sequence[InputSpec], network: Network) -> Network:
    """Let the ONNX file of a Module be the one of torch's exporters that is right, as `convert` has it."""
    from triport.parity.module_export.proven import proven_export

    known = network.realisations["pytorch"]
    assert known.export is not None
    export = proven_export(module, specs, network.name, known.names, known.export)
    return replace(network, realisations={"pytorch": replace(known, export=export)})


def _read_mindir(read: _Read, path: Path, specs: Sequence[InputSpec]) -> None:
    from triport.converters.mindir.origins import load_mindir

    cell = load_mindir(path)
    found = parameters_in(cell)
    names = [
        spec.name or ("input" if len(specs) == 1 else f"input_{index}") for index, spec in enumerate(specs)
    ]
    network = of_cell(cell, partial(load_mindir, path), specs, path.stem, found, names)
    realisation = replace(network.realisations["mindspore"], remade=False, shapes=_only_shapes(path))
    network = replace(network, realisations={"mindspore": realisation})
    _add(read, str(path), "mindspore", network, found, cell)
    if read.own is None and read.net is cell:
        read.own = own_values(cell, found)


def _only_shapes(path: Path) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes that a .mindir file states for its inputs; None where some of its sizes are free."""
    from triport.converters.mindir.graph import MindirError
    from triport.converters.mindir.reader import read_mindir

    try:
        return tuple(one.shape for one in read_mindir(path).inputs.values())
    except MindirError:  # sizes that are free, or what cannot be read here: MindSpore says it when it runs
        return None


def _add(read: _Read, word: str, runtime: Runtime, network: Network, found: Parameters, net: Any) -> None:
    """Take a network in: the first, another realisation of it, or one more of a runtime that is there."""
    realisation = network.realisations[runtime]
    if read.network is None:
        read.network, read.parameters, read.net, read.name = network, found, net, word
        return
    assert read.parameters is not None  # an ONNX file, which has its weights within, comes last
    if read.pair is None:
        check_same(read.parameters, found, (read.name, word))
    if len(network.outputs) != len(read.network.outputs):
        raise NetworkError(
            f"{read.name} returns {counted(len(read.network.outputs), 'tensor')}, {word} "
            f"{len(network.outputs)}"
        )
    realisation = _fed_in_order(realisation, network, read.network)
    if read.pair is not None:
        realisation = read.pair.moved(realisation, read.parameters, found, (read.name, word))
    if runtime in read.network.realisations:
        read.rivals.append((word, runtime, realisation))
    else:
        read.network = replace(read.network, realisations={**read.network.realisations, runtime: realisation})


def _fed_in_order(realisation: Realisation, own: Network, network: Network) -> Realisation:
    """Return a realisation whose exporter takes the inputs under the names of `network`; the order is one."""
    export = realisation.export
    names = {theirs.name: ours.name for theirs, ours in zip(own.inputs, network.inputs, strict=True)}
    if export is None or all(theirs == ours for theirs, ours in names.items()):
        return realisation

    def renamed(values: Arrays, feed: Arrays) -> Any:
        return export(values, {theirs: feed[ours] for theirs, ours in names.items()})

    return replace(realisation, export=renamed)


def _weights(read: _Read, subject: NetSubject, seed: int) -> tuple[Arrays, str, list[Path]]:
    """Return the weights, what a report says of them, and the files that they are from."""
    if read.own is not None:
        if read.checkpoints or subject.weights not in (None, OWN):
            raise NetArgumentError(f"{read.name}: has its weights within; leave other weights out")
        return read.own, "its own weights", [Path(read.name)]
    assert read.parameters is not None
    if subject.weights == OWN:
        return own_values(read.net, read.parameters), "its own weights", []
    paths = [*([Path(subject.weights)] if subject.weights else []), *read.checkpoints, *read.graphs]
    if len(paths) > len(read.graphs) + 1:
        raise NetArgumentError(
            f"{read.name}: expected one file of weights, found {', '.join(map(str, paths))}"
        )
    if paths and read.spec is not None:
        return read_parameters(paths[0], read.spec.name).parameters, str(paths[0]), paths[:1]
    if paths:
        return _stored(paths[0], read.parameters, read.name, read.pair), str(paths[0]), paths[:1]
    names = dict(read.parameters.names)
    return seeded_parameters(read.net, seed, names), f"random seed {seed}", []


def _stored(
    path: Path, parameters: Parameters, name: str, pair: PairFile | None = None
) -> dict[str, np.ndarray]:
    """Return the network's weights from a file that has them under its names or a realisation's."""
    checkpoint = open_checkpoint(path)
    moved = None if pair is None else pair.stored(checkpoint, parameters)
    if moved is not None:
        return moved
    tensors = checkpoint.tensors
    aliases = {ours: theirs for theirs, ours in parameters.names.items()}
    found, missing = {}, []
    for ours, shape in parameters.shapes.items():
        tensor = tensors[ours] if ours in tensors else tensors.get(aliases[ours])
        if tensor is None or tuple(tensor.shape) != shape:
            missing.append(f"{ours} {shape}" + (f": {tensor.shape} there" if tensor is not None else ""))
            continue
        found[ours] = tensor.numpy().astype(np.float32)
    if missing:
        raise TriportError(
            f"{path}: does not have {len(missing)} of {name}'s "
            f"{counted(len(parameters.shapes), 'parameter')}\n"
            f"{listed(missing)}\nGive weights of this network, or leave them out for seeded ones"
        )
    return found
