"""Whether a folder's ONNX files are what the manifest says: a checked graph, its signature, its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triport.converters.formats import open_checkpoint
from triport.converters.formats.tensors import short
from triport.converters.provenance import FOLDED_KEY, SOURCE_SHA256_KEY, VERSION_KEY, provenance
from triport.converters.published import MODEL_FILE
from triport.publishing.folder import MINDSPORE_FILE, PYTORCH_FILE
from triport.publishing.graph_file import graph_problems
from triport.reference_models.spec import get_model

from .files import OPTIMIZED_FILE
from .texts import preparation_of


def structure_problems(folder: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where graphs or what the files state of themselves are not what the manifest needs."""
    import onnx

    size, classes = values["preprocess"]["crop_px"], values["num_classes"]
    for name in (MODEL_FILE, OPTIMIZED_FILE):
        model = onnx.load(folder / name, load_external_data=False)
        yield from graph_problems(name, model)
        yield from _signature_problems(name, model, size, classes)
        stated = [(entry.key, entry.value) for entry in model.metadata_props]
        expected = _metadata(values) | ({FOLDED_KEY: "BatchNorm"} if name == OPTIMIZED_FILE else {})
        yield from _metadata_problems(name, stated, expected)
    expected = _metadata(values)
    del expected[SOURCE_SHA256_KEY]
    for name in values["files"]:
        if name.endswith((Path(PYTORCH_FILE).suffix, Path(MINDSPORE_FILE).suffix)):
            stated = list(open_checkpoint(folder / name).metadata.items())
            yield from _metadata_problems(name, stated, expected)


def _metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what the manifest's files state of themselves."""
    prepared = preparation_of(values)
    return {
        **provenance(
            get_model(values["model"]),
            values["num_classes"],
            values["source"]["dialect"],
            values["source"]["sha256"],
            prepared.preprocess,
            str(prepared),
        ),
        VERSION_KEY: values["triport"],
    }


def _metadata_problems(
    name: str, stated: list[tuple[str, str]], expected: Mapping[str, str]
) -> Iterator[str]:
    found = dict(stated)
    if len(found) != len(stated):
        yield f"{name}: a key of its metadata is there twice"
    for key, value in expected.items():
        if found.get(key) != value:
            yield (
                f"{name}: its metadata {key} is {short(str(found.get(key)), 300)}, the manifest says "
                f"{short(value, 300)}"
            )
    others = sorted(map(short, found.keys() - expected.keys()))
    if others:
        yield f"{name}: its metadata has {', '.join(others[:10])}, which triport does not write"


def _signature_problems(name: str, model: Any, size_px: int, classes: int) -> Iterator[str]:
    from triport.converters.onnx_export.written_model import INPUT, LOGITS

    for values, expected, dims in (
        (model.graph.input, INPUT, [3, size_px, size_px]),
        (model.graph.output, LOGITS, [classes]),
    ):
        shapes = {
            value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in values
        }
        if shapes != {expected: [0, *dims]}:
            yield (
                f"{name}: expected {expected} (N, {', '.join(map(str, dims))}), found "
                f"{short(str(shapes), 300)}"
            )
