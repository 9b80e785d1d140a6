"""The ONNX file of a network of one's own: made by the converter that proves it, and its signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.converters.formats import short
from triport.converters.networks.arguments import Factory
from triport.converters.networks.factories import Made, make
from triport.converters.networks.input_specs import InputSpec
from triport.converters.provenance import VERSION_KEY
from triport.converters.published import MANIFEST, MODEL_FILE
from triport.converters.request import Request
from triport.publishing.folder import MINDSPORE_FILE
from triport.publishing.outcome import NotPublishableError, PublishError

if TYPE_CHECKING:
    from triport.parity.graphs.result import AnyConversion
    from triport.parity.module_export.result import ModuleConversion
    from triport.parity.subjects.own import LoadedNet

Progress = Callable[[str], None]


def write_graph(
    factory: Factory, specs: Sequence[InputSpec], loaded: LoadedNet, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Write the first network as ONNX, and return what the manifest says of how that was proven.

    Raises:
        NotPublishableError: no graph is right.
    """
    from triport.parity.graphs.convert import convert_cell
    from triport.parity.graphs.result import result_of
    from triport.parity.module_export.convert import convert_module
    from triport.parity.module_export.proven import with_values

    runtime, realisation = next(iter(loaded.network.realisations.items()))
    output = folder / MODEL_FILE
    done: ModuleConversion | AnyConversion
    if runtime == "pytorch":
        module = with_values(realisation.build(), realisation.names, loaded.parameters)
        request = Request(to="onnx", output=output, inputs=tuple(specs))
        done = convert_module(module, factory.name, request, progress)
        exporter, proof = str(done.exporter), f"{done.reference}: {done.verdict}"
    else:
        if any(spec.name or spec.free or spec.values for spec in specs):
            raise PublishError(
                "--input: of a Cell, sizes and an element type are said; its inputs have the names that "
                "`construct` gives them, and the leading axis is the free one"
            )
        made = Made(factory, make(factory).network, "mindspore")
        checkpoint = folder / MINDSPORE_FILE
        done = result_of(lambda: convert_cell(made, specs, output, checkpoint=checkpoint, progress=progress))
        exporter, proof = "MindIR", str(done.comparison)
    if not done.passed:
        raise NotPublishableError(
            f"{factory.text}: no ONNX graph of it is right: {proof}. `convert` says more. Nothing was written"
        )
    if output.with_name(f"{MODEL_FILE}.data").exists():
        raise NotPublishableError(
            f"{factory.text}: has more than 2 GiB of weights, which one ONNX file cannot hold. Nothing was "
            "written"
        )
    notes = [short(str(note), 900) for note in done.warnings]
    return {"exporter": exporter, "opset": done.opset, "proof": short(proof, 900), "notes": notes}


def signature_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return an ONNX file's inputs and outputs: name, dtype, and shape with names for free axes."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    stored = {tensor.name for tensor in model.graph.initializer}
    return {
        "inputs": [_value(one) for one in model.graph.input if one.name not in stored],
        "outputs": [_value(one) for one in model.graph.output],
    }


def _value(value: Any) -> dict[str, Any]:
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return {
        "name": value.name,
        "dtype": str(dtype),
        "shape": [axis.dim_param or axis.dim_value or "?" for axis in kind.shape.dim],
    }


def graph_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the graph is broken, or not what the manifest says."""
    import onnx

    model = onnx.load(folder / MODEL_FILE, load_external_data=False)
    if any(tensor.data_location for tensor in model.graph.initializer):
        yield f"{MODEL_FILE}: takes data from another file"
        return
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield f"{MODEL_FILE}: {short(str(error).splitlines()[0], 300)}"
    found = signature_of(folder / MODEL_FILE)
    for side in ("inputs", "outputs"):
        if found[side] != values[side]:
            yield (
                f"{MODEL_FILE}: its {side} are {short(str(found[side]), 300)}, {MANIFEST} says "
                f"{short(str(values[side]), 300)}"
            )
    opsets = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    if opsets != [values["graph"]["opset"]]:
        yield f"{MODEL_FILE}: is of opset {opsets}, {MANIFEST} says {values['graph']['opset']}"
    for entry in model.metadata_props:
        if entry.key != VERSION_KEY:
            yield f"{MODEL_FILE}: its metadata has {short(entry.key)}, which triport does not write"
        elif entry.value != values["triport"]:
            yield f"{MODEL_FILE}: says that triport {short(entry.value)} wrote it"
