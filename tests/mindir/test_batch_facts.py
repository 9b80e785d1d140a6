"""What two traces of one Cell say of the batch."""

from __future__ import annotations

from typing import Any

import onnx
import pytest

from triport.converters.mindir.batch_facts import learn_batch_axes
from triport.converters.mindir.graph import Graph, MindirNode, TensorType


def make_graph(size: int, *nodes: tuple[str, str, tuple[str, ...]]) -> Graph:
    """Return a graph of nodes, each an id, a primitive and inputs, all of `size` images."""
    type_ = TensorType(onnx.TensorProto.FLOAT, (size, 3))
    made = tuple(
        MindirNode(
            id_, primitive, {}, inputs, None if primitive in ("UpdateState", "MakeTuple") else type_, ""
        )
        for id_, primitive, inputs in nodes
    )
    return Graph("main", {"x": type_, "y": type_}, {}, {}, made, (nodes[-1][0],))


WRITES: Any = [("a", "InplaceAddExt", ("x", "x", "u")), ("b", "InplaceAddExt", ("y", "y", "u"))]
ONE_BY_ONE: Any = [("first", "UpdateState", ("u", "a")), ("state", "UpdateState", ("first", "b"))]
TOGETHER: Any = [("both", "MakeTuple", ("a", "b")), ("state", "UpdateState", ("u", "both"))]
END: Any = ("end", "Mul", ("a", "state"))


@pytest.mark.parametrize("second", [ONE_BY_ONE, TOGETHER], ids=["the same", "grouped otherwise"])
def test_side_effects_are_the_same_however_they_are_grouped(second: Any) -> None:
    graph, other = make_graph(2, *WRITES, *ONE_BY_ONE, END), make_graph(5, *WRITES, *second, END)
    learnt = learn_batch_axes(graph, other, 2, 5)
    assert learnt is not None
    assert learnt.batch_axes == {"a": (0, 1), "b": (0, 1), "end": (0, 1)}


def test_a_tuple_with_a_value_for_each_image_is_another_graph() -> None:
    def graph(size: int) -> Graph:
        return make_graph(size, ("all", "MakeTuple", ("x",) * size), ("end", "Stack", ("all",)))

    assert learn_batch_axes(graph(2), graph(5), 2, 5) is None
    assert learn_batch_axes(graph(2), graph(2), 2, 2) is not None
