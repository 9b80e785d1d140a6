"""The graph that is right as a file: its axes declared, written, compared once more, and accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from triport.converters.formats import replacing
from triport.converters.torch_export.network import ModuleError, TorchNet
from triport.converters.torch_export.shapes_elsewhere import shapes_elsewhere
from triport.converters.torch_export.weights import account
from triport.converters.torch_export.write import declare, finish, needs_data_file, write
from triport.reference_models.errors import TriportError

from .axes import MOST_ELEMENTS, SizePlan
from .feeds import ordinary
from .judge import NOT_EQUAL, judge_file
from .proof import SEED, Prover
from .result import Attempt, ModuleConversion
from .search import ChosenGraph

Shape = tuple[int | str, ...]
SHOWN = 3  # values of one tensor


def keep(
    found: ChosenGraph,
    output: Path,
    prover: Prover,
    plan: SizePlan,
    attempts: Sequence[Attempt],
    notes: list[str],
) -> ModuleConversion:
    """Write the file, compare what was written once more, and say what was done."""
    net, exported = prover.net, found.exported
    feeds = prover.ordinary(found.sizes)
    inputs = [
        tuple(
            axis if axis in exported.free else net.sizes[axis] if isinstance(axis, str) else axis
            for axis in one.shape
        )
        for one in net.inputs
    ]
    outputs = output_shapes(prover, found)
    data_name = f"{output.name}.data" if needs_data_file(exported, prover.values) else None
    with ExitStack() as stack:
        path = stack.enter_context(replacing(output))
        data = stack.enter_context(replacing(output.with_name(data_name))) if data_name else None
        declare(exported, inputs, outputs, net.buffers_among(exported.model.graph.initializers))
        write(exported, prover.values, path, data)
        if found.proof is not None:
            again = judge_file(path, prover.own, feeds[:1], net.output_names)[-1]
            if again.verdict == NOT_EQUAL:
                raise RuntimeError(f"the file differs from the graph that was proven: {again}")
        finish(path, data, data_name, prover.values)
    names = exported.model.graph.initializers.keys()
    return ModuleConversion(
        source=net.name,
        output=str(output),
        exporter=exported.exporter,
        opset=exported.opset,
        inputs=tuple(
            _described(one.name, shape, one.dtype) for one, shape in zip(net.inputs, inputs, strict=True)
        ),
        outputs=tuple(
            _described(name, shape, "") for name, shape in zip(net.output_names, outputs, strict=True)
        ),
        nodes=sum(node.op_type != "Constant" for node in exported.model.graph.all_nodes()),
        tensors_written=len(names & net.state.keys()),
        dropped=tuple(account(net, names, feeds[0].arrays)),
        verdict=found.proof.verdict if found.proof else None,
        free=tuple(
            (axis, tuple(dict.fromkeys(one[axis] for one in found.sizes)) if found.proof else ())
            for axis in exported.free
        ),
        fixed=tuple(_fixed(plan, exported.free, attempts)),
        attempts=tuple(attempts),
        left_out=tuple(net.left_out),
        warnings=(*notes, *_warnings(found, prover), *_not_run(plan, exported.free, net.name)),
        reference=reference_of(prover),
        undecided=tuple(axis for axis in exported.free if axis in plan.unseen),
    )


def output_shapes(prover: Prover, found: ChosenGraph) -> list[Shape]:
    """Return the shapes to declare: where the size is always a free axis's, it is that one."""
    net, free = prover.net, found.exported.free
    feeds = prover.ordinary(found.sizes)
    seen = [(feed.sizes, [array.shape for array in net.run(feed.arrays)]) for feed in feeds]
    most = {axis: max(feed.sizes[axis] for feed in feeds) for axis in feeds[0].sizes}
    elsewhere = [*_beyond(net, most, free), *shapes_elsewhere(net, free, most)] if free else []
    shapes: list[Shape] = []
    for place, name in enumerate(net.output_names):
        ranks = {len(one[place]): one[place] for _, one in seen}
        if len(ranks) > 1:
            raise ModuleError(
                f"{net.name}: the output {name} has the shapes {' and '.join(map(str, ranks.values()))}, so "
                "how many axes it has depends on the sizes of the inputs, and no file was written. Name the "
                "axes in squeeze(), so that the batch axis of one image stays"
            )
        (rank,) = ranks
        at = [(sizes, one[place]) for sizes, one in (*seen, *elsewhere) if len(one[place]) == rank]
        shapes.append(
            tuple(
                _declared([(sizes, shape[axis]) for sizes, shape in at], free) or f"{name}_{axis}"
                for axis in range(rank)
            )
        )
    return shapes


