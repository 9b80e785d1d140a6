"""The node cases of the installed onnx package, each imported, run and judged.

    python benchmarks/backend_tests.py [--to pytorch|mindspore] [--device D] [-k WORD] [--show REASONS]

Prints how many passed, how many were refused (with the reasons counted), and how many were wrong. A case is
wrong where the source was written and run, and its outputs are not the case's: that must be none. Of the few
cases whose data is not what the operator's text says, the source must give what ONNX Runtime does: they are
counted apart, as disputed. With `--device cuda` a PyTorch module runs
there: what it makes must lie where its inputs do.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GLOG_v", "3")

import numpy as np

from triport.converters.onnx_import.reading import ImportRefusedError, model_of
from triport.converters.onnx_import.targets import TARGETS
from triport.converters.onnx_import.tree import flat
from triport.converters.onnx_import.writer import source_of
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.judge import UnoptimisedRuntime
from triport.parity.imported.runs import run

# of each, what its data has in another way than the text
DISPUTED = {
    f"test_resize_downsample_scales_{mode}_align_corners": "the length before it is cut to a whole one"
    for mode in ("linear", "cubic")
}
SUMS = ("test_dft", "test_stft")


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", choices=TARGETS, default="pytorch")
    parser.add_argument("-k", default="")
    parser.add_argument("--show", type=int, default=15, help="how many reasons and wrong cases")
    parser.add_argument("--source", action="store_true", help="print each case's source")
    parser.add_argument("--device", default="cpu", help="where a PyTorch module runs")
    arguments = parser.parse_args()
    started = time.monotonic()
    ways = Ways(arguments.to, arguments.device, arguments.source)
    verdicts = counted(ways, arguments.k, arguments.show)
    figures = ", ".join(
        f"{kind} {verdicts[kind]}" for kind in ("passed", "disputed", "refused", "failed", "wrong")
    )
    where = "" if arguments.device == "cpu" else f" on {arguments.device}"
    print(f"{arguments.to}{where}: {verdicts.total()} cases: {figures}; {time.monotonic() - started:.0f} s")
    sys.exit(1 if verdicts["wrong"] else 0)


@dataclass(frozen=True, slots=True)
class Ways:
    """What the cases become, and where it runs; `shown`: print each source."""

    target: Any
    device: str = "cpu"
    shown: bool = False

    def loaded(self, folder: Path) -> Any:
        """Return the network that was written there, with its inputs moved to the device before it."""
        network = load(folder, "case", self.target)
        if self.device == "cpu":
            return network
        moved = network.to(self.device)
        return lambda *inputs: moved(*(given.to(self.device) for given in inputs))


def counted(ways: Ways, word: str = "", shown: int = 15) -> Counter[str]:
    """Judge the cases whose names hold a word, print what was not passed, and return the verdicts counted."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = [case for case in load_model_tests(kind="node") if word in case.name]
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    bad = []
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind, why = judged(case, ways)
        verdicts[kind] += 1
        if kind in ("wrong", "failed", "disputed"):
            bad.append(f"  {kind}: {case.name}: {why[:160]}")
        elif kind == "refused":
            reason = re.sub(r"node '[^']*'|(?:value|input|constant) '[^']*'", "", why)
            reasons[reason] += 1
            examples.setdefault(reason, case.name)
    print("\n".join(bad[: shown * 10]))
    for reason, count in reasons.most_common(shown):
        print(f"  refused {count}: {reason[:200]}  ({examples[reason]})")
    return verdicts


def judged(case: Any, ways: Ways) -> tuple[str, str]:
    """Return the verdict on a case, and why."""
    try:
        model = model_of(case.model, Path(case.name))
        source = source_of(model, ways.target, "case", flat(model.graph))
    except ImportRefusedError as error:
        return "refused", str(error)
    except Exception as error:
        return "failed", f"translating: {type(error).__name__}: {error}"[:300]
    if ways.shown:
        print(source.text)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), source)
            network = ways.loaded(Path(folder))
        for inputs, outputs in case.data_sets:
            found = run(network, ways.target, [_array(each) for each in inputs])
            why = difference(found, outputs, case)
            if why and case.name in DISPUTED and not difference(found, by_runtime(case.model, inputs), case):
                return "disputed", DISPUTED[case.name]
            if why:
                return "wrong", why
    except Exception as error:
        return "failed", f"running: {type(error).__name__}: {error}".replace("\n", " ")[:300]
    return "passed", ""


def by_runtime(model: Any, inputs: list[Any]) -> list[np.ndarray]:
    """Return what ONNX Runtime without optimisation makes of a case's inputs."""
    names = [value.name for value in model.graph.input]
    feed = dict(zip(names, map(_array, inputs), strict=True))
    return UnoptimisedRuntime.of(model.SerializeToString()).run(feed)


def _array(value: Any) -> np.ndarray:
    """Return a case's array, which is a TensorProto where NumPy has not its dtype."""
    import onnx

    if isinstance(value, onnx.TensorProto):
        return np.asarray(onnx.numpy_helper.to_array(value))
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError("a sequence or an optional value")
    return np.asarray(value)


def difference(found: list[np.ndarray], wanted: list[Any], case: Any) -> str:
    """Return how the outputs differ from a case's, or nothing."""
    if len(found) != len(wanted):
        return f"{len(found)} outputs, {len(wanted)} expected"
    for mine, its in zip(found, wanted, strict=True):
        its = _array(its)
        if mine.dtype != its.dtype:
            return f"dtype {mine.dtype}, {its.dtype} expected"
        if mine.shape != its.shape:
            return f"shape {mine.shape}, {its.shape} expected"
        a, b = (
            each.astype(np.float64) if each.dtype.kind in "fV" or "float" in str(each.dtype) else each
            for each in (mine, its)
        )
        # two roundings of the dtype itself are no fault
        rtol = {"bfloat16": 1.6e-2, "float16": 2e-3}.get(str(its.dtype), 1e-3)
        # a transform is a sum: where its terms cancel, their roundings are left
        largest = float(np.abs(b).max(initial=0)) if case.name.startswith(SUMS) else 0.0
        if not np.allclose(
            a,
            b,
            rtol=max(case.rtol, rtol),
            atol=max(case.atol, 1e-6 if a.dtype == np.float64 else 0, 1e-7 * largest),
            equal_nan=a.dtype.kind == "f",
        ):
            return f"values {a.reshape(-1)[:4]}, {b.reshape(-1)[:4]} expected"
    return ""


if __name__ == "__main__":
    main()
