"""Tiny Cells, run in MindSpore and, converted, in ONNX Runtime."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

# read when MindSpore loads: 75 times faster convolutions, and no warnings
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")


@pytest.fixture(scope="session")
def build_cell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a function that makes a randomised Cell of an expression (see mindir_cases)."""
    return make_builder(tmp_path_factory.mktemp("cells"))


def make_builder(folder: Path) -> Callable[[str], Any]:
    """Return a function that makes a randomised Cell, by way of a file in the folder."""
    built: list[str] = []

    def build(expression: str) -> Any:
        # MindSpore compiles a function from its source, so it needs a file
        name = f"triport_test_cell_{len(built)}"
        built.append(name)
        *statements, result = [part.strip() for part in expression.split(";")]
        layer = "None"
        if not re.search(r"\bx\b", expression):
            layer, result = expression, "layer(x)"
        elif "layer(" in result:
            layer = statements.pop(0)
        body = "".join(f"    {line}\n" for line in (*statements, f"return {result}"))
        path = Path(folder, f"{name}.py")
        path.write_text(
            "import mindspore as ms\nfrom mindspore import mint, nn, ops\n"
            f"layer = {layer}\n\n\ndef compute(layer, x):\n{body}\n\n"
            "class Tiny(nn.Cell):\n    def __init__(self):\n        super().__init__()\n"
            "        self.layer = layer\n\n    def construct(self, x):\n"
            "        return compute(self.layer, x)\n"
        )
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        cell = module.layer if result == "layer(x)" else module.Tiny()
        randomise(cell)
        cell.set_train(False)
        return cell

    return build


def randomise(cell: Any) -> None:
    """Fill every parameter, statistics included, so that no mistake cancels out."""
    import mindspore

    generator = np.random.default_rng(0)
    for parameter in cell.get_parameters():
        if parameter.name.endswith(("gamma", "variance")):
            values = generator.uniform(0.5, 1.5, parameter.shape)
        elif len(parameter.shape) > 1:
            values = generator.normal(size=parameter.shape) * (2 / np.prod(parameter.shape[1:])) ** 0.5
        else:
            values = generator.normal(size=parameter.shape) * 0.1
        parameter.set_data(mindspore.Tensor(values.astype(np.float32)))


def make_input(shape: Sequence[int]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=tuple(shape)).astype(np.float32)


def run_mindspore(cell: Any, x: np.ndarray) -> list[np.ndarray]:
    """Run the Cell compiled, and return all its results."""
    return [array for item in run_mindspore_apart(cell, x) for array in item]


def run_mindspore_apart(cell: Any, x: np.ndarray) -> list[list[np.ndarray]]:
    """Return the results that each item of what the Cell returns holds.

    Compiled: operator by operator, MindSpore 2.10 forgets in-place writes on CPU.
    """
    import mindspore

    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    result = cell(mindspore.Tensor(x))
    return [_flatten(item) for item in (result if isinstance(result, tuple | list) else [result])]


def _flatten(result: Any) -> list[np.ndarray]:
    if isinstance(result, tuple | list):
        return [array for item in result for array in _flatten(item)]
    return [result.asnumpy()]


def with_kernels_of_mindspore(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph as MindSpore's CPU kernels compute it: some of them are far from float64."""
    from triport.parity.graphs.kernels import as_mindspore_computes

    copies = as_mindspore_computes(model)
    return model if copies is None else copies.imitating


def run_onnx(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: x})


def check_model(model: onnx.ModelProto) -> None:
    """Check in full, infer shapes strictly, and find nothing left over."""
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    used = {name for node in model.graph.node for name in node.input}
    outputs = {output.name for output in model.graph.output}
    producers = {name: node for node in model.graph.node for name in node.output}
    known = (*inferred.value_info, *inferred.input, *inferred.output)
    elem_types = {value.name: value.type.tensor_type.elem_type for value in known}
    for node in model.graph.node:
        assert used.union(outputs).intersection(node.output), f"dead node {node.name}"
        assert node.op_type != "Identity" or outputs.intersection(node.output), f"identity {node.name}"
        if node.op_type == "Cast":
            before, after = (elem_types.get(name) for name in (node.input[0], node.output[0]))
            assert before is None or before != after, f"cast to the same type {node.name}"
        above = producers.get(node.input[0]) if node.input else None
        if node.op_type == "Transpose" and above is not None and above.op_type == "Transpose":
            first, second = (list(one.attribute[0].ints) for one in (above, node))
            assert [first[axis] for axis in second] != sorted(first), f"transposed twice {node.name}"
    assert all(tensor.name in used for tensor in model.graph.initializer)


def largest_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Return max|found - reference| / max|reference|."""
    if found.dtype == bool or not np.isfinite(reference).all():
        return 0.0 if np.array_equal(found, reference, equal_nan=found.dtype != bool) else 1.0
    found, reference = found.astype(np.float64), reference.astype(np.float64)
    return float(np.abs(found - reference).max() / max(np.abs(reference).max(), 1e-30))
