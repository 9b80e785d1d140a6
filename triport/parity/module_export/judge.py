"""Whether an exported graph computes what its Module does: every output, by the Module's own noise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from triport.parity.graphs.runs import RefusedError, open_session, run_onnx
from triport.parity.judge.difference import difference
from triport.parity.judge.noise import Noise
from triport.parity.judge.tolerance import WIDEST_NARROW, Calibration, share_of

from .feeds import ModuleFeed
from .reference import Expected, ModuleReference

EQUAL, NOT_EQUAL, UNSEEN = "equal", "not equal", "too noisy to see"
MOST_UNSURE = 0.01  # of whole numbers that hang on a rounding


@dataclass(frozen=True, slots=True)
class ModuleVerdict:
    """What was found; `error`, `tolerance` and `noise` are those of the worst output, on the worst feed.

    `where` says which output on which feed, `why` what else speaks against the graph. `unsure` counts whole
    numbers that were not judged, because the Module itself gives another one after a rounding.
    """

    verdict: str
    error: float = 0.0
    tolerance: float = 0.0
    noise: float = 0.0
    where: str = ""
    why: str = ""
    unsure: int = 0
    feed: ModuleFeed | None = None

    @property
    def ratio(self) -> float:
        """The error in tolerances."""
        return share_of(self.error, self.tolerance)

    def __str__(self) -> str:
        if self.why:
            return f"{self.verdict}: {self.why}"
        return f"{self.verdict}: {self.error:.1e} of {self.tolerance:.1e} in {self.where}"


def judge_file(
    path: Path,
    reference: ModuleReference,
    feeds: Iterable[ModuleFeed],
    names: Sequence[str],
    level: str | None = None,
) -> list[ModuleVerdict]:
    """Run a file in ONNX Runtime on the feeds, and compare it with the Module; return a verdict on each feed.

    After one that differs no further feed is run.

    Args:
        path: the file.
        reference: the Module, with the values that the file has.
        feeds: what to run both on.
        names: of the outputs.
        level: of ONNX Runtime's graph optimisation; None is without.
    """
    verdicts: list[ModuleVerdict] = []
    try:
        session = open_session(path, level)
    except RefusedError as error:
        return [ModuleVerdict(NOT_EQUAL, float("inf"), why=f"{error.who} cannot load it: {_plain(error)}")]
    for feed in feeds:
        expected = reference.expected(feed)
        try:
            found = run_onnx(session, feed.arrays)
        except RefusedError as error:
            why = f"{error.who} cannot run it on {feed}: {_plain(error)}"
            return [*verdicts, ModuleVerdict(NOT_EQUAL, float("inf"), why=why, feed=feed)]
        verdicts.append(
            replace(worst(judge_outputs(found, expected, names, reference.calibration)), feed=feed)
        )
        if verdicts[-1].verdict == NOT_EQUAL:
            break
    return verdicts


def judge_outputs(
    found: Sequence[np.ndarray], expected: Expected, names: Sequence[str], calibration: Calibration
) -> list[ModuleVerdict]:
    """Return a verdict on each output of one feed."""
    places = zip(found, expected.outputs, expected.noises, names, strict=True)
    return [
        _judge(one, right, noise, calibration, f"{name} on {expected.feed}")
        for one, right, noise, name in places
    ]


def _plain(error: Exception) -> str:
    """Return what ONNX Runtime says, without where in its own source it says so."""
    return re.sub(r"/\S*onnxruntime/\S+ .*?\)\s+(?=\w+ )", "", str(error))


def worst(verdicts: Sequence[ModuleVerdict]) -> ModuleVerdict:
    """Return the verdict that counts: one that differs, else the largest error; noisy only if all are."""
    order = {UNSEEN: 0, EQUAL: 1, NOT_EQUAL: 2}
    chosen = max(verdicts, key=lambda one: (order[one.verdict], one.ratio))
    return replace(chosen, unsure=sum(one.unsure for one in verdicts))


def _judge(
    found: np.ndarray, right: np.ndarray, noise: Noise, calibration: Calibration, where: str
) -> ModuleVerdict:
    if found.shape != right.shape:
        why = f"{where}: the shape is {found.shape}, the Module's {right.shape}"
        return ModuleVerdict(NOT_EQUAL, np.inf, noise=noise.size, where=where, why=why)
    sure = ~noise.unsure
    if right.dtype.kind != "f" or found.dtype.kind != "f":
        return _judge_whole(found, right, sure, where)
    finite = np.isfinite(right)
    odd = sure & ~finite
    if not np.array_equal(found[odd], right[odd].astype(found.dtype), equal_nan=True):
        why = f"{where}: NaN or infinity stand in other places"
        return ModuleVerdict(NOT_EQUAL, np.inf, noise=noise.size, where=where, why=why)
    tolerance = calibration.tolerance_of(noise.size)
    is_seen = np.isfinite(noise.size) and tolerance <= WIDEST_NARROW
    if not is_seen or (right.size and not (finite & sure).any()):
        return ModuleVerdict(UNSEEN, noise=noise.size, tolerance=tolerance, where=where)
    error = difference(found[finite & sure], right[finite & sure])
    verdict = EQUAL if error <= tolerance else NOT_EQUAL
    return ModuleVerdict(verdict, error, tolerance, noise.size, where)


def _judge_whole(found: np.ndarray, right: np.ndarray, sure: np.ndarray, where: str) -> ModuleVerdict:
    """Compare whole numbers and truth values, which must be equal where the Module is sure of them."""
    if found.dtype.kind != right.dtype.kind:
        return ModuleVerdict(
            NOT_EQUAL, float("inf"), where=where, why=f"{where}: {found.dtype}, not {right.dtype}"
        )
    unsure = int((~sure).sum())
    wrong = int((found[sure] != right[sure]).sum())
    if wrong:
        why = f"{where}: {wrong} of {found.size} whole numbers are others"
        return ModuleVerdict(NOT_EQUAL, float("inf"), where=where, why=why, unsure=unsure)
    verdict = UNSEEN if right.size and unsure > max(1, MOST_UNSURE * right.size) else EQUAL
    return ModuleVerdict(verdict, where=where, unsure=unsure)
