"""What only ties a MindIR graph together: it leaves no trace in ONNX."""

from __future__ import annotations

from typing import Any

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import Monad

from . import mindir_operator

NO_ITEM = "there is no item {index}"
NO_RESULT = "result {index} of the operator before it is not converted"


@mindir_operator("Load", "TensorMove")
def copy(call: MindirCall, builder: Builder) -> Any:
    """Copy what the storage holds now: later in-place operators do not change the copy."""
    del builder
    return call.tensor(0)


@mindir_operator("UpdateState")
def update_state(call: MindirCall, builder: Builder) -> Any:
    """Order side effects, which the order of the nodes already does."""
    del builder
    for index in range(len(call.node.inputs)):
        call.entry(index)
    return Monad()


@mindir_operator("Depend")
def depend(call: MindirCall, builder: Builder) -> Any:
    """Return the first input; the others only have to be computed before."""
    del builder
    for index in range(1, len(call.node.inputs)):
        call.entry(index)
    return call.entry(0)


@mindir_operator("MakeTuple", "make_list")
def make_tuple(call: MindirCall, builder: Builder) -> Any:
    """Return the entries themselves: a tensor in a tuple is not copied."""
    del builder
    return tuple(call.entry(index) for index in range(len(call.node.inputs)))


@mindir_operator("TupleGetItem", refuses=(NO_ITEM, NO_RESULT))
def tuple_get_item(call: MindirCall, builder: Builder) -> Any:
    """Return one entry."""
    del builder
    items = call.entry(0)
    index = call.constant(1)
    if not isinstance(items, tuple | list) or not -len(items) <= index < len(items):
        raise call.unsupported(NO_ITEM, index=index)
    item = items[index]
    if item is None:
        raise call.unsupported(NO_RESULT, index=index)
    return item