def _declared(at: Sequence[tuple[Mapping[str, int], int]], free: Sequence[str]) -> int | str | None:
    """Return what an axis of these sizes is: a number, or a free axis of the inputs; None if neither."""
    sizes = {size for _, size in at}
    if len(sizes) == 1:
        return sizes.pop()
    return next((axis for axis in free if all(given[axis] == size for given, size in at)), None)


def _beyond(
    net: TorchNet, most: Mapping[str, int], free: Sequence[str]
) -> Iterator[tuple[Mapping[str, int], list[tuple[int, ...]]]]:
    """Yield sizes that no proof had, and the outputs' shapes there: what was of one size may still grow."""
    sizes = {axis: size + 2 * (axis in free) for axis, size in most.items()}
    with suppress(TriportError):
        yield sizes, [array.shape for array in net.run(ordinary(net.inputs, sizes, SEED).arrays)]


def reference_of(prover: Prover) -> str:
    """Return what the graphs were compared with."""
    return "pytorch-float64" if prover.own.is_float64 else f"pytorch-{prover.net.precision}"


def _described(name: str, shape: Sequence[int | str], dtype: str) -> str:
    return f"{name} ({', '.join(map(str, shape))}) {dtype}".rstrip()


def _fixed(plan: SizePlan, free: Sequence[str], attempts: Sequence[Attempt]) -> Iterator[tuple[str, str]]:
    """Yield the axes that are not free, each with the reason."""
    for axis in plan.traced:
        if axis in free:
            continue
        failed = {attempt.exporter: attempt.verdict for attempt in attempts if axis in attempt.free}
        tried = ", ".join(f"{exporter} {verdict}" for exporter, verdict in failed.items())
        yield axis, plan.fixed.get(axis) or f"where it is free no graph is right ({tried})"


def _not_run(plan: SizePlan, free: Sequence[str], name: str) -> Iterator[str]:
    """Yield what is not known of a free axis, because it would take too much to find out."""
    for axis in free:
        sizes = [str(size) for other, size in plan.too_large if other == axis]
        if sizes:
            yield (
                f"{axis} is not proven at {', '.join(sizes)}: there the code of {name} goes another way, and "
                f"an input has over {MOST_ELEMENTS:,} numbers"
            )
        if axis in plan.unseen:
            yield f"{axis} is checked at the sizes above only: {plan.unseen[axis]}"


def _warnings(found: ChosenGraph, prover: Prover) -> Iterator[str]:
    """Yield what whoever runs the file should know."""
    exported = found.exported
    if exported.opset != found.opset:
        yield f"the file has opset {exported.opset}: {exported.exporter} writes none of {found.opset}"
    if found.proof is None:
        return
    yield from found.proof.notes
    if not prover.own.is_float64:
        yield (
            f"{prover.net.name} does not run in float64, or computes another function there, so it was its "
            f"own reference in {prover.net.precision}: a fault below that precision's noise could not be seen"
        )
    elif prover.own.precision != prover.net.precision:
        yield (
            f"{prover.net.name} computes some steps in {prover.own.precision} "
            f"({', '.join(list(prover.own.narrow)[:3])}), which a runtime may do in float32: a fault below "
            f"the noise of {prover.own.precision} could not be seen"
        )
    elif prover.own.narrow and prover.net.precision != "float64":
        yield (
            f"some steps of {prover.net.name} are in float32 or less even where it runs in float64 "
            f"({', '.join(list(prover.own.narrow)[:3])}): a fault below their noise could not be seen"
        )
    for place, values in prover.own.reads.items():
        shown = [*dict.fromkeys(one.partition(" #")[0] for one in sorted(values))][:SHOWN]
        if len(values) == 1:
            yield (
                f"a value of a tensor decides at {place}, and was {shown[0]} on every input tried: "
                f"what the Module does otherwise is perhaps not in the file"
            )
        elif not values <= {"True", "False"}:
            yield (
                f"a value of a tensor is read at {place}, and was {', '.join(shown)} on inputs that were "
                f"tried: what the Module does at others is perhaps not in the file"
            )
