"""Which of torch's exporters is right: each is asked, with as many axes free as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triport.converters.request import ConvertRequest
from triport.converters.torch_export.exporters import EXPORTERS, Exported, NotExportedError
from triport.converters.torch_export.network import TorchNet

from .axes import SizePlan
from .feeds import ordinary
from .first_divergence import first_divergence
from .judge import NOT_EQUAL
from .proof import SEED, GraphProof, Prover
from .result import Attempt

Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ChosenGraph:
    """The graph that is taken, the opset that was asked for, and at which sizes it was compared.

    `proof` is None where no comparison was asked for.
    """

    exported: Exported
    opset: int
    sizes: Sequence[Sizes]
    proof: GraphProof | None


def find_right(
    prover: Prover,
    plan: SizePlan,
    request: ConvertRequest,
    attempts: list[Attempt],
    folder: Path,
    progress: Callable[[str], None],
) -> ChosenGraph | None:
    """Return the first graph that is right, with as many axes free as can be; the others become attempts."""
    net = prover.net
    for free, traced, sizes in _iterate_free(net, plan):
        for exporter, export in EXPORTERS.items():
            axes = f" with {', '.join(free)} free" if free else ""
            progress(f"exporting {net.name} by {exporter}{axes}")
            try:
                exported = export(net, ordinary(net.inputs, traced, SEED).arrays, free, request.opset)
            except NotExportedError as error:
                attempts.append(Attempt(exporter, free, "not exported", str(error)))
                continue
            if not request.check:
                return ChosenGraph(exported, request.opset, sizes, None)
            progress(f"comparing {exporter}'s graph with {net.name} in float64")
            proof = prover.prove(exported, sizes, folder)
            verdict = proof.verdict
            if proof.passed:
                attempts.append(Attempt(exporter, free, verdict.verdict))
                return ChosenGraph(exported, request.opset, sizes, proof)
            parts = ""
            if verdict.feed is not None:
                progress(f"looking where {exporter}'s graph parts")
                is_moved = any(one is verdict for one in proof.moved)
                parts = first_divergence(prover, exported, dict(traced), verdict.feed, is_moved, folder)
            attempts.append(Attempt(exporter, free, NOT_EQUAL, str(verdict), parts))
    return None


def _iterate_free(net: TorchNet, plan: SizePlan) -> Iterator[tuple[tuple[str, ...], Sizes, Sequence[Sizes]]]:
    """Yield sets of free axes to try, with the sizes to trace with and those to compare at."""
    free = plan.free
    if free:
        yield free, plan.traced, plan.proofs
    for axis in free if len(free) > 1 else ():
        sizes = [{**plan.traced, axis: one[axis]} for one in plan.proofs]
        yield (axis,), plan.traced, [one for one in sizes if one != plan.traced] or sizes
    yield (), net.sizes, [net.sizes]
