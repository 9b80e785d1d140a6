"""Writes docs/versions.md: the sets of versions, and what ran with each.

python -m docs.versions_page

docs/generate.py makes it too, with the other pages. This needs no package, so that `nox` can run it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from triport.converters.versions.tested import FAULTS, SETS, VersionSet, packages, tested_versions

RAN = Path(__file__).parents[1] / "tests" / "versions" / "ran.json"
PAGE = Path(__file__).parent / "versions.md"
_HEAD = """\
<!-- made by docs/generate.py -->
# Versions

Which versions triport is tested with, and which of them ran. `nox` runs the core tests in an environment of
each set (`pip install nox`), and `nox -s page` writes this page of what ran. `python cli.py doctor` compares
what is installed with it: a version of the table is "tested", one between two of them is most likely right,
and for one that is older, newer or known to be wrong it says so (`--json` too, under "versions"). Releases of
one minor version count as one.

## Install

```
pip install "triport[pytorch]"
pip install "triport[mindspore,onnx]"
```

| extra | brings |
|---|---|
| `pytorch`, `mindspore`, `openvino` | that framework |
| `onnx` | ONNX Runtime; `onnx-gpu` is that for CUDA, `onnx-cann` that for Ascend NPUs: one of the three |
| `npu` | torch_npu, which no other extra brings: without CANN it breaks `import torch` |
| `images`, `parquet`, `imagenet` | for `evaluate`: images, the hub's Parquet files, ImageNet's labels |
| `hub` | weights by name, and `publish --push` |
| `signing` | model-signing, to sign a published folder |
| `all` | `pytorch`, `mindspore`, `onnx`, `images` and `hub` |

That is how it is installed once a release is on an index. Until then, in a checkout, `-e ".[pytorch]"` stands
in the place of `"triport[pytorch]"`; `-c constraints.txt` asks for the newest set of the table below.

Weights move, and are inspected, compared and verified, without any framework, so with every version of them;
a checkpoint or a MindIR of an older MindSpore is read whatever is installed here.
"""
_FOOT = """
## What differs between versions

Each difference is one file of `triport/converters/versions/`.

- **MindSpore 2.7 and 2.8** bring protobuf modules that today's protobuf refuses once onnx is imported.
  triport loads them, whichever of protobuf's backends is at work. In a program of your own,
  `import triport.mindspore` before `import mindspore`.
- **MindIR** of 2.7, 2.8 and 2.9 is read: `tests/data/mindir/` has files that they wrote, with what they
  computed.
- **PyTorch before 2.6** exports a Module by TorchScript only, and before 2.5 that is its one exporter. Opset
  17 is the newest that PyTorch 2.1 writes; newer ones are made of it by onnx's version converter. It does not
  say at which sizes a Module's own code goes another way, so that a free axis is proven at fewer sizes, which
  the output then says.
- **PyTorch 2.1** has no unsigned integers of 16 bits and more, and loads no float8 with `weights_only`;
  safetensors 0.5 has no complex numbers. triport itself reads and writes them whatever is installed.
- **Python 3.10** needs `tomli`, which is installed by itself.
- **NumPy 2** works without MindSpore; with it, some operators of MindSpore die.
- **ONNX Runtime** is `onnxruntime`, `onnxruntime-gpu` or `onnxruntime-cann`, whichever is installed: one of
  them, never two.

## What has not been run

A set whose row says "not run" has not run to its end.

PyTorch 2.2 to 2.12 and ONNX Runtime 1.21 to 1.30 lie between versions that ran, and did not run themselves.
onnxruntime-cann, torch_npu and MindSpore's Ascend backend need devices that were not at hand for this table;
onnxruntime-gpu 1.31.1 ran with PyTorch 2.11 on a GPU ([parity.md](parity.md#on-a-gpu)).
MindSpore before 2.7 is not on the index, so it could not be tried.
"""


def page_text() -> str:
    """Return the page."""
    ran = json.loads(RAN.read_text()) if RAN.exists() else {}
    return "\n".join([_HEAD, *_sets(ran), "", *_packages(), "", *_faults(), _FOOT])


def _sets(ran: dict[str, dict]) -> Iterator[str]:
    yield "## What ran\n"
    yield "| set | Python | MindSpore | PyTorch | ONNX Runtime | onnx | NumPy | core tests |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in SETS.values():
        names = ("mindspore", "torch", "onnxruntime", "onnx", "numpy")
        versions = " | ".join(one.versions.get(name, "none") for name in names)
        yield f"| {one.name} | {one.python} | {versions} | {_outcome(one, ran.get(one.name))} |"
    for name, record in ran.items():
        if failures := record.get("failures"):
            yield f"\nWhat failed in the set {name}:\n"
            yield from (f"- `{failure}`" for failure in failures)


def _outcome(one: VersionSet, ran: dict | None) -> str:
    if ran is None or ran["versions"] != dict(one.versions):
        return "not run"
    failed = f", **{ran['failed']} failed**" if ran["failed"] else ""
    others = "".join(f", {ran[kind]} {said}" for kind, said in _OTHERS.items() if ran[kind])
    return f"{ran['passed']:,} passed{failed}{others}"


_OTHERS = {"skipped": "skipped", "xfailed": "known not to"}


def _packages() -> Iterator[str]:
    yield "## Packages\n"
    yield "| package | oldest | newest | also |"
    yield "|---|---|---|---|"
    for package in packages():
        oldest, *between = tested_versions(package)
        newest = between.pop() if between else oldest
        yield f"| {package} | {oldest} | {newest} | {', '.join(between)} |"


def _faults() -> Iterator[str]:
    yield "## Known to be wrong\n"
    for fault in FAULTS:
        yield f"- **{fault.package} {fault.minor}**: {fault.why}."


if __name__ == "__main__":
    PAGE.write_text(page_text(), encoding="utf-8")
