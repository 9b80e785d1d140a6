"""Blocks that are alike become one class with arguments, whose networks compute what the graph does."""

import numpy as np
import onnx
import onnx.reference
import pytest

from tests.onnx_import.source_runs import outputs_of, written
from tests.onnx_import.test_hostile import model


def of_blocks(blocks):
    """Return a graph of blocks (name, width within, with a projection, with a sum), each a small MLP."""
    rng, nodes, weights, x = np.random.default_rng(0), [], [], "x"

    def linear(given, name, inner, outer):
        array = rng.standard_normal((inner, outer)).astype("f4")
        weights.append(onnx.numpy_helper.from_array(array, f"{name}.weight"))
        nodes.append(onnx.helper.make_node("MatMul", [given, f"{name}.weight"], [f"{name}.out"]))
        return f"{name}.out"

    for name, width, projects, adds in blocks:
        inner = linear(x, f"{name}.fc1", 2, width)
        nodes.append(onnx.helper.make_node("Relu", [inner], [f"{name}.relu"]))
        made = linear(f"{name}.relu", f"{name}.fc2", width, 2)
        if adds:
            other = linear(x, f"{name}.proj", 2, 2) if projects else x
            nodes.append(onnx.helper.make_node("Add", [made, other], [f"{name}.sum"]))
            made = f"{name}.sum"
        x = linear(made, f"{name}.fc3", 2, 2)
    nodes.append(onnx.helper.make_node("Identity", [x], ["y"]))
    return model(nodes, weights, shape=("N", 2))


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([("a.0", 4, False, True), ("a.1", 6, False, True)], ["a = nn.Sequential(Block(4), Block(6))"]),
        (
            [("a.0", 4, True, True), ("a.1", 4, False, True)],
            ["Block(proj=True)", "if proj", "else nn.Identity()"],
        ),
        (
            [("a.0", 4, False, False), ("a.1", 6, False, True)],
            ["Block(6, residual=True)", "if self.residual else"],
        ),
        (
            [("a.b-0", 4, False, True), ("a.b-1", 4, False, True)],
            ['"b-0": Block()', "for block in self.a.values():"],
        ),
    ],
)
def test_blocks_that_are_alike_are_one_class(blocks, lines, tmp_path):
    proto = of_blocks(blocks)
    source = written(proto, "pytorch")
    assert source.classes == 2 and not source.renamed
    assert all(line in source.text for line in lines), source.text
    x = np.random.default_rng(1).standard_normal((3, 2)).astype("f4")
    wanted = onnx.reference.ReferenceEvaluator(proto).run(None, {"x": x})[0]
    np.testing.assert_allclose(outputs_of(source, [x], tmp_path)[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
def test_lists_whose_blocks_take_something_beside_run_one_after_the_other(target, tmp_path):
    """Each list is a loop that hands on the same variable: the order of the loops is that of the graph."""
    nodes, weights, x, random = [], {}, "x", np.random.default_rng(0)
    for place, name in enumerate(f"{part}.{i}" for part in "bac" for i in range(2)):
        weights[f"{name}.fc.weight"] = random.standard_normal((3, 3)).astype("f4")
        weights[f"{name}.fc.bias"] = random.standard_normal(3).astype("f4")
        names = [x, f"{name}.fc.weight", f"{name}.fc.bias"]
        make = onnx.helper.make_node
        nodes += [
            make("Gemm", names, [f"h{place}"], name=f"/{name}/fc/Gemm", transB=1),
            make("Relu", [f"h{place}"], [f"r{place}"], name=f"/{name}/Relu"),
            make("Add", [f"r{place}", "z"], [f"x{place}"], name=f"/{name}/Add"),
        ]
        x = f"x{place}"
    nodes.append(onnx.helper.make_node("Tanh", [x], ["y"]))
    kind = onnx.TensorProto.FLOAT
    values = {n: onnx.helper.make_tensor_value_info(n, kind, ["N", 3]) for n in ("x", "z", "y")}
    stored = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = onnx.helper.make_graph(nodes, "graph", [values["x"], values["z"]], [values["y"]], stored)
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    source = written(proto, target)
    loops = [line.split()[-1] for line in source.text.splitlines() if line.lstrip().startswith("for block")]
    assert loops == ["self.b:", "self.a:", "self.c:"], source.text
    given = [random.standard_normal((2, 3)).astype("f4") for _ in range(2)]
    wanted = onnx.reference.ReferenceEvaluator(proto).run(None, dict(zip("xz", given, strict=True)))[0]
    np.testing.assert_allclose(outputs_of(source, given, tmp_path)[0], wanted, rtol=1e-5, atol=1e-6)
