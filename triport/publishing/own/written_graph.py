"""Writes the ONNX file of a network of one's own: by the converter that proves it, or as the source is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.converters.formats import open_checkpoint, short
from triport.converters.networks.arguments import Factory, NetFile
from triport.converters.networks.factories import make
from triport.converters.networks.given import Given
from triport.converters.networks.input_specs import InputSpec
from triport.converters.published import MODEL_FILE
from triport.converters.request import ConvertRequest
from triport.publishing.folder import MINDSPORE_FILE
from triport.publishing.outcome import NotPublishableError

from .files import AS_IT_IS
from .network import OneNet, is_onnx

if TYPE_CHECKING:
    from triport.parity.graphs.result import AnyConversion
    from triport.parity.module_export.result import ModuleConversion
    from triport.parity.subjects.own import LoadedNet

Progress = Callable[[str], None]
_LARGEST_BYTES = (1 << 31) - 1  # of a protobuf message


def write_graph(
    nets: Sequence[OneNet], specs: Sequence[InputSpec], loaded: LoadedNet, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Write the first network as ONNX, or the .onnx file that is one, and return how that was proven.

    Raises:
        NotPublishableError: no graph is right.
    """
    net, given = nets[0], nets[-1]
    if isinstance(given, NetFile) and is_onnx(given):
        return _write_as_it_is(given.path, folder / MODEL_FILE)
    runtime = next(iter(loaded.network.realisations))
    done: ModuleConversion | AnyConversion
    if not isinstance(net, NetFile) and runtime == "pytorch":
        module_done = _of_module(net, specs, loaded, folder, progress)
        exporter, proof = str(module_done.exporter), f"{module_done.reference}: {module_done.verdict}"
        done = module_done
    else:
        cell_done = _of_mindspore(net, specs, folder, progress)
        exporter, proof = "MindIR", str(cell_done.comparison)
        done = cell_done
    title = net.text
    if not done.passed:
        raise NotPublishableError(
            f"{title}: no ONNX graph of it is right: {proof}. `convert` says more. Nothing was written"
        )
    if (folder / f"{MODEL_FILE}.data").exists():
        raise _too_large(title)
    notes = [short(str(note), 900) for note in done.warnings]
    return {"exporter": exporter, "opset": done.opset, "proof": short(proof, 900), "notes": notes}


def _too_large(title: str) -> NotPublishableError:
    return NotPublishableError(
        f"{title}: has more than 2 GiB of weights, which one ONNX file cannot hold. Nothing was written"
    )


def _of_module(
    net: Factory | Given, specs: Sequence[InputSpec], loaded: LoadedNet, folder: Path, progress: Progress
) -> ModuleConversion:
    from triport.parity.module_export.convert import convert_module
    from triport.parity.module_export.proven import with_values

    realisation = loaded.network.realisations["pytorch"]
    module = with_values(realisation.build(), realisation.names, loaded.parameters)
    request = ConvertRequest(to="onnx", output=folder / MODEL_FILE, inputs=tuple(specs))
    return convert_module(module, net.name, request, progress)


def _of_mindspore(net: OneNet, specs: Sequence[InputSpec], folder: Path, progress: Progress) -> AnyConversion:
    from triport.parity.graphs.convert import convert_cell, convert_mindir
    from triport.parity.graphs.result import result_of

    output = folder / MODEL_FILE
    if isinstance(net, NetFile):
        return result_of(lambda: convert_mindir(net.path, output, progress=progress))
    made, checkpoint = make(net), folder / MINDSPORE_FILE
    # names are those of `construct`, and which whole numbers go in is read from the graph
    plain = [InputSpec(spec.shape, spec.dtype) for spec in specs]
    return result_of(lambda: convert_cell(made, plain, output, checkpoint=checkpoint, progress=progress))


def _write_as_it_is(path: Path, output: Path) -> dict[str, Any]:
    """Write a file's graph with all data within, and without metadata: claims that nothing checks."""
    import onnx

    model, stored = onnx.load(path, load_external_data=False), open_checkpoint(path).tensors
    outside = [one for one in model.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]
    if path.stat().st_size + sum(stored[one.name].nbytes for one in outside) > _LARGEST_BYTES:
        raise _too_large(str(path))
    for tensor in outside:
        del tensor.external_data[:]
        tensor.ClearField("data_location")
        tensor.raw_data = b"".join(stored[tensor.name].chunks())
    left_out = [entry.key for entry in model.metadata_props]
    del model.metadata_props[:]
    opsets = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    if len(opsets) != 1:
        raise NotPublishableError(
            f"{path}: says {len(opsets)} opsets of ONNX, expected one. Nothing was written"
        )
    output.write_bytes(model.SerializeToString(deterministic=True))
    _check(path, output)
    notes = ["metadata of the source are left out, which nothing checks: " + ", ".join(left_out)]
    return {
        "exporter": AS_IT_IS,
        "opset": opsets[0],
        "proof": "the graph of the publisher's file, which nobody has made again",
        "notes": [short(note, 900) for note in notes if left_out],
    }


def _check(path: Path, output: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(output), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise NotPublishableError(
            f"{path}: is not valid: {short(str(error).splitlines()[0].rstrip('.'), 300)}. Nothing was written"
        ) from None
