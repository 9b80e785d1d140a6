"""Small Cells, one around each kernel of MindSpore: is any right file called wrong, is any fault missed?

Each Cell, with weights of several seeds, is converted as `convert --cell` converts it. Its file must be
equal; then the file is made wrong by 1e-4, in what it returns and in its last matrix, and must be found so.
A line of JSON a Cell and seed: a run that was stopped goes on.

    python benchmarks/kernel_alarms.py [--networks NAME,...] [--seeds 3] [--minutes M]
    python benchmarks/kernel_alarms.py --table
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from triport.converters import environment

environment.prepare()

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.kernel_alarms_cells import CELLS, SmallCell
from benchmarks.network_by_network import Record, arguments, ordered, run, short, tell

FAULT = 1e-4
GAIN = 1.5  # of weights, over what keeps the size of what goes in


def build(small: SmallCell, seed: int, folder: Path) -> Any:
    """Return a Cell of the source, which MindSpore reads from a file, with seeded weights."""
    import mindspore

    path = folder / "small_cell.py"
    path.write_text(small.source())
    spec = importlib.util.spec_from_file_location(f"small_cell_{abs(hash((small.name, seed)))}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    cell = module.Small().set_train(False)
    random = np.random.default_rng(seed)
    for parameter in cell.get_parameters():
        shape = parameter.shape
        scale = GAIN / math.sqrt(shape[-1]) if len(shape) > 1 else 0.1
        values = random.normal(size=shape) * scale + parameter.name.endswith("gamma")
        parameter.set_data(mindspore.Tensor(values.astype(np.float32)))
    return cell


def planted(model: onnx.ModelProto) -> dict[str, onnx.ModelProto]:
    """Return copies of a graph that are wrong by 1e-4, by where."""
    factor = np.float32(1 + FAULT)
    output = onnx.ModelProto()
    output.CopyFrom(model)
    name = output.graph.output[0].name
    for node in output.graph.node:
        node.output[:] = [f"{name}/right" if one == name else one for one in node.output]
        node.input[:] = [f"{name}/right" if one == name else one for one in node.input]
    constant = numpy_helper.from_array(factor, f"{name}/factor")
    output.graph.initializer.append(constant)
    output.graph.node.append(helper.make_node("Mul", [f"{name}/right", constant.name], [name]))
    found = {"output": output}
    last = model.graph.node[-1]
    for index, tensor in enumerate(model.graph.initializer):
        if tensor.name in last.input and len(tensor.dims) > 1:
            weight = onnx.ModelProto()
            weight.CopyFrom(model)
            array = numpy_helper.to_array(tensor) * factor
            weight.graph.initializer[index].CopyFrom(numpy_helper.from_array(array, tensor.name))
            found["last matrix"] = weight
    return found


def judge(small: SmallCell, seed: int) -> Record:
    """Convert one Cell, and what is planted in its file."""
    from triport.converters.mindir.graph import TensorType
    from triport.converters.networks.input_specs import InputSpec
    from triport.parity.graphs.convert import convert_cell
    from triport.parity.graphs.proof import compare
    from triport.parity.graphs.result import result_of
    from triport.reference_models.errors import TriportError

    with tempfile.TemporaryDirectory(prefix="triport-kernels-") as text:
        folder, path = Path(text), Path(text, "right.onnx")
        cell = build(small, seed, folder)
        try:
            done = result_of(lambda: convert_cell(cell, [InputSpec(small.shape)], path))
        except TriportError as error:
            return {"seed": seed, "verdict": "not exported", "why": short(error, 300)}
        comparison = done.comparison
        record: Record = {
            "seed": seed,
            "verdict": comparison.verdict,
            "error": comparison.error,
            "tolerance": comparison.tolerance,
            "on": comparison.feed,
            "note": comparison.note,
        }
        if not done.passed:
            return record
        types = [TensorType(onnx.TensorProto.FLOAT, small.shape)]
        faults = {}
        for where, wrong in planted(onnx.load(path)).items():
            onnx.save(wrong, folder / "wrong.onnx")
            faults[where] = compare(folder / "wrong.onnx", types, lambda: cell, is_batch_free=False).verdict
        return {**record, "faults": faults}


def _line(record: Record) -> str:
    told = f"{record['key'][0]:24} seed {record['seed']} {record['verdict']}"
    if record.get("error") is not None:
        told += f" {record['error']:.1e} of {record['tolerance']:.1e}"
    missed = [where for where, verdict in record.get("faults", {}).items() if verdict != "not equal"]
    return (
        told
        + (f"; by kernels: {record['note'][:60]}" if record.get("note") else "")
        + (f"; MISSED: {', '.join(missed)}" if missed else "")
    )


def summary(records: list[Record]) -> str:
    """Return the counts."""
    alarms = [record for record in records if record["verdict"] != "equal"]
    faults = [verdict for record in records for verdict in record.get("faults", {}).values()]
    lines = [
        f"{len(records)} Cells with seeded weights: {len(records) - len(alarms)} equal, "
        f"{sum(bool(record.get('note')) for record in records)} of them but for MindSpore's kernels; "
        f"{len(faults)} faults of {FAULT:g}: {faults.count('not equal')} found"
    ]
    return "\n".join([*lines, *(_line(record) for record in alarms)])


def main() -> None:
    """Parse the command line; run, or print the counts."""
    parser: argparse.ArgumentParser = arguments(__doc__, "out/kernel_alarms.jsonl")
    parser.add_argument("--seeds", type=int, default=3, help="how many draws of the weights")
    options = parser.parse_args()
    works = {
        (small.name, str(seed)): partial(judge, small, seed)
        for small in CELLS
        for seed in range(options.seeds)
        if options.networks is None or small.name in options.networks.split(",")
    }
    options.networks = None
    if not options.table:
        run(options, works, _line)
    tell(summary(ordered(options.results, works)), options.markdown)


if __name__ == "__main__":
    main()
