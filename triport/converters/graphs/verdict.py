"""Whether the graph in a file is its model's: yes, no and where, or not compared and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from triport.converters.formats import Checkpoint
from triport.converters.graphs.difference import differences
from triport.converters.graphs.stored import stored_flow
from triport.reference_models.errors import counted
from triport.reference_models.spec import ModelSpec

# of onnx 1.23; another version's operators may be other functions, and its files may mean something else
NEWEST_OPSET = 28
NEWEST_IR = 14
WEIGHTS_ONLY = "the file holds weights only, no node and no output"
_FLOATING = ("", "float16", "bfloat16", "float32", "float64")


class GraphVerdict(NamedTuple):
    """What became of comparing a file's graph with a model's.

    `differences` are in the order in which the model computes. `not_compared` says why there was no
    comparison; None where there was one. `output_names` are those of the file, the compared one first;
    `dtype` is that of its images.
    """

    differences: tuple[str, ...]
    not_compared: str | None = None
    output_names: tuple[str, ...] = ()
    dtype: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file returns besides the output that was compared, and takes otherwise, in sentences."""
        return (*self._of_outputs(), *self._of_images())

    def _of_outputs(self) -> Iterator[str]:
        if len(self.output_names) < 2:
            return
        first, *others = self.output_names
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        yield (
            f"the graph has {len(self.output_names)} outputs: {first} was compared with the model's, and "
            f"{', '.join(others[:5])}{more} was not, and is no part of what is written"
        )

    def _of_images(self) -> Iterator[str]:
        if self.dtype not in _FLOATING:
            yield (
                f"the graph takes images of {self.dtype}, and the model float32: nothing can have normalised "
                f"them before. Give the model the same numbers, as float32"
            )

    @property
    def equal(self) -> bool:
        """Whether the graphs were compared and are one."""
        return not self.differences and self.not_compared is None


def graph_verdict(checkpoint: Checkpoint, spec: ModelSpec, names: Mapping[str, str]) -> GraphVerdict | None:
    """Compare a file's graph with a model's; None of a file that holds weights only.

    Args:
        checkpoint: the file.
        spec: the model.
        names: canonical parameter name -> the file's.

    Raises:
        FormatError: the graph is damaged.
    """
    if checkpoint.runtime != "onnx":
        return None
    from triport.converters.graphs.reader import (  # imports numpy, which files of weights do without
        flow_of_file,
        versions_of,
    )

    expected = stored_flow(spec.name)
    if expected is None:
        return GraphVerdict((), f"no graph of {spec.name} is stored (docs/generate_graphs.py makes it)")
    found = flow_of_file(checkpoint, names, spec.input_size_px)
    if found is None:
        return GraphVerdict((), WEIGHTS_ONLY)
    version, opsets = versions_of(checkpoint)
    if version is None or not 0 < version <= NEWEST_IR:
        which = "no version of ONNX's format" if version is None else f"version {version} of ONNX's format"
        why = f"it states {which} (ir_version): those of 1 to {NEWEST_IR} are known here"
        return GraphVerdict((), why, found.output_names, found.dtype)
    opset = opsets.get("")
    if opset is None or not 0 < opset <= NEWEST_OPSET:
        which = "no opset that the file names" if opset is None else f"opset {opset}"
        known = f"those of 1 to {NEWEST_OPSET} are known here"
        why = f"its operators are of {which}: {known}"
        return GraphVerdict((), why, found.output_names, found.dtype)
    problems = differences(found, expected, spec.name)
    if found.channels not in (None, 3):
        problems.insert(0, f"its images have {counted(found.channels, 'channel')}, and the model's 3")
    size = [side for side in found.size_px if side not in (None, spec.input_size_px)]
    if size and any(problem.startswith(("pads ", "ceil ")) for problem in problems):
        problems.append(
            f"the file is of images of {size[0]} pixels and the model's graph of "
            f"{spec.input_size_px}, which can "
            f'change the pads of "same": export it at {spec.input_size_px} pixels'
        )
    return GraphVerdict(tuple(problems), output_names=found.output_names, dtype=found.dtype)
