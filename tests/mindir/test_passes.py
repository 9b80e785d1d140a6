"""The passes over a graph whose nodes are written: what they do, and what they refuse and promise."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx_ir.passes import PostconditionError, PreconditionError

from triport.converters.mindir.errors import FixedBatchError
from triport.converters.mindir.passes.declare_shapes import DeclareShapes
from triport.converters.mindir.passes.end_in_outputs import EndInOutputs
from triport.converters.mindir.passes.name_values import NameValues


def value(name: str, *shape: int) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))


def node(op_type: str, given: list[ir.Value], made: list[ir.Value], scope: str, **attributes: int) -> ir.Node:
    return ir.node(op_type, given, attributes, outputs=made, name=scope)


@pytest.fixture
def x() -> ir.Value:
    return value("input", 2, 4)


@pytest.fixture
def made() -> ir.Value:
    return value("%0.0", 2, 4)


@pytest.fixture
def model(x: ir.Value, made: ir.Value) -> ir.Model:
    """A Relu of the input, without outputs yet."""
    graph = ir.Graph([x], [], nodes=[node("Relu", [x], [made], "net/relu")], opset_imports={"": 17})
    return ir.Model(graph, ir_version=8)


def test_outputs_that_are_one_value_or_an_input(model: ir.Model, x: ir.Value, made: ir.Value) -> None:
    EndInOutputs([made, made, x], ["a", "b", "c"])(model)
    assert [end.name for end in model.graph.outputs] == ["a", "b", "c"]
    assert [one.op_type for one in model.graph] == ["Relu", "Identity", "Identity"]


def test_outputs_are_declared_once(model: ir.Model, made: ir.Value) -> None:
    EndInOutputs([made], ["a"])(model)
    with pytest.raises(PreconditionError, match="has outputs already"):
        EndInOutputs([made], ["a"])(model)


def test_a_pass_that_does_not_do_it_is_found(model: ir.Model, made: ir.Value) -> None:
    class Forgets(EndInOutputs):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            return ir.passes.PassResult(model, modified=False)

    with pytest.raises(PostconditionError, match=r"ends in \[\], not in \['a'\]"):
        Forgets([made], ["a"])(model)


def test_names_are_unique(model: ir.Model, made: ir.Value) -> None:
    """Two nodes of one scope, and a scope that is called as a value of another node."""
    parts = [value("%1.0", 1, 4), value("%1.1", 1, 4)]
    again, last = value("%2.0", 1, 4), value("%3.0", 1, 4)
    model.graph.append(node("Split", [made], parts, "net/relu", axis=0))
    model.graph.append(node("Add", parts, [again], "net/relu/Split:0"))
    model.graph.append(node("Abs", [again], [last], "input"))
    EndInOutputs([last], ["logits"])(model)
    NameValues()(model)
    assert [one.name for one in model.graph] == [
        "net/relu",
        "net/relu/Split",
        "net/relu/Split:0/Add",
        "input_1",
    ]
    assert [part.name for part in parts] == ["net/relu/Split:0", "net/relu/Split:1"]


def test_what_nothing_needs_takes_no_name(model: ir.Model) -> None:
    with pytest.raises(PreconditionError, match="nothing needs net/relu"):
        NameValues()(model)


def test_a_free_batch_is_declared(model: ir.Model, made: ir.Value, x: ir.Value) -> None:
    end = value("%1.0", 2, 4)
    model.graph.append(node("Abs", [made], [end], "net/abs"))
    EndInOutputs([end], ["logits"])(model)
    DeclareShapes(2, {"logits": 0})(model)
    assert (list(x.shape), list(end.shape)) == (["N", 4], ["N", 4])  # type: ignore[arg-type]
    assert made.shape is None


def test_a_batch_size_in_the_graph_is_found(model: ir.Model, made: ir.Value) -> None:
    shape = ir.Value(name="shape", shape=ir.Shape([2]), type=ir.TensorType(ir.DataType.INT64))
    end = value("%2.0", 2, 4)
    model.graph.append(ir.node("Constant", [], {"value": ir.tensor([2, 4])}, outputs=[shape], name="shape"))
    model.graph.append(node("Reshape", [made, shape], [end], "net/reshape"))
    EndInOutputs([end], ["logits"])(model)
    with pytest.raises(FixedBatchError, match="the first axis of logits is fixed"):
        DeclareShapes(2, {"logits": None})(model)


def test_a_value_without_a_traced_shape(model: ir.Model, made: ir.Value) -> None:
    EndInOutputs([made], ["logits"])(model)
    made.shape = None
    with pytest.raises(PreconditionError, match="no traced shape"):
        DeclareShapes(None, {})(model)
