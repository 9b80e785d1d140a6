"""The Network of a registered model: both definitions, and the files that are made from each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from triport.converters.environment import import_mindspore, import_torch
from triport.converters.names import name_map, reference_dialect
from triport.converters.onnx_export import exporter_for
from triport.converters.onnx_export.written_model import BATCH_AXIS, INPUT, LOGITS
from triport.reference_models.network import Arrays, Input, Network, Realisation, RowAxes
from triport.reference_models.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

SIZE_AXIS = "size"
_BATCH_SIZE = 2


def of_model(spec: ModelSpec, num_classes: int | None = None) -> Network:
    """Return the Network of a registered model: images (N, 3, size, size) to logits (N, classes)."""
    classes = spec.num_classes if num_classes is None else num_classes
    theirs = name_map(spec, reference_dialect(spec, "mindspore"))
    return Network(
        spec.name,
        (Input(INPUT, (BATCH_AXIS, 3, SIZE_AXIS, SIZE_AXIS)),),
        (LOGITS,),
        {
            "mindspore": Realisation(
                "mindspore",
                partial(_cell, spec, classes),
                {name: canonical for canonical, name in theirs.items()},
                export=partial(_exported, "mindspore", spec, classes),
            ),
            "pytorch": Realisation(
                "pytorch",
                partial(_module, spec, classes),
                export=partial(_exported, "pytorch", spec, classes),
            ),
        },
        {BATCH_AXIS: _BATCH_SIZE, SIZE_AXIS: spec.input_size_px},
        RowAxes({INPUT: 0}, {LOGITS: 0}),
    )


def _module(spec: ModelSpec, classes: int) -> Any:
    """Return the PyTorch definition without values, which cost time that nobody needs."""
    with import_torch().device("meta"):
        return spec.build_torch(classes)


def _cell(spec: ModelSpec, classes: int) -> Any:
    """Return the MindSpore definition, likewise."""
    import_mindspore()
    from mindspore.nn.utils import no_init_parameters

    with no_init_parameters():
        return spec.build_mindspore(classes)


def _exported(
    source: str, spec: ModelSpec, classes: int, parameters: Arrays, feed: Arrays
) -> onnx.ModelProto:
    """Return the ONNX model made from a definition; a file is fixed to one image size: that of the feed."""
    sized = replace(spec, input_size_px=feed[INPUT].shape[-1])
    model: onnx.ModelProto = exporter_for(source).export(sized, classes, parameters)
    return model
