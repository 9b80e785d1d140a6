"""NaN, infinities, halves, signs and ties: where the source of an operator gives another number.

Each operator alone is written in both frameworks and run beside ONNX Runtime on numbers at the edges of its
definition. A line an operator and framework that differ; the last one counts.

    python benchmarks/special_numbers.py [OPERATOR ...]
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from triport.converters import environment

environment.prepare()

import numpy as np
import onnx

from triport.converters.onnx_import.reading import ImportRefusedError, model_of
from triport.converters.onnx_import.targets import TARGETS, Target
from triport.converters.onnx_import.tree import flat
from triport.converters.onnx_import.writer import source_of
from triport.converters.onnx_import.written import built
from triport.parity.imported.judge import UnoptimisedRuntime
from triport.parity.imported.runs import run

NAN, INF = np.nan, np.inf


def floats(*numbers: float, shape: tuple[int, ...] = (-1,)) -> np.ndarray:
    """Return an array of float32."""
    return np.array(numbers, np.float32).reshape(shape)


ONE = floats(NAN, INF, -INF, 0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3, -3, 3e38, -3e38)
LEFT = floats(NAN, 1, NAN, INF, -INF, 0, -0.0, 5, -5, 5, -5, 0, 1, -1, INF, -INF)
RIGHT = floats(1, NAN, NAN, -INF, INF, -0.0, 0, 3, 3, -3, -3, 0, 0, 0, INF, INF)
WHOLE = np.array([7, -7, 7, -7, 6, -6, 0, 5], np.int64), np.array([2, 2, -2, -2, 3, 3, 5, -3], np.int64)
ROWS = floats(1, 3, 3, 2, NAN, 3, 1, 1, shape=(2, 4))
TIES = floats(1, 3, 3, 2, 1, 1, 5, 5, shape=(2, 4))
LONE = """
    Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf
    IsNaN LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan
    Tanh ThresholdedRelu
"""
PAIRS = "Add Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mul PRelu Pow Sub"
REDUCED = "L1 L2 LogSumExp Max Mean Min Prod Sum SumSquare"


@dataclass(frozen=True)
class Case:
    """One operator: its inputs, of which those at `stored` are in the file, and its attributes."""

    operator: str
    inputs: tuple[np.ndarray, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    stored: tuple[int, ...] = ()

    def model(self) -> Any:
        """Return the model of the operator alone."""
        value, kind = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
        names = [f"i{i}" for i in range(len(self.inputs))]
        node = onnx.helper.make_node(self.operator, names, ["y"], "node", **self.attributes)
        given = [n for i, n in enumerate(names) if i not in self.stored]
        graph = onnx.helper.make_graph(
            [node],
            "graph",
            [value(n, kind(a.dtype), a.shape) for n, a in zip(names, self.inputs, strict=True) if n in given],
            [value("y", onnx.TensorProto.UNDEFINED, None)],
            [onnx.numpy_helper.from_array(self.inputs[i], names[i]) for i in self.stored],
        )
        opset = [onnx.helper.make_opsetid("", 20)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
        return onnx.shape_inference.infer_shapes(model)

    @property
    def feed(self) -> dict[str, np.ndarray]:
        """The inputs that are given."""
        return {f"i{i}": array for i, array in enumerate(self.inputs) if i not in self.stored}


def cases() -> list[Case]:
    """Return all cases."""
    found = [Case(each, (ONE,)) for each in LONE.split()]
    found += [Case(each, (LEFT, RIGHT)) for each in PAIRS.split()]
    found += [Case("Mod", (LEFT, RIGHT), {"fmod": 1}), Case("Mod", WHOLE), Case("Mod", WHOLE, {"fmod": 1})]
    found += [Case(each, WHOLE) for each in ("Div", "Max", "Min", "Pow")]
    found += [Case("Pow", (WHOLE[0], floats(2, 3, 0, 1, 2, 3, 0, 4)))]
    found += [Case("Pow", (floats(2, 3, -2, -8, 0, 0, NAN, 1), np.array([3, -1, 3, 2, 0, -1, 0, 5])))]
    for low, high in ((-1, 1), (2, 1)):
        found.append(Case("Clip", (ONE, floats(low, shape=()), floats(high, shape=())), stored=(1, 2)))
    for name in ("ArgMax", "ArgMin"):
        ways = [(rows, last) for rows in (TIES, ROWS) for last in (0, 1)]
        found += [Case(name, (rows,), {"axis": 1, "select_last_index": last}) for rows, last in ways]
    far = (ROWS, floats(INF, -INF, 1, 2, shape=(2, 2)), floats(-INF, -INF, 1, 2, shape=(2, 2)))
    found += [
        Case(f"Reduce{name}", (rows, np.array([1])), stored=(1,)) for name in REDUCED.split() for rows in far
    ]
    chances = floats(INF, 1, -INF, -INF, NAN, 1, -INF, 0, shape=(4, 2))
    found += [Case(name, (chances,), {"axis": 1}) for name in ("Softmax", "LogSoftmax", "Hardmax")]
    pooled = floats(NAN, 1, 2, 3, -INF, -INF, 1, NAN, shape=(1, 1, 8))
    found += [Case("MaxPool", (pooled,), {"kernel_shape": [2]}), Case("GlobalMaxPool", (pooled,))]
    found += [Case("Cast", (floats(1.9, -1.9, 2.5, -2.5, 255.5, -1),), {"to": 6})]
    found += [Case("Cast", (floats(NAN, 0, -0.0, INF),), {"to": 9})]
    found += [Case("Where", (ROWS > 1, ROWS, TIES)), Case("CumSum", (ROWS, np.array(1)), stored=(1,))]
    quantised = floats(0.5, 1.5, 2.5, -0.5, 300, NAN, INF, -INF), floats(1, shape=()), np.array(0, np.uint8)
    return [*found, Case("QuantizeLinear", quantised, stored=(1, 2))]


def results(case: Case, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return what the source gives, and what ONNX Runtime does.

    Raises:
        ImportRefusedError: the operator has no translation.
    """
    model = case.model()
    (wanted,) = UnoptimisedRuntime.of(model.SerializeToString()).run(case.feed)
    read = model_of(model, Path("model.onnx"))
    source = source_of(read, target, "special", flat(read.graph))
    (found,) = run(built(source), target, list(case.feed.values()))
    return found, wanted


def differences(case: Case, target: Target) -> str:
    """Return where the source gives something else, nothing if it nowhere does, or why it is refused."""
    try:
        found, wanted = results(case, target)
    except ImportRefusedError as error:
        return f"refused: {error}"
    near = np.isclose(found.astype(np.float64), wanted.astype(np.float64), 1e-5, 1e-6, equal_nan=True)
    if near.all():
        return ""
    shown = [a[~near] if a.shape == near.shape else a.reshape(-1) for a in (*case.inputs, wanted, found)]
    *given, its, mine = (np.array2string(each, precision=5, max_line_width=1000) for each in shown)
    return f"of {', '.join(given)}: ONNX Runtime {its}, the source {mine}"


def main(wanted: list[str]) -> None:
    """Print what differs."""
    warnings.simplefilter("ignore")
    counts = dict.fromkeys(TARGETS, 0)
    chosen = [case for case in cases() if not wanted or case.operator in wanted]
    for case in chosen:
        for target in TARGETS:
            said = differences(case, target)
            counts[target] += bool(said)
            if said:
                print(f"{target:9}  {case.operator}  {said}")
    print(f"of {len(chosen)} cases differ: {', '.join(f'{n} in {target}' for target, n in counts.items())}")


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main(sys.argv[1:])
