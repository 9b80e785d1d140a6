"""The names in a .mindir file, before anything is made of them.

They become names in the ONNX file and stand in messages: nothing that a terminal would obey, and no
longer than a real name is, may be among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triport.converters.formats.tensors import short
from triport.reference_models.errors import counted

MAX_TEXT = 4096  # characters; the longest scope of a known network has some 300


def find_bad_text(model: Any) -> str | None:
    """Return what is wrong with a name in the file, None if all can be shown."""
    for text in _iterate_texts(model):
        if not isinstance(text, str):
            return "a name inside is not UTF-8"
        if not text.isprintable():
            return f"a name inside, '{short(text)}', has characters that cannot be printed"
        if len(text) > MAX_TEXT:
            return (
                f"a name inside, '{short(text)}', has {counted(len(text), 'character')}, expected at most "
                f"{MAX_TEXT}"
            )
    return None


def _iterate_texts(model: Any) -> Iterator[Any]:
    """Yield every name that is read; protobuf leaves what is not UTF-8 as bytes."""
    yield from (model.graph.name, model.producer_name, model.model_version)
    for item in (*model.graph.node, *model.primitives):
        yield from (item.name, item.op_type)
        yield from _iterate_attributes(item.attribute)
    for node in model.graph.node:
        yield from (node.domain, *node.input, *node.output)
    for item in (*model.graph.parameter, *model.graph.input, *model.graph.output, *model.functions):
        yield item.name
    for parameter in model.graph.parameter:
        yield parameter.external_data.location


def _iterate_attributes(attributes: Any) -> Iterator[Any]:
    for attribute in attributes:
        yield attribute.name
        yield from _iterate_attributes(attribute.values)
